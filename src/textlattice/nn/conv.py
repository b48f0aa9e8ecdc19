"""Convolution along ranges of rows that stops at their borders."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class RaggedConv(nn.Module):
    """Same-length convolution over each segment alone, as if zeros lay beyond both of its ends.

    y_i = b + sum over d in -r..r of W_d x_(i+d), where a row of another segment counts as zero.
    Each row is projected for every tap first; the projections are then shifted and summed,
    so no zero rows are inserted and no border is crossed.

    Args:
        in_channels: Width of a row.
        out_channels: Width of a result.
        kernel_size: Odd number of taps, 2 r + 1.

    Source: CNN-GNN (arXiv 2507.07414), equation 9; the published code crosses borders, this does not.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        assert kernel_size % 2 == 1
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(kernel_size, out_channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        bound = (kernel_size * in_channels) ** -0.5
        nn.init.uniform_(self.weight, -(3**0.5) * bound, 3**0.5 * bound)

    def forward(
        self, rows: Float[Tensor, "num_rows in_channels"], segment_index: Int[Tensor, " num_rows"]
    ) -> Float[Tensor, "num_rows out_channels"]:
        """Each row with its neighbours of the same segment, weighed by their distance."""
        num_rows, radius = rows.shape[0], self.kernel_size // 2
        taps = self.weight.unbind(0)
        result = F.linear(rows, taps[radius], self.bias)
        for distance in range(1, min(radius, num_rows - 1) + 1):
            same = (segment_index[distance:] == segment_index[:-distance])[:, None]
            after = F.linear(rows[distance:], taps[radius + distance]) * same
            before = F.linear(rows[:-distance], taps[radius - distance]) * same
            result = result + F.pad(after, (0, 0, 0, distance)) + F.pad(before, (0, 0, distance, 0))
        return result
