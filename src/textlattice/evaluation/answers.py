"""Metrics of the answers of a task, those that fit its kind."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from textlattice.evaluation import metrics
from textlattice.evaluation.multi_label import evaluate_multi
from textlattice.evaluation.ordinal import evaluate_ordinal
from textlattice.task import Label, Task, each_label


def evaluate_answers(
    task: Task,
    probabilities: Float[np.ndarray, "num_rows num_labels"],
    labels: Sequence[Label],
    *,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All metrics of a test, as `metrics.evaluate`, `evaluate_multi` or `evaluate_ordinal` give them.

    Args:
        task: Decides.
        probabilities: In the order of its labels.
        labels: What is right; one that the task does not know is an error of the model.
        num_bootstrap: Resamples of rows for the intervals.
        seed: Of the resampling.

    Raises:
        DataError: Numbers of rows or labels do not fit, or a probability is not finite.
    """
    decisions = task.decide(probabilities)
    return evaluate_decisions(task, probabilities, decisions, labels, num_bootstrap=num_bootstrap, seed=seed)


def evaluate_decisions(
    task: Task,
    probabilities: Float[np.ndarray, "num_rows num_labels"],
    decisions: Shaped[np.ndarray, " num_rows *labels"],
    labels: Sequence[Label],
    *,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The same of answers that were decided elsewhere.

    Args:
        task: Kind and labels; what it decides by is not read.
        probabilities: In the order of its labels.
        decisions: Place of the answer to each row, or which labels it is given.
        labels: What is right.
        num_bootstrap: Resamples of rows for the intervals.
        seed: Of the resampling.

    Raises:
        DataError: Numbers of rows or labels do not fit, or a probability is not finite.
    """
    options: dict[str, Any] = {"num_bootstrap": num_bootstrap, "seed": seed}
    targets = task.targets(labels)
    if task.kind == "single":
        return metrics.evaluate(probabilities, targets, task.labels, predictions=decisions, **options)
    if task.kind == "ordinal":
        return evaluate_ordinal(probabilities, targets, decisions, task.labels, **options)
    known = set(task.labels)
    num_unknown = np.array([len(set(each_label(label)) - known) for label in labels], np.int64)
    return evaluate_multi(
        probabilities, targets, decisions.astype(bool), task.labels, num_unknown=num_unknown, **options
    )
