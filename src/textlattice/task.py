"""From logits to an answer: probabilities and a label, by stored numbers alone."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from textlattice.config import from_dict
from textlattice.errors import ConfigError

TaskKind = Literal["single"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the logits mean.

    Args:
        kind: `single`: exactly one label a text.
        labels: Names, in the order of the logits; at least two.
        priors: Share of each label in the training rows; the answer to an empty text.
        temperature: Logits are divided by it before the softmax; fitted on the calibration slice.
    """

    kind: TaskKind = "single"
    labels: tuple[str, ...]
    priors: tuple[float, ...]
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ConfigError(f"labels must be two or more distinct names, got {list(self.labels)}.")
        if len(self.priors) != len(self.labels):
            raise ConfigError(
                f"priors need one share a label, got {len(self.priors)} for {len(self.labels)}."
            )
        if not (min(self.priors) > 0 and abs(sum(self.priors) - 1) < 1e-6):
            raise ConfigError(f"priors must be positive and sum to 1, got {list(self.priors)}.")
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature must be positive, got {self.temperature}.")

    @property
    def num_outputs(self) -> int:
        """Logits a document."""
        return len(self.labels)

    def probabilities(
        self, logits: Float[np.ndarray, "num_docs num_outputs"]
    ) -> Float[np.ndarray, "num_docs num_classes"]:
        """Calibrated probabilities, float64; each row sums to 1."""
        scaled = logits.astype(np.float64) / self.temperature
        scaled -= scaled.max(axis=1, keepdims=True, initial=-np.inf)
        exponents = np.exp(scaled)
        return exponents / exponents.sum(axis=1, keepdims=True)

    def decide(
        self, probabilities: Float[np.ndarray, "num_docs num_classes"]
    ) -> Int[np.ndarray, " num_docs"]:
        """Place of the label of each row: the most probable, the first of equals."""
        return probabilities.argmax(axis=1) if len(probabilities) else np.empty(0, np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self) | {"labels": list(self.labels), "priors": list(self.priors)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Task":
        """The task from plain JSON values.

        Raises:
            ConfigError: A key is unknown or missing, or a value does not fit.
        """
        names = {item.name for item in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) != names:
            raise ConfigError(f"task must have exactly the keys {sorted(names)}, got {values!r}.")
        return from_dict(cls, values, where="task")
