"""Reductions within ranges of rows: documents of tokens, forms of characters.

Ranges are given by `segment_index`, the owner of each row. Indices are checked once, in `collate`.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def segment_sum(
    values: Float[Tensor, "num_rows channels"], segment_index: Int[Tensor, " num_rows"], num_segments: int
) -> Float[Tensor, "num_segments channels"]:
    """Sum of the rows of each segment; zeros for an empty one."""
    return values.new_zeros(num_segments, values.shape[1]).index_add(0, segment_index, values)


def segment_mean(
    values: Float[Tensor, "num_rows channels"],
    segment_index: Int[Tensor, " num_rows"],
    segment_ptr: Int[Tensor, " bounds"],
) -> Float[Tensor, "bounds-1 channels"]:
    """Mean of the rows of each segment, as sum by count; zeros for an empty one.

    Args:
        values: One row a member.
        segment_index: Owner of each row.
        segment_ptr: Bounds of the segments, one more entry than there are segments.
    """
    counts = segment_ptr[1:] - segment_ptr[:-1]
    sums = segment_sum(values, segment_index, segment_ptr.shape[0] - 1)
    return sums / counts.clamp(min=1).to(values.dtype)[:, None]


def segment_max(
    values: Float[Tensor, "num_rows channels"],
    segment_index: Int[Tensor, " num_rows"],
    num_segments: int,
) -> Float[Tensor, "num_segments channels"]:
    """Largest value of each channel in each segment; zeros for an empty one.

    Between equal values the gradient is shared evenly.
    """
    owner = segment_index.to(torch.int64)[:, None].expand_as(values)
    zeros = values.new_zeros(num_segments, values.shape[1])
    return zeros.scatter_reduce(0, owner, values, reduce="amax", include_self=False)


def segment_softmax(
    scores: Float[Tensor, "num_rows num_heads"], segment_index: Int[Tensor, " num_rows"], num_segments: int
) -> Float[Tensor, "num_rows num_heads"]:
    """Softmax over the rows of each segment.

    The largest score of each segment is subtracted first, so large scores do not overflow.
    An empty segment has no rows and changes nothing.

    Args:
        scores: Unnormalised, natural-log units.
        segment_index: Owner of each row, in any order.
        num_segments: Number of segments, empty ones included.

    Returns:
        Weights in [0, 1] that sum to 1 in each segment.

    Source: GAT (arXiv 1710.10903), equation 2, with documents in place of nodes.
    """
    highest = segment_max(scores.detach(), segment_index, num_segments)
    exponents = (scores - highest.index_select(0, segment_index)).exp()
    sums = segment_sum(exponents, segment_index, num_segments)
    return exponents / sums.index_select(0, segment_index)
