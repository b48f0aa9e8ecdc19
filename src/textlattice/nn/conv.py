"""Convolution along ranges of rows that stops at their borders."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class RaggedConv(nn.Module):
    """Same-length convolution over each segment alone, as if zeros lay beyond both of its ends.

    y_i = b + sum over d in -r..r of W_d x_(i+d), where a row of another segment counts as zero.
    The rows are shifted once a tap, projected and masked (not multiplied: a NaN stays in its segment), so no zero
    rows stand between the segments. The number of taps is the same whatever the number of rows, so the layer
    exports and takes 0 and 1 rows.

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
        padded = F.pad(rows, (0, 0, radius, radius))
        owners = F.pad(segment_index, (radius, radius), value=-1)
        result = F.linear(rows, taps[radius], self.bias)
        for place in range(self.kernel_size):
            if place != radius:
                shifted = slice(place, place + num_rows)
                other = (owners[shifted] != segment_index)[:, None]
                result += F.linear(padded[shifted], taps[place]).masked_fill_(other, 0)
        return result


class DepthwiseConv(nn.Module):
    """A convolution of each channel alone, then one over the channels of each row; it stops at borders as well.

    Args:
        in_channels: Width of a row.
        out_channels: Width of a result.
        kernel_size: Odd number of taps.

    Source: CNN-GNN (arXiv 2507.07414), table 3, "depth-wise".
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        assert kernel_size % 2 == 1
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(kernel_size, in_channels))
        self.bias = nn.Parameter(torch.zeros(in_channels))
        self.mix = nn.Linear(in_channels, out_channels)
        nn.init.uniform_(self.weight, -((3 / kernel_size) ** 0.5), (3 / kernel_size) ** 0.5)

    def forward(
        self, rows: Float[Tensor, "num_rows in_channels"], segment_index: Int[Tensor, " num_rows"]
    ) -> Float[Tensor, "num_rows out_channels"]:
        """Each row with its neighbours of the same segment, weighed by their distance."""
        num_rows, radius = rows.shape[0], self.kernel_size // 2
        padded = F.pad(rows, (0, 0, radius, radius))
        owners = F.pad(segment_index, (radius, radius), value=-1)
        result = self.bias.expand_as(rows)
        for place, tap in enumerate(self.weight.unbind(0)):
            shifted = slice(place, place + num_rows)
            other = (owners[shifted] != segment_index)[:, None]
            result = result + padded[shifted].masked_fill(other, 0) * tap
        return self.mix(result)
