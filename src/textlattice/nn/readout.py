"""Tokens to documents."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.nn.ragged import segment_max, segment_mean, segment_softmax, segment_sum


class Readout(nn.Module):
    """Largest, mean and attended value of each channel over the tokens of a document.

    A document without tokens reads as zeros.

    Args:
        channels: Width of a token; the result is three times as wide.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, 1, bias=False)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        doc_index: Int[Tensor, " num_tokens"],
        doc_ptr: Int[Tensor, " doc_bounds"],
    ) -> Float[Tensor, "doc_bounds-1 3*channels"]:
        """One vector a document."""
        num_docs = doc_ptr.shape[0] - 1
        weights = segment_softmax(self.score(tokens), doc_index, num_docs)
        return torch.cat(
            [
                segment_max(tokens, doc_index, num_docs),
                segment_mean(tokens, doc_index, doc_ptr),
                segment_sum(tokens * weights, doc_index, num_docs),
            ],
            1,
        )
