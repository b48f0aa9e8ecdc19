"""The baselines for texts with any number of labels: one of them against the rest for each label."""

import copy
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from textlattice.baselines.linear import BASELINES, LinearBaseline, Majority, TunedBaseline
from textlattice.errors import DataError
from textlattice.evaluation.calibrate import fit_temperature, fit_thresholds, log_loss
from textlattice.task import sigmoid


class OneVsRest:
    """A baseline a label, over one vectoriser; its temperature and thresholds are chosen on held-out rows.

    Args:
        name: Key of `BASELINES`.
    """

    models: list[LinearBaseline | float]
    temperature: float
    thresholds: tuple[float, ...]

    def __init__(self, name: str) -> None:
        if name not in BASELINES:
            raise DataError(f"a baseline: expected one of {', '.join(BASELINES)}, got {name!r}.")
        self.base = BASELINES[name]()

    def fit(
        self, texts: Sequence[str], targets: Bool[np.ndarray, "num_rows num_labels"], *, C: float
    ) -> "OneVsRest":
        """This baseline, trained.

        Args:
            texts: Documents; an empty one has no features.
            targets: Which labels each has.
            C: Inverse strength of the L2 penalty, as in scikit-learn.

        Raises:
            DataError: No rows, or not a single word in all texts.
        """
        self._fit_features(self._vectorise(texts), targets, C)
        return self

    def tune(
        self,
        texts: Sequence[str],
        targets: Bool[np.ndarray, "num_rows num_labels"],
        selection_texts: Sequence[str],
        selection_targets: Bool[np.ndarray, "num_selection num_labels"],
    ) -> dict[float, float]:
        """Trains it with the C of the least log loss on the selection rows, after one temperature; the loss of each C.

        Temperature and thresholds, those of the best F1 of each label, come from the same rows. The majority keeps
        thresholds of one half: it gives a label to all texts or to none.
        """
        features, held_out = self._vectorise(texts), self.base._transform(selection_texts)
        losses: dict[float, float] = {}
        best: list[LinearBaseline | float] = []
        for C in self.base.grid:
            self._fit_features(features, targets, C)
            logits = self._logits(held_out)
            temperature = fit_temperature(logits, selection_targets, kind="multi")
            losses[C] = log_loss(logits / temperature, selection_targets, kind="multi")
            if losses[C] == min(losses.values()):
                best, self.temperature = self.models, temperature
                probabilities = sigmoid(logits / temperature)
        self.models = best
        self.thresholds = fit_thresholds(probabilities, selection_targets)
        if isinstance(self.base, Majority):
            self.thresholds = (0.5,) * targets.shape[1]
        return losses

    def probabilities(self, texts: Sequence[str]) -> Float[np.ndarray, "num_docs num_labels"]:
        """Of each label, after the temperature."""
        return sigmoid(self._logits(self.base._transform(texts)) / self.temperature)

    def decide(self, texts: Sequence[str]) -> Bool[np.ndarray, "num_docs num_labels"]:
        """Which labels each text is given."""
        return self.probabilities(texts) >= np.array(self.thresholds)

    @property
    def num_parameters(self) -> int:
        """Stored numbers; those of the vectoriser count once."""
        shared = getattr(getattr(self.base, "vectoriser", None), "idf_", np.empty(0)).size
        return shared + sum(
            1 if isinstance(model, float) else model.num_parameters - shared for model in self.models
        )

    def _vectorise(self, texts: Sequence[str]) -> Any:
        if not len(texts):
            raise DataError("a baseline: expected at least one row, got none.")
        return self.base._vectorise(texts)

    def _fit_features(self, features: Any, targets: np.ndarray, C: float) -> None:
        self.models = []
        for column in targets.T:
            if column.all() or not column.any():  # nothing to tell apart
                share = (column.sum() + 0.5) / (len(column) + 1)
                self.models.append(float(np.log(share / (1 - share))))
                continue
            model = copy.copy(self.base)
            model.labels = ["without", "with"]
            model._fit_features(features, column.astype(np.int64), C)
            self.models.append(model)

    def _logits(self, features: Any) -> Float[np.ndarray, "num_docs num_labels"]:
        columns = []
        for model in self.models:
            if isinstance(model, float):
                columns.append(np.full(features.shape[0], model))
            else:
                scores = model._score_features(features)
                columns.append(scores[:, 1] - scores[:, 0])
        return np.stack(columns, axis=1).astype(np.float64)


def train_one_vs_rest(
    name: str,
    fit_texts: Sequence[str],
    fit_targets: Bool[np.ndarray, "num_rows num_labels"],
    selection_texts: Sequence[str],
    selection_targets: Bool[np.ndarray, "num_selection num_labels"],
    *,
    more_texts: Sequence[str] = (),
    more_targets: Bool[np.ndarray, "num_more num_labels"],
) -> TunedBaseline[OneVsRest]:
    """The named baseline for each label, C chosen on the selection rows, trained on the fit rows and on all rows.

    Temperature and thresholds of the first stand in the second too.

    Args:
        name: Key of `BASELINES`.
        fit_texts: Rows to fit while C is chosen.
        fit_targets: Which labels they have.
        selection_texts: Rows that choose C and the thresholds.
        selection_targets: Which labels they have.
        more_texts: Further training rows that only the last training sees.
        more_targets: Which labels they have.

    Raises:
        DataError: An unknown name, no rows, or not a single word in all texts.
    """
    start = time.perf_counter()
    on_fit_rows = OneVsRest(name)
    losses = on_fit_rows.tune(fit_texts, fit_targets, selection_texts, selection_targets)
    best = min(losses, key=lambda C: losses[C])
    tuned = time.perf_counter()
    on_all_rows = OneVsRest(name).fit(
        [*fit_texts, *selection_texts, *more_texts],
        np.concatenate([fit_targets, selection_targets, more_targets]),
        C=best,
    )
    on_all_rows.temperature, on_all_rows.thresholds = on_fit_rows.temperature, on_fit_rows.thresholds
    return TunedBaseline(
        name=name,
        C=best,
        table={C: {"log_loss": loss} for C, loss in losses.items()},
        on_fit_rows=on_fit_rows,
        on_all_rows=on_all_rows,
        tune_seconds=tuned - start,
        fit_seconds=time.perf_counter() - tuned,
    )
