"""Metrics of single-label probabilities, as one dictionary that JSON can hold.

Undefined numbers are None, never NaN. A class that occurs neither among the targets nor among the predictions
takes no part in an average; within one that does, 0/0 counts as 0, as in scikit-learn.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from textlattice.errors import DataError
from textlattice.evaluation.bootstrap import intervals

NUM_BINS = 15


def evaluate(
    probabilities: Float[np.ndarray, "num_rows num_classes"],
    targets: Int[np.ndarray, " num_rows"],
    labels: Sequence[str],
    *,
    predictions: Int[np.ndarray, " num_rows"] | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Every metric of a single-label test.

    Args:
        probabilities: One row per document, summing to 1.
        targets: Class of each row; -1 is a label that the model does not know. Such a row is an error in
            accuracy, precision and calibration, a negative in every AUC, and left out of recall and log loss.
        labels: Names of the classes.
        predictions: Class that each row is answered with; None takes the most probable, the first of equals.
        num_bootstrap: Resamples of rows for the intervals.
        seed: Of the resampling.

    Returns:
        `num_rows`, `num_unknown_labels`, `accuracy`, `macro_*` and `weighted_*` of `precision`, `recall`
        and `f1` (weights are the supports; a row of an unknown label weighs too, with 0), `macro_auc` (one
        class against the rest, mean over the classes that have both), `log_loss` (natural logarithm), `ece`
        (15 equal bins of the answer's probability), `intervals` (95%, percentile bootstrap, of `accuracy` and
        `macro_f1`), `per_class` (name to `precision`, `recall`, `f1`, `support`), `labels`, and
        `confusion_matrix` (rows are targets, columns predictions, in the order of `labels`; rows with unknown
        labels are not in it). Fractions lie in [0, 1]. Without rows all are None.

    Raises:
        DataError: Numbers of labels or rows do not fit, a probability is not finite, or a target is no class.
    """
    num_rows, num_classes = probabilities.shape
    check(probabilities, targets, labels)
    probabilities = probabilities.astype(np.float64)
    if predictions is None:
        predictions = probabilities.argmax(axis=1) if num_rows else np.zeros(0, np.int64)
    known = targets >= 0
    correct = predictions == targets

    counts = _confusion(
        targets, predictions, num_classes
    )  # [num_classes + 1, num_classes], last row: unknown
    precision, recall, f1, present = precision_recall_f1(*_margins(counts))
    support = counts[:-1].sum(axis=1)
    confidence = probabilities[np.arange(num_rows), predictions]

    result: dict[str, Any] = {
        "num_rows": num_rows,
        "num_unknown_labels": int((~known).sum()),
        "accuracy": float(correct.mean()) if num_rows else None,
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        result[f"macro_{name}"] = float(values[present].mean()) if present.any() else None
        result[f"weighted_{name}"] = float(values @ support / num_rows) if num_rows else None
    result["macro_auc"] = macro_auc(probabilities, targets)
    result["log_loss"] = _log_loss(probabilities[known], targets[known])
    result["ece"] = expected_calibration_error(confidence, correct)
    result["intervals"] = _bootstrap(counts, num_bootstrap, seed)
    result["per_class"] = {
        label: {
            "precision": float(precision[index]) if present[index] else None,
            "recall": float(recall[index]) if support[index] else None,
            "f1": float(f1[index]) if present[index] else None,
            "support": int(support[index]),
        }
        for index, label in enumerate(labels)
    }
    result["labels"] = list(labels)
    result["confusion_matrix"] = counts[:-1].tolist()
    return result


def expected_calibration_error(
    confidence: Float[np.ndarray, " num_rows"], correct: Bool[np.ndarray, " num_rows"]
) -> float | None:
    """Mean distance between confidence and accuracy over 15 equal bins, weighted by rows; None without rows.

    A bin holds its upper bound and not its lower one; the first holds 0 too.

    Source: Guo et al. 2017 (arXiv 1706.04599), equation 3.
    """
    if len(confidence) == 0:
        return None
    bins = np.clip(np.ceil(confidence * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=NUM_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def macro_auc(
    probabilities: Float[np.ndarray, "num_rows num_classes"], targets: Int[np.ndarray, " num_rows"]
) -> float | None:
    """Mean area under the ROC curve, one class against the rest; ties count one half.

    The mean is over the classes that have a row and lack one; None where no class does.
    """
    areas = []
    for index in range(probabilities.shape[1]):
        positive = probabilities[targets == index, index]
        negative = np.sort(probabilities[targets != index, index])
        if len(positive) and len(negative):
            below = np.searchsorted(negative, positive, side="left")
            not_above = np.searchsorted(negative, positive, side="right")
            areas.append((below + not_above).mean() / (2 * len(negative)))
    return float(np.mean(areas)) if areas else None


def check(
    probabilities: Float[np.ndarray, "num_rows num_classes"],
    targets: Shaped[np.ndarray, " num_targets *labels"],
    labels: Sequence[str],
) -> None:
    """Does nothing where probabilities, targets and labels fit one another.

    Raises:
        DataError: Numbers of labels or rows do not fit, a probability is not finite, or a target is no class.
    """
    num_rows, num_classes = probabilities.shape
    if len(labels) != num_classes or len(targets) != num_rows:
        raise DataError(
            f"evaluate: expected one label per column and one target per row of probabilities [{num_rows}, "
            f"{num_classes}], got {len(labels)} labels and {len(targets)} targets."
        )
    if not np.isfinite(probabilities).all():
        raise DataError("evaluate: expected finite probabilities, got NaN or infinity; the model is damaged.")
    if targets.ndim == 1 and num_rows and not -1 <= targets.min() <= targets.max() < num_classes:
        raise DataError(
            f"evaluate: expected targets in -1..{num_classes - 1}, got {targets.min()}..{targets.max()}; "
            "give -1 to labels that the model does not know."
        )


def _confusion(targets: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    rows = np.where(targets < 0, num_classes, targets).astype(np.int64)
    flat = np.bincount(rows * num_classes + predictions, minlength=(num_classes + 1) * num_classes)
    return flat.reshape(num_classes + 1, num_classes)


def _margins(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.diagonal(counts).astype(np.float64), counts.sum(axis=0), counts[:-1].sum(axis=1)


def precision_recall_f1(
    hits: Float[np.ndarray, "*samples num_classes"],
    predicted: Shaped[np.ndarray, "*samples num_classes"],
    support: Shaped[np.ndarray, "*samples num_classes"],
) -> tuple[
    Float[np.ndarray, "*samples num_classes"],
    Float[np.ndarray, "*samples num_classes"],
    Float[np.ndarray, "*samples num_classes"],
    Bool[np.ndarray, "*samples num_classes"],
]:
    """Per class, over any leading axes; 0/0 is 0. The last array says which classes occur at all."""
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(predicted + support, 1)
    return precision, recall, f1, predicted + support > 0


def _log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float | None:
    if len(targets) == 0:
        return None
    of_target = probabilities[np.arange(len(targets)), targets] / probabilities.sum(axis=1)
    return float(-np.log(np.maximum(of_target, np.finfo(np.float64).eps)).mean())


def _bootstrap(counts: np.ndarray, num_bootstrap: int, seed: int) -> dict[str, list[float] | None]:
    target, prediction = np.nonzero(counts)
    num_classes = counts.shape[1]
    of_target = (target[:, None] == np.arange(num_classes)).astype(np.float64)  # [num_cells, num_classes]
    of_prediction = (prediction[:, None] == np.arange(num_classes)).astype(np.float64)

    def scores(drawn: np.ndarray) -> dict[str, np.ndarray]:
        hits = drawn @ (of_target * of_prediction)  # [chunk, num_classes]
        _, _, f1, present = precision_recall_f1(hits, drawn @ of_prediction, drawn @ of_target)
        return {
            "accuracy": hits.sum(axis=1) / drawn.sum(axis=1),
            "macro_f1": (f1 * present).sum(axis=1) / present.sum(axis=1),
        }

    return intervals(counts[target, prediction], scores, num_samples=num_bootstrap, seed=seed)
