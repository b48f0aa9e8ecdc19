"""Document vectors to logits."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textlattice.nn.dropout import Dropout


class Head(nn.Module):
    """A hidden layer and a linear one.

    Args:
        in_channels: Width of a document vector.
        hidden_channels: Width of the hidden layer.
        num_outputs: Logits a document.
        dropout: Probability that a hidden channel is dropped in training.

    Source: CNN-GNN (arXiv 2507.07414), equation 24.
    """

    def __init__(self, in_channels: int, hidden_channels: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.hidden = nn.Linear(in_channels, hidden_channels)
        self.output = nn.Linear(hidden_channels, num_outputs)

    def forward(
        self, documents: Float[Tensor, "num_docs in_channels"]
    ) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits, natural-log units."""
        hidden = F.elu(self.hidden(self.dropout(documents)))
        return self.output(self.dropout(hidden))
