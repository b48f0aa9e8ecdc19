"""The token table as an encoder: one frozen vector a token, whatever stands beside it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textlattice.batch.pyramid_batch import PyramidBatch


class TableEncoder(nn.Module):
    """One state of each token: its vector, zeros without one.

    Args:
        num_injected: Words of the token table.
        channels: Width of its vectors.
    """

    vectors: Tensor

    def __init__(self, num_injected: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(num_injected + 1, channels))
        self.widths = (channels,)

    def fill_vectors(self, vectors: Float[Tensor, "num_injected channels"]) -> None:
        """Takes the vectors of a token table."""
        self.vectors[1:] = vectors

    def forward(self, batch: PyramidBatch[Tensor]) -> list[Float[Tensor, "num_tokens channels"]]:
        """The state."""
        assert batch.tokens.injected is not None
        return [F.embedding(batch.tokens.injected, self.vectors)]
