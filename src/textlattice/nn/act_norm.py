"""Channels that begin with mean 0 and one deviation, without a statistic in the forward pass."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_DEVIATION = 0.1  # with 1 the first steps move a document by several deviations (docs/experiments.md)
_LEAST_SHARE = 0.1  # of the median deviation: a channel that hardly varies is not blown up


class ActNorm(nn.Module):
    """x * scale + shift, learned; what they begin as is read off a sample once.

    Vectors of documents hardly differ before training (their deviation is a tenth of their mean or less), so a layer
    behind them would hear next to nothing, and they would learn next to nothing from it.

    Args:
        channels: Width of a row.

    Source: Glow (arXiv 1807.03039), section 3.1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def begin(self, sample: Float[Tensor, "num_rows channels"]) -> None:
        """Gives the channels of these rows mean 0 and deviation 0.1; of fewer than two rows nothing is read.

        A deviation below a tenth of the median counts as that tenth; where all rows are alike, nothing changes.
        """
        if len(sample) < 2:
            return
        mean, deviation = sample.mean(0), sample.std(0)
        least = _LEAST_SHARE * deviation.median()
        if not least > 0:
            return
        with torch.no_grad():
            self.scale.copy_(_DEVIATION / deviation.clamp(min=least))
            self.shift.copy_(-mean * self.scale)

    def forward(self, rows: Float[Tensor, "num_rows channels"]) -> Float[Tensor, "num_rows channels"]:
        """The rows, each channel scaled and shifted."""
        return rows * self.scale + self.shift
