"""The steps of a feature pyramid: up to larger units, down again with what these know, and scales into one vector.

Not here: which units there are (`batch/scales.py`), the order of the steps (`models/pyramid.py`).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from textlattice.nn.act_norm import ActNorm
from textlattice.nn.conv import RaggedConv
from textlattice.nn.ragged import segment_sum
from textlattice.nn.readout import Readout


def unit_mean(
    rows: Float[Tensor, "num_rows channels"],
    unit: Int[Tensor, " num_rows"],
    counts: Int[Tensor, " num_units"],
) -> Float[Tensor, "num_units channels"]:
    """Mean of the rows of each unit; a row of the unit one past the last is left out.

    Args:
        rows: Tokens, or units of the scale below.
        unit: Unit that each is part of.
        counts: Rows of each unit, 1 or more.
    """
    num_units = counts.shape[0]
    return segment_sum(rows, unit, num_units + 1)[:num_units] / counts[:, None].to(rows.dtype)


class Climb(nn.Module):
    """C_l = mean over children of GELU(conv(C_(l-1))) + mean over tokens of W state_l.

    Args:
        channels: Width of a unit.

    Source: MSF-GNN (arXiv 2511.05752), bottom-up path; a convolution and a mean over children stand where a strided
    convolution would, so that units of any number of children are made alike.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = RaggedConv(channels, channels, 3)
        self.lateral = nn.Linear(channels, channels)

    def forward(
        self,
        below: Float[Tensor, "num_below channels"],
        doc_index: Int[Tensor, " num_below"],
        parent: Int[Tensor, " num_below"],
        num_children: Int[Tensor, " num_units"],
        state: Float[Tensor, "num_tokens channels"],
        token_unit: Int[Tensor, " num_tokens"],
        num_tokens: Int[Tensor, " num_units"],
    ) -> Float[Tensor, "num_units channels"]:
        """Units of a scale from those below and from a state of the encoder."""
        children = F.gelu(self.conv(below, doc_index))
        return unit_mean(children, parent, num_children) + unit_mean(
            self.lateral(state), token_unit, num_tokens
        )


class Smooth(nn.Module):
    """P = x + GELU(LayerNorm(conv x)), x = W C: a scale by itself.

    On the path past the norm a word reaches the document as it is; without it the network does not learn from long
    texts (docs/experiments.md).

    Args:
        channels: Width of a unit.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lateral = nn.Linear(channels, channels)
        self.conv = RaggedConv(channels, channels, 3)
        self.norm = nn.LayerNorm(channels)

    def forward(
        self,
        units: Float[Tensor, "num_units channels"],
        doc_index: Int[Tensor, " num_units"],
        above: Float[Tensor, "num_above channels"],
        parent: Int[Tensor, " num_units"],
    ) -> Float[Tensor, "num_units channels"]:
        """Units smoothed within their document; what lies above is not read."""
        return self.smooth(self.lateral(units), doc_index)

    def smooth(
        self, units: Float[Tensor, "num_units channels"], doc_index: Int[Tensor, " num_units"]
    ) -> Float[Tensor, "num_units channels"]:
        """x + GELU(LayerNorm(conv x))."""
        return units + F.gelu(self.norm(self.conv(units, doc_index)))


class Descend(Smooth):
    """`Smooth` of x = W C_l + P_(l+1) of the parent; without a parent only the first term.

    Source: feature pyramid networks (arXiv 1612.03144), section 3.
    """

    def forward(
        self,
        units: Float[Tensor, "num_units channels"],
        doc_index: Int[Tensor, " num_units"],
        above: Float[Tensor, "num_above channels"],
        parent: Int[Tensor, " num_units"],
    ) -> Float[Tensor, "num_units channels"]:
        """Units that know the larger unit they are part of."""
        merged = self.merge(self.lateral(units), _of_parent(above, parent), parent < len(above))
        return self.smooth(merged, doc_index)

    def merge(
        self,
        lateral: Float[Tensor, "num_units channels"],
        down: Float[Tensor, "num_units channels"],
        has_parent: Bool[Tensor, " num_units"],
    ) -> Float[Tensor, "num_units channels"]:
        """The sum; without a parent `down` is zero."""
        return lateral + down


class GatedDescend(Descend):
    """`Descend` with g * lateral + (1 - g) * down, g = sigmoid(V [lateral ; down]), in place of the sum.

    Args:
        channels: Width of a unit.

    Source: after BiFPN (arXiv 1911.09070), weighted fusion; here by channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.gate = nn.Linear(2 * channels, channels)

    def merge(
        self,
        lateral: Float[Tensor, "num_units channels"],
        down: Float[Tensor, "num_units channels"],
        has_parent: Bool[Tensor, " num_units"],
    ) -> Float[Tensor, "num_units channels"]:
        """A mean of the two by channel, weighed by what both say; without a parent there is nothing to weigh."""
        gate = self.gate(torch.cat([lateral, down], 1)).sigmoid()
        return torch.where(has_parent[:, None], gate * lateral + (1 - gate) * down, lateral)


def _of_parent(above: Tensor, parent: Tensor) -> Tensor:
    """Features of each unit's parent; zeros without one."""
    return F.pad(above, (0, 0, 0, 1)).index_select(0, parent)


class ScaleReadout(nn.Module):
    """A document as the weighted mean of its scales, each read by its largest, mean and attended values.

    z_l = W_l norm [max ; mean ; attended]; weights are a softmax of v . z_l / sqrt(out_channels) over the scales that a
    document has; by v . z_l itself the first hundreds of steps drive all weight to one scale, where it stays
    (docs/experiments.md). The norm (`ActNorm`) stands before W_l, for documents hardly differ there before training.
    The mean is the hidden layer of the classifier: with a layer more between a word and the answer, long texts teach it
    little.

    Args:
        channels: Width of a unit.
        num_scales: Scales.
        out_channels: Width of the result.

    Source: MSF-GNN (arXiv 2511.05752), readout; the weights are ours.
    """

    def __init__(self, channels: int, num_scales: int, out_channels: int) -> None:
        super().__init__()
        self.readouts = nn.ModuleList(Readout(channels) for _ in range(num_scales))
        self.norms = nn.ModuleList(ActNorm(3 * channels) for _ in range(num_scales))
        self.outputs = nn.ModuleList(nn.Linear(3 * channels, out_channels) for _ in range(num_scales))
        self.score = nn.Linear(out_channels, 1, bias=False)

    def read(
        self,
        number: int,
        units: Float[Tensor, "num_units channels"],
        doc_index: Int[Tensor, " num_units"],
        doc_ptr: Int[Tensor, " doc_bounds"],
    ) -> Float[Tensor, "doc_bounds-1 3*channels"]:
        """Largest, mean and attended values of one scale, counted from 0."""
        values: Tensor = self.readouts[number](units, doc_index, doc_ptr)
        return values

    def forward(
        self, values: list[Float[Tensor, "num_docs width"]]
    ) -> Float[Tensor, "num_docs num_scales out_channels"]:
        """z of all scales, from what `read` says of each."""
        return torch.stack(
            [output(norm(rows)) for rows, norm, output in zip(values, self.norms, self.outputs, strict=True)],
            1,
        )

    def mean(
        self,
        scales: Float[Tensor, "num_docs num_scales out_channels"],
        present: Bool[Tensor, "num_docs num_scales"],
    ) -> Float[Tensor, "num_docs out_channels"]:
        """The weighted mean of the scales of each document."""
        return (scales * self.weigh(scales, present)[:, :, None]).sum(1)

    def weigh(
        self,
        scales: Float[Tensor, "num_docs num_scales out_channels"],
        present: Bool[Tensor, "num_docs num_scales"],
    ) -> Float[Tensor, "num_docs num_scales"]:
        """Weights in [0, 1] that sum to 1 over the scales that a document has; alike for a document without any."""
        scores = self.score(scales)[:, :, 0] / scales.shape[2] ** 0.5
        return scores.masked_fill(~present, torch.finfo(scores.dtype).min).softmax(1)
