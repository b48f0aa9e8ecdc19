"""Metrics of texts with any number of labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from textlattice.errors import MissingExtraError
from textlattice.evaluation.bootstrap import intervals
from textlattice.evaluation.metrics import check, expected_calibration_error, precision_recall_f1


def evaluate_multi(
    probabilities: Float[np.ndarray, "num_rows num_labels"],
    targets: Bool[np.ndarray, "num_rows num_labels"],
    predictions: Bool[np.ndarray, "num_rows num_labels"],
    labels: Sequence[str],
    *,
    num_unknown: Int[np.ndarray, " num_rows"] | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Every metric of a test with any number of labels a text.

    Args:
        probabilities: Of each label, in [0, 1].
        targets: Which labels each row has.
        predictions: Which labels each row is answered with.
        labels: Names of the labels.
        num_unknown: Labels of each row that the model does not know; such a label is one that was missed: the row is
            not right as a whole, and micro recall and F1 count it. No other figure sees it.
        num_bootstrap: Resamples of rows for the intervals.
        seed: Of the resampling.

    Returns:
        `num_rows`, `num_unknown_labels`, `subset_accuracy` (share of rows with all labels right), `micro_*` (over all
        pairs of row and label) and `macro_*` (mean over the labels that a row has or is given) of `precision`,
        `recall` and `f1`, `lrap` (label ranking average precision; 1 for a row without labels), `macro_auc` (mean
        over the labels that some rows have and some lack), `log_loss` (natural logarithm, mean over all pairs),
        `ece` (15 equal bins over all pairs), `intervals` (95%, percentile bootstrap over rows, of `subset_accuracy`,
        `micro_f1` and `macro_f1`), `per_class` (name to `precision`, `recall`, `f1`, `support`) and `labels`.
        What is not defined is None; without rows all are.

    Raises:
        DataError: Numbers of labels or rows do not fit, or a probability is not finite.

    Source of lrap: Schapire and Singer 2000, as scikit-learn computes it.
    """
    try:
        from sklearn.metrics import label_ranking_average_precision_score, roc_auc_score
    except ImportError as error:
        raise MissingExtraError("textlattice.evaluation.multi_label", "train") from error

    check(probabilities, targets, labels)
    num_rows = len(targets)
    unknown = np.zeros(num_rows, np.int64) if num_unknown is None else num_unknown
    scores = RowScores(targets, predictions, unknown)
    once = scores.of(np.ones((1, num_rows)))
    hits, predicted, support = ((part.sum(axis=0)) for part in scores.parts)
    precision, recall, f1, present = precision_recall_f1(hits, predicted, support)
    probabilities = np.clip(probabilities.astype(np.float64), 1e-15, 1 - 1e-15)
    both = targets.any(axis=0) & ~targets.all(axis=0)
    areas = [roc_auc_score(targets[:, label], probabilities[:, label]) for label in np.flatnonzero(both)]
    losses = -np.log(np.where(targets, probabilities, 1 - probabilities))
    micro_support = support.sum() + unknown.sum()
    result: dict[str, Any] = {
        "num_rows": num_rows,
        "num_unknown_labels": int(unknown.sum()),
        "subset_accuracy": _first(once["subset_accuracy"]),
        "micro_precision": float(hits.sum() / max(1, predicted.sum())) if num_rows else None,
        "micro_recall": float(hits.sum() / max(1, micro_support)) if num_rows else None,
        "micro_f1": _first(once["micro_f1"]),
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        result[f"macro_{name}"] = float(values[present].mean()) if present.any() else None
    return result | {
        "lrap": float(label_ranking_average_precision_score(targets, probabilities)) if num_rows else None,
        "macro_auc": float(np.mean(areas)) if areas else None,
        "log_loss": float(losses.mean()) if num_rows else None,
        "ece": expected_calibration_error(probabilities.ravel(), targets.ravel()),
        "intervals": intervals(np.ones(num_rows, np.int64), scores.of, num_samples=num_bootstrap, seed=seed),
        "per_class": {
            label: {
                "precision": float(precision[place]) if present[place] else None,
                "recall": float(recall[place]) if support[place] else None,
                "f1": float(f1[place]) if present[place] else None,
                "support": int(support[place]),
            }
            for place, label in enumerate(labels)
        },
        "labels": list(labels),
    }


class RowScores:
    """Scores of a test as functions of how often each row counts.

    Args:
        targets: Which labels each row has.
        predictions: Which labels each row is answered with.
        num_unknown: Labels of each row that the model does not know.
    """

    def __init__(
        self,
        targets: Bool[np.ndarray, "num_rows num_labels"],
        predictions: Bool[np.ndarray, "num_rows num_labels"],
        num_unknown: Int[np.ndarray, " num_rows"],
    ) -> None:
        self.parts = tuple(part.astype(np.float64) for part in (targets & predictions, predictions, targets))
        self.right = ((targets == predictions).all(axis=1) & (num_unknown == 0)).astype(np.float64)
        self.num_unknown = num_unknown.astype(np.float64)

    def of(
        self, drawn: Float[np.ndarray, "num_samples num_rows"]
    ) -> dict[str, Float[np.ndarray, " num_samples"]]:
        """`subset_accuracy`, `micro_f1` and `macro_f1`; NaN without a row, 0 for F1 where there is no label at all."""
        hits, predicted, support = (drawn @ part for part in self.parts)  # [num_samples, num_labels]
        _, _, f1, present = precision_recall_f1(hits, predicted, support)
        total = predicted.sum(axis=1) + support.sum(axis=1) + drawn @ self.num_unknown
        num_rows = drawn.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return {
                "subset_accuracy": np.where(num_rows > 0, drawn @ self.right / num_rows, np.nan),
                "micro_f1": np.where(num_rows > 0, 2 * hits.sum(axis=1) / np.maximum(total, 1), np.nan),
                "macro_f1": np.where(
                    num_rows > 0, (f1 * present).sum(axis=1) / np.maximum(present.sum(axis=1), 1), np.nan
                ),
            }


def _first(values: np.ndarray) -> float | None:
    return float(values[0]) if np.isfinite(values[0]) else None
