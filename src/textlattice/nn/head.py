"""Document vectors to logits."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textlattice.nn.dropout import Dropout


class LastLayer(nn.Module):
    """W dropout(ELU(hidden)) + b: logits from a hidden layer.

    Args:
        hidden_channels: Width of the hidden layer.
        num_outputs: Logits a document.
        dropout: Probability that a hidden channel is dropped in training.
    """

    def __init__(self, hidden_channels: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(hidden_channels, num_outputs)

    def forward(
        self, hidden: Float[Tensor, "num_docs hidden_channels"]
    ) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits, natural-log units."""
        return self.output(self.dropout(F.elu(hidden)))


class Head(LastLayer):
    """A hidden layer and a linear one.

    Args:
        in_channels: Width of a document vector.
        hidden_channels: Width of the hidden layer.
        num_outputs: Logits a document.
        dropout: Probability that a channel, of the vector or hidden, is dropped in training.

    Source: CNN-GNN (arXiv 2507.07414), equation 24.
    """

    def __init__(self, in_channels: int, hidden_channels: int, num_outputs: int, dropout: float) -> None:
        # Made first, so that a seed gives the weights it always gave.
        hidden = nn.Linear(in_channels, hidden_channels)
        super().__init__(hidden_channels, num_outputs, dropout)
        self.hidden = hidden

    def forward(
        self, documents: Float[Tensor, "num_docs in_channels"]
    ) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits, natural-log units."""
        return super().forward(self.hidden(self.dropout(documents)))
