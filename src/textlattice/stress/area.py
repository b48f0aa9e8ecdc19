"""One number for curves under noise: the relative area, and how sure the rows make it."""

import numpy as np
from jaxtyping import Float

from textlattice.evaluation.bootstrap import intervals
from textlattice.evaluation.significance import Interval

_SAMPLES = 2000
"""Draws of rows of an interval."""


def relative_area(
    heights: Float[np.ndarray, "*curves num_levels"], levels: Float[np.ndarray, " num_levels"]
) -> Float[np.ndarray, "*curves"]:
    """Area under the heights over that of the first height; 0 where that is nothing or less.

    Args:
        heights: A measure less what chance gives, level by level.
        levels: Ascending from 0.
    """
    first = heights[..., 0]
    area = np.trapezoid(heights, levels, axis=-1) / (levels[-1] - levels[0])
    return np.asarray(np.where(first > 0, area / np.where(first > 0, first, 1.0), 0.0))


def area_interval(
    right: Float[np.ndarray, "num_families num_levels num_rows"],
    levels: Float[np.ndarray, " num_levels"],
    chance: float,
    *,
    less: Float[np.ndarray, "num_families num_levels num_rows"] | None = None,
) -> Interval:
    """Mean relative area of accuracies over families, and its 95 % interval of a bootstrap over rows.

    Args:
        right: How often each row was answered rightly, in [0, 1], the mean over draws of the noise.
        levels: Ascending from 0.
        chance: Accuracy of guessing.
        less: The same of another model over the same rows; then it is the difference, of a paired bootstrap.
    """
    num_rows = right.shape[2]

    def gain(drawn: np.ndarray) -> dict[str, np.ndarray]:
        weights = drawn.T / num_rows
        areas = [
            relative_area((shares @ weights - chance).swapaxes(1, 2), levels).mean(0)
            for shares in (right, less)
            if shares is not None
        ]
        return {"area": areas[0] - sum(areas[1:])}

    once = np.ones(num_rows, np.int64)
    low, high = intervals(once, gain, num_samples=_SAMPLES, seed=0)["area"] or (np.nan, np.nan)
    return Interval(difference=float(gain(once[None])["area"][0]), low=low, high=high)
