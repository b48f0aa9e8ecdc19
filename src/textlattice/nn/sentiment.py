"""Polarity and subjectivity mixed into the tokens, as the paper does it in four ways."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.nn.conv import RaggedConv
from textlattice.nn.norms import NormKind, make_norm

NUM_SENTIMENTS = 2
"""Polarity and subjectivity."""


class SentimentConv(nn.Module):
    """ReLU(conv([x ; ReLU(norm(conv s))])), both convolutions over three tokens.

    Args:
        channels: Width of a token.
        norm: Normalisation of the sentiment's own features.

    Source: CNN-GNN (arXiv 2507.07414), table 6, "conv".
    """

    def __init__(self, channels: int, norm: NormKind) -> None:
        super().__init__()
        self.conv_sentiment = RaggedConv(NUM_SENTIMENTS, channels, 3)
        self.norm = make_norm(norm, channels)
        self.conv = RaggedConv(2 * channels, channels, 3)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        sentiment: Float[Tensor, "num_tokens 2"],
        doc_index: Int[Tensor, " num_tokens"],
        doc_ptr: Int[Tensor, " doc_bounds"],
    ) -> Float[Tensor, "num_tokens channels"]:
        """The tokens, coloured."""
        heard = F.relu(self.norm(self.conv_sentiment(sentiment, doc_index), doc_index, doc_ptr))
        return F.relu(self.conv(torch.cat([tokens, heard], 1), doc_index))


class SentimentLinear(nn.Module):
    """x + ReLU(W2 ReLU(W1 [x ; s])), or the same without x.

    Args:
        channels: Width of a token.
        residual: Whether x is added: linear type 1; without it type 2.

    Source: CNN-GNN (arXiv 2507.07414), table 6, "linear".
    """

    def __init__(self, channels: int, *, residual: bool) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels + NUM_SENTIMENTS, channels)
        self.output = nn.Linear(channels, channels)
        self.weight_of_input = float(residual)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        sentiment: Float[Tensor, "num_tokens 2"],
        doc_index: Int[Tensor, " num_tokens"],
        doc_ptr: Int[Tensor, " doc_bounds"],
    ) -> Float[Tensor, "num_tokens channels"]:
        """The tokens, coloured."""
        mixed = F.relu(self.output(F.relu(self.hidden(torch.cat([tokens, sentiment], 1)))))
        return self.weight_of_input * tokens + mixed
