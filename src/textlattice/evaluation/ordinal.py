"""Metrics of labels in an order: those of single labels, and how far a wrong answer is from the right one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from textlattice.evaluation import metrics
from textlattice.evaluation.bootstrap import intervals


def evaluate_ordinal(
    probabilities: Float[np.ndarray, "num_rows num_classes"],
    targets: Int[np.ndarray, " num_rows"],
    predictions: Int[np.ndarray, " num_rows"],
    labels: Sequence[str],
    *,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Every metric of a test with labels in an order.

    Args:
        probabilities: One row per document, summing to 1.
        targets: Place of the class of each row; -1 is a label that the model does not know: an error in accuracy, and
            left out of `quadratic_weighted_kappa` and `mae`, since it has no place.
        predictions: Place of the answer.
        labels: Names of the classes, ascending.
        num_bootstrap: Resamples of rows for the intervals.
        seed: Of the resampling.

    Returns:
        All that `metrics.evaluate` gives, with `quadratic_weighted_kappa` (1 for perfect answers, 0 for chance, None
        where targets and answers are one class) and its interval, and `mae`, the mean distance in classes.

    Raises:
        DataError: As `metrics.evaluate`.
    """
    result = metrics.evaluate(
        probabilities, targets, labels, predictions=predictions, num_bootstrap=num_bootstrap, seed=seed
    )
    known = targets >= 0
    counts = np.array(result["confusion_matrix"], np.int64).reshape(len(labels), len(labels))
    kappa = float(quadratic_weighted_kappa(counts[None].astype(np.float64))[0])
    drawn = intervals(
        counts.ravel(),
        lambda cells: {"kappa": quadratic_weighted_kappa(cells.reshape(-1, *counts.shape))},
        num_samples=num_bootstrap,
        seed=seed,
    )
    return result | {
        "quadratic_weighted_kappa": kappa if np.isfinite(kappa) else None,
        "mae": float(np.abs(targets - predictions)[known].mean()) if known.any() else None,
        "intervals": result["intervals"] | {"quadratic_weighted_kappa": drawn["kappa"]},
    }


def quadratic_weighted_kappa(
    counts: Float[np.ndarray, "num_samples num_classes num_classes"],
) -> Float[np.ndarray, " num_samples"]:
    """1 - (mean squared distance) / (the same of unrelated rows and columns); NaN where that is 0.

    Args:
        counts: Confusion matrices, rows are targets.

    Source: Cohen 1968, with squared distances as weights.
    """
    places = np.arange(counts.shape[-1])
    distances = (places[:, None] - places) ** 2
    unrelated = counts.sum(2)[:, :, None] * counts.sum(1)[:, None, :]
    found, expected = ((part * distances).sum((1, 2)) for part in (counts, unrelated))
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - found * counts.sum((1, 2)) / np.where(expected > 0, expected, np.nan)
