"""Cells of tables in Markdown, and the difference of two models over the same test rows."""

from collections.abc import Iterable

import numpy as np

from textlattice.evaluation.significance import Interval

NONE = "–"
Correct = dict[int, np.ndarray]
"""Share of the seeds that are right on each test row, by fold (0 where a set has no folds)."""


def difference(ours: Correct, other: Correct, *, num_samples: int = 10_000) -> Interval:
    """Ours minus the other in points over their common folds, with its 95% paired bootstrap interval."""
    folds = sorted(set(ours) & set(other))
    gains = np.concatenate([ours[fold] - other[fold] for fold in folds])
    # Rows of one gain are alike, so drawing rows with replacement is one multinomial draw over the gains.
    values, counts = np.unique(np.round(gains, 9), return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(gains), counts / len(gains), size=num_samples)
    low, high = np.quantile(100 * (drawn @ values) / len(gains), [0.025, 0.975])
    return Interval(difference=float(100 * gains.mean()), low=float(low), high=float(high))


def interval_cell(interval: Interval) -> str:
    """A difference and its interval, in points."""
    return f"{interval.difference:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"


def table_of(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    columns = list(columns)
    lines = ["| " + " | ".join(cells) + " |" for cells in [columns, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(columns), *lines[1:]])
