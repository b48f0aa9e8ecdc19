"""What one classifier answered on test rows, and how it stands beside another one on the same rows."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped

from textlattice.evaluation import metrics
from textlattice.evaluation.multi_label import RowScores
from textlattice.evaluation.ordinal import quadratic_weighted_kappa
from textlattice.evaluation.significance import Interval, mcnemar, paired_bootstrap, paired_bootstrap_of
from textlattice.task import Label, Task, TaskKind, each_label

MEASURES: dict[TaskKind, str] = {
    "single": "accuracy",
    "multi": "macro_f1",
    "ordinal": "quadratic_weighted_kappa",
}
"""The figure by which classifiers are compared."""


class Outcome:
    """The answers of one classifier on test rows.

    Args:
        task: Names of the labels and their kind; what it decides by is not read.
        decisions: Places of the answers in the labels of the task, or which labels each row is given.
        labels: What is right; a label that the task does not know is never answered.
    """

    def __init__(
        self, task: Task, decisions: Shaped[np.ndarray, " num_rows *labels"], labels: Sequence[Label]
    ) -> None:
        self.task, self.decisions = task, decisions
        self.targets = task.targets(labels)
        known = set(task.labels)
        self.num_unknown = np.array([len(set(each_label(label)) - known) for label in labels], np.int64)

    @property
    def correct(self) -> Bool[np.ndarray, " num_rows"]:
        """Which rows are right, with all of their labels."""
        equal = self.decisions == self.targets
        return (equal if equal.ndim == 1 else equal.all(axis=1)) & (self.num_unknown == 0)

    @property
    def figures(self) -> dict[str, float]:
        """`accuracy` of whole rows, `macro_f1`, and `micro_f1` or `quadratic_weighted_kappa` where the kind has it."""
        once = np.ones((1, len(self.targets)))
        figures = {"accuracy": float(self.correct.mean())}
        if self.task.kind == "multi":
            scores = self._row_scores.of(once)
            return figures | {name: float(scores[name][0]) for name in ("macro_f1", "micro_f1")}
        certain = np.eye(len(self.task.labels))[self.decisions]
        found = metrics.evaluate(
            certain, self.targets, self.task.labels, predictions=self.decisions, num_bootstrap=0
        )
        figures["macro_f1"] = found["macro_f1"]
        if self.task.kind == "ordinal":
            figures["quadratic_weighted_kappa"] = float(np.nan_to_num(self._kappa(once)[0]))
        return figures

    def minus(self, other: "Outcome", *, seed: int) -> Interval:
        """The measure of this classifier less that of the other, in points, by paired bootstrap."""
        if self.task.kind == "single":
            return paired_bootstrap(self.correct, other.correct, seed=seed)
        return paired_bootstrap_of(self.scores, other.scores, len(self.targets), seed=seed)

    def p_value(self, other: "Outcome") -> float | None:
        """Of McNemar's test that both err equally often; None where the measure is no share of right rows."""
        return mcnemar(self.correct, other.correct) if self.task.kind == "single" else None

    def scores(self, drawn: Float[np.ndarray, "num_samples num_rows"]) -> Float[np.ndarray, " num_samples"]:
        """The measure where each row counts so often."""
        if self.task.kind == "single":
            return drawn @ self.correct / drawn.sum(axis=1)
        return self._row_scores.of(drawn)["macro_f1"] if self.task.kind == "multi" else self._kappa(drawn)

    @property
    def _row_scores(self) -> RowScores:
        return RowScores(self.targets, self.decisions, self.num_unknown)

    def _kappa(self, drawn: Float[np.ndarray, "num_samples num_rows"]) -> Float[np.ndarray, " num_samples"]:
        """Of the rows whose label is known."""
        size, known = len(self.task.labels), self.targets >= 0
        cells = np.zeros((len(self.targets), size * size))
        cells[known, self.targets[known] * size + self.decisions[known]] = 1
        return quadratic_weighted_kappa((drawn @ cells).reshape(-1, size, size))
