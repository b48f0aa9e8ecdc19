"""A linear baseline as something that gives probabilities of a task's labels."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from textlattice.baselines.compare import LabelledTexts, selection_slices, tuned_baseline
from textlattice.baselines.linear import BASELINES
from textlattice.baselines.one_vs_rest import OneVsRest
from textlattice.config import Config
from textlattice.errors import ConfigError
from textlattice.task import Label, Task, softmax


def answering_baseline(
    name: str, task: Task, texts: Sequence[str], labels: Sequence[Label], *, seed: int = 0
) -> tuple[Callable[[Sequence[str]], Float[np.ndarray, "num_texts num_labels"]], Task]:
    """Probabilities of texts in the order of the task's labels, and the task as the baseline decides it.

    Its penalty is chosen on a slice of the rows, as `compare` does. A label that no row has is never given, a row whose
    label the task does not know is left out. Margins of a support vector machine are no log-odds: their softmax orders
    the labels, but says little of how sure they are.

    Args:
        name: Key of `BASELINES`.
        task: Kind and labels.
        texts: Training rows.
        labels: Their labels.
        seed: Of the slice.

    Raises:
        ConfigError: There is no such baseline.
        DataError: The rows cannot be learned from.
    """
    if name not in BASELINES:
        raise ConfigError(f"unknown baseline {name!r}: expected one of {', '.join(BASELINES)}.")
    config = Config().with_settings({"train.seed": seed})
    known = [row for row, target in enumerate(task.targets(labels)) if np.min(target) >= 0]
    texts, labels = [texts[row] for row in known], [labels[row] for row in known]
    parts = [
        LabelledTexts([texts[row] for row in rows], [labels[row] for row in rows])
        for rows in selection_slices(texts, labels, config)
    ]
    model = tuned_baseline(name, task, *parts).on_all_rows
    if isinstance(model, OneVsRest):
        return model.probabilities, dataclasses.replace(task, thresholds=tuple(model.thresholds))
    places = [int(label) for label in model.labels]

    def probabilities(texts: Sequence[str]) -> Float[np.ndarray, "num_texts num_labels"]:
        found = np.zeros((len(texts), len(task.labels)))
        found[:, places] = softmax(model.scores(texts).astype(np.float64))
        return found

    return probabilities, task
