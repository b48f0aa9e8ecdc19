"""From logits to an answer: probabilities and labels, by stored numbers alone."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from reprlib import repr as short
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from textlattice.config_json import from_dict
from textlattice.errors import ConfigError

TaskKind = Literal["single", "multi", "ordinal"]
_MOST_TEMPERATURE = 1e6
Label = str | tuple[str, ...]
"""One label, or the labels of one text where it may have any number of them."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the logits mean.

    Args:
        kind: `single`: exactly one label a text. `multi`: any number of them, one logit each. `ordinal`: one of
            several in an order, all read off one latent score.
        labels: Names, in the order of the logits, or ascending where they have an order; at least two.
        priors: Share of the training rows with each label; the probabilities of an empty text.
        temperature: Logits are divided by it, the distance from a cut point likewise; fitted on the calibration slice.
        thresholds: `multi`: probability from which a text has a label, one each; one half each if left out.
        cut_points: `ordinal`: scores, ascending, between each class and the next.
    """

    kind: TaskKind = "single"
    labels: tuple[str, ...]
    priors: tuple[float, ...]
    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()
    cut_points: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        num_labels = len(self.labels)
        if num_labels < 2 or len(set(self.labels)) != num_labels:
            raise ConfigError(f"labels must be two or more distinct names, got {short(list(self.labels))}.")
        if len(self.priors) != num_labels:
            raise ConfigError(f"priors need one share a label, got {len(self.priors)} for {num_labels}.")
        if self.kind == "multi":
            if not all(0 < share <= 1 for share in self.priors):
                raise ConfigError(f"priors must lie in (0, 1], got {short(list(self.priors))}.")
        elif not (min(self.priors) > 0 and abs(sum(self.priors) - 1) < 1e-6):
            raise ConfigError(f"priors must be positive and sum to 1, got {short(list(self.priors))}.")
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature must be positive, got {self.temperature}.")
        if not 1 / _MOST_TEMPERATURE <= self.temperature <= _MOST_TEMPERATURE:
            raise ConfigError(
                f"temperature must lie in {1 / _MOST_TEMPERATURE:g}..{_MOST_TEMPERATURE:g}, got {self.temperature}."
            )
        if self.kind == "multi" and not self.thresholds:
            object.__setattr__(self, "thresholds", (0.5,) * num_labels)
        expected = num_labels if self.kind == "multi" else 0
        if len(self.thresholds) != expected or not all(0 < value <= 1 for value in self.thresholds):
            raise ConfigError(
                f"thresholds of a task of the kind {self.kind} must be {expected} numbers in (0, 1], "
                f"got {short(list(self.thresholds))}."
            )
        expected, cuts = num_labels - 1 if self.kind == "ordinal" else 0, self.cut_points
        ascending = all(low < high for low, high in pairwise(cuts))
        if len(cuts) != expected or not ascending or not all(map(math.isfinite, cuts)):
            raise ConfigError(
                f"cut_points of a task of the kind {self.kind} with {num_labels} labels must be {expected} "
                f"ascending numbers, got {short(list(cuts))}."
            )

    @property
    def num_outputs(self) -> int:
        """Logits a document."""
        return 1 if self.kind == "ordinal" else len(self.labels)

    @property
    def empty_logits(self) -> Float[np.ndarray, " num_outputs"]:
        """Logits of an empty text: those of the priors; for an order, the middle of the class that they choose."""
        if self.kind == "ordinal":
            cuts = np.array([self.cut_points[0] - 2, *self.cut_points, self.cut_points[-1] + 2])
            place = int(self.decide(np.array([self.priors]))[0])
            return cuts[place : place + 2].mean(keepdims=True)
        shares = np.minimum(self.priors, 1 - 1e-6) if self.kind == "multi" else np.array(self.priors)
        log_odds = np.log(shares) - np.log1p(-shares) if self.kind == "multi" else np.log(shares)
        return self.temperature * log_odds

    def probabilities(
        self, logits: Float[np.ndarray, "num_docs num_outputs"]
    ) -> Float[np.ndarray, "num_docs num_labels"]:
        """Calibrated probabilities, float64; each row sums to 1, but for `multi`, where each label has its own."""
        if self.kind == "ordinal":
            return ordinal_probabilities(logits[:, 0], self.cut_points, self.temperature)
        scaled = logits.astype(np.float64) / self.temperature
        return sigmoid(scaled) if self.kind == "multi" else softmax(scaled)

    def decide(
        self, probabilities: Float[np.ndarray, "num_docs num_labels"]
    ) -> Int[np.ndarray, " num_docs"] | Bool[np.ndarray, "num_docs num_labels"]:
        """Place of the label of each row, or for `multi` which labels it has.

        `single`: the most probable, the first of equals. `ordinal`: the median class, the first with at least half of
        the mass up to it, whose expected distance is the least. `multi`: each whose probability reaches its threshold.
        """
        if self.kind == "multi":
            return probabilities >= np.array(self.thresholds)
        if not len(probabilities):
            return np.empty(0, np.int64)
        if self.kind == "ordinal":
            reached = probabilities.cumsum(axis=1) >= 0.5 - 1e-12
            reached[:, -1] = True
            return reached.argmax(axis=1)
        return probabilities.argmax(axis=1)

    def names(
        self, decisions: Int[np.ndarray, " num_docs"] | Bool[np.ndarray, "num_docs num_labels"]
    ) -> list[Label]:
        """The label of each row; for `multi` a tuple of them, in the order of `labels`, perhaps empty."""
        if self.kind == "multi":
            return [tuple(self.labels[place] for place in np.flatnonzero(row)) for row in decisions]
        return [self.labels[place] for place in decisions.tolist()]

    def targets(
        self, labels: Sequence[Label]
    ) -> Int[np.ndarray, " num_rows"] | Bool[np.ndarray, "num_rows num_labels"]:
        """What `decide` should give: the place of each label, -1 if unknown; for `multi` which known ones a row has.

        A single text stands for a tuple of one where the task is `multi`.
        """
        place = {name: number for number, name in enumerate(self.labels)}
        if self.kind != "multi":
            return np.array([place.get(str(label), -1) for label in labels], np.int64)
        targets = np.zeros((len(labels), len(self.labels)), bool)
        for row, label in enumerate(labels):
            targets[row, [place[name] for name in each_label(label) if name in place]] = True
        return targets

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; thresholds and cut points only where the kind has them."""
        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }
        return {name: value for name, value in values.items() if value != []}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Task":
        """The task from plain JSON values; thresholds and cut points may be missing.

        Raises:
            ConfigError: A key is unknown or missing, or a value does not fit.
        """
        names = [item.name for item in dataclasses.fields(cls)]
        needed = set(names) - {"thresholds", "cut_points"}
        if not isinstance(values, dict) or not needed <= set(values) <= set(names):
            raise ConfigError(
                f"task must have the keys {sorted(needed)}, perhaps thresholds or cut_points, got "
                f"{short(sorted(map(str, values)) if isinstance(values, dict) else values)}."
            )
        return from_dict(cls, values, where="task")


def each_label(label: Label) -> tuple[str, ...]:
    """The labels of a row as texts, whether it has one or a tuple of them."""
    return tuple(map(str, label)) if isinstance(label, list | tuple) else (str(label),)


def softmax(logits: Float[np.ndarray, "num_docs num_labels"]) -> Float[np.ndarray, "num_docs num_labels"]:
    """Each row as shares that sum to 1."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return exponents / exponents.sum(axis=1, keepdims=True)


def sigmoid(logits: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """1 / (1 + exp(-z)); it does not overflow."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0, small) / (1 + small)


def ordinal_probabilities(
    scores: Float[np.ndarray, " num_docs"], cut_points: Sequence[float], temperature: float = 1.0
) -> Float[np.ndarray, "num_docs num_labels"]:
    """Shares of the classes, P(class <= k) = sigmoid((c_k - s) / T), float64; each row sums to 1.

    Source: McCullagh 1980, section 2, with the logistic link.
    """
    # The smaller tail is subtracted on either side, so that a class far from the score keeps a share above zero.
    distances = (np.asarray(cut_points, np.float64) - scores.astype(np.float64)[:, None]) / temperature
    below, above = sigmoid(distances), sigmoid(-distances)  # [num_docs, num_cut_points]
    ends = np.zeros((len(scores), 1))
    below, above = np.hstack([ends, below, 1 - ends]), np.hstack([1 - ends, above, ends])
    shares = np.where(below[:, 1:] < 0.5, below[:, 1:] - below[:, :-1], above[:, :-1] - above[:, 1:])
    shares = np.maximum(shares, 0)
    return shares / shares.sum(axis=1, keepdims=True)
