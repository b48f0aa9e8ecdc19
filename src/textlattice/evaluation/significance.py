"""Is one classifier better than another on the same rows?"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from textlattice.errors import DataError
from textlattice.evaluation.bootstrap import intervals

# Up to here the binomial tail is summed exactly; beyond, the normal approximation is off by less than 1e-3.
_EXACT_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A difference of scores (a minus b) with its 95% interval, in points: 1 is one per cent.

    Args:
        difference: On the rows as they are.
        low: Lower bound; above 0, a is better beyond chance.
        high: Upper bound; below 0, b is better beyond chance.
    """

    difference: float
    low: float
    high: float


def paired_bootstrap(
    correct_a: Bool[np.ndarray, " num_rows"],
    correct_b: Bool[np.ndarray, " num_rows"],
    *,
    num_samples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The difference of accuracies with the percentile interval of resampled rows.

    Args:
        correct_a: Where the first classifier is right.
        correct_b: Where the second one is right on the same row.
        num_samples: Resamples.
        seed: Of the resampling.

    Raises:
        DataError: No rows, or not the same number for both.
    """
    only_a, only_b = _discordant(correct_a, correct_b)
    num_rows = len(correct_a)
    # A row counts +1, -1 or 0, so drawing rows with replacement is one multinomial draw over three cells.
    shares = np.array([only_a, only_b, num_rows - only_a - only_b]) / num_rows
    drawn = np.random.default_rng(seed).multinomial(num_rows, shares, size=num_samples)
    low, high = np.quantile(100 * (drawn[:, 0] - drawn[:, 1]) / num_rows, [0.025, 0.975])
    return Interval(difference=100 * (only_a - only_b) / num_rows, low=float(low), high=float(high))


def paired_bootstrap_of(
    score_a: Callable[[Float[np.ndarray, "num_samples num_rows"]], Float[np.ndarray, " num_samples"]],
    score_b: Callable[[Float[np.ndarray, "num_samples num_rows"]], Float[np.ndarray, " num_samples"]],
    num_rows: int,
    *,
    num_samples: int = 2_000,
    seed: int = 0,
) -> Interval:
    """The same for any score of whole tables, such as macro F1: its difference, hundredfold.

    Args:
        score_a: The score of the first classifier, given how often each row counts.
        score_b: Of the second one, on the same rows.
        num_rows: Rows of the test.
        num_samples: Resamples; those where a score is not defined (NaN) are left out.
        seed: Of the resampling.

    Raises:
        DataError: No rows.
    """
    if num_rows == 0:
        raise DataError(
            "a paired test: expected at least one row, got none; predict with both on one test set."
        )
    once = np.ones(num_rows, np.int64)
    as_they_are = 100 * (score_a(np.ones((1, num_rows))) - score_b(np.ones((1, num_rows))))[0]
    found = intervals(
        once,
        lambda drawn: {"difference": 100 * (score_a(drawn) - score_b(drawn))},
        num_samples=num_samples,
        seed=seed,
    )["difference"]
    low, high = found or (np.nan, np.nan)
    return Interval(difference=float(as_they_are), low=float(low), high=float(high))


def mcnemar(correct_a: Bool[np.ndarray, " num_rows"], correct_b: Bool[np.ndarray, " num_rows"]) -> float:
    """Two-sided p value of McNemar's test that both classifiers err equally often.

    Exact up to 1,000 rows on which they differ, above that the normal approximation with continuity
    correction. Where they never differ it is 1.

    Raises:
        DataError: No rows, or not the same number for both.

    Source: McNemar 1947.
    """
    only_a, only_b = _discordant(correct_a, correct_b)
    num_discordant = only_a + only_b
    if num_discordant == 0:
        return 1.0
    if num_discordant <= _EXACT_ROWS:
        tail = sum(math.comb(num_discordant, count) for count in range(min(only_a, only_b) + 1))
        return min(1.0, 2 * tail / 2**num_discordant)
    deviation = max(0, abs(only_a - only_b) - 1) / math.sqrt(num_discordant)
    return math.erfc(deviation / math.sqrt(2))


def _discordant(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[int, int]:
    if len(correct_a) != len(correct_b) or len(correct_a) == 0:
        raise DataError(
            f"a paired test: expected the same rows for both, at least one, got {len(correct_a)} and "
            f"{len(correct_b)}; predict with both on one test set."
        )
    return int((correct_a & ~correct_b).sum()), int((~correct_a & correct_b).sum())
