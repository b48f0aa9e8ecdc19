"""What held-out rows choose: the penalty of the wide branch, the epoch, the scales of the sum."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from textlattice.evaluation.calibrate import Mixture, fit_mixture, log_loss
from textlattice.training.objectives import Objective


@dataclass
class Candidate:
    """The best network of a training so far, on the selection rows.

    Args:
        loss: Its log loss.
        epoch: Its epoch; 0 for none.
        mixture: How it adds up with the wide branch.
        state: Its weights.
    """

    mixture: Mixture
    loss: float = np.inf
    epoch: int = 0
    state: dict[str, Tensor] = field(default_factory=dict)

    def to_stage(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        state = {name: value.numpy() for name, value in self.state.items()}
        return {
            "loss": self.loss,
            "epoch": self.epoch,
            "mixture": dataclasses.asdict(self.mixture),
            "state": state,
        }

    @classmethod
    def from_stage(cls, kept: Mapping[str, Any]) -> "Candidate":
        """Inverse of `to_stage`."""
        mixture = Mixture(**kept["mixture"] | {"cut_points": tuple(kept["mixture"]["cut_points"])})
        state = {name: torch.from_numpy(value) for name, value in kept["state"].items()}
        return cls(mixture=mixture, loss=kept["loss"], epoch=kept["epoch"], state=state)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Held-out rows that say how good logits are.

    Args:
        objective: Of the task.
        targets: Place of the label of each row, or which labels it has.
        weights: Weight of each row, or of each of its labels.
    """

    objective: Objective
    targets: Shaped[np.ndarray, " num_rows *labels"]
    weights: Float[np.ndarray, " num_rows *labels"]

    def alone(self, logits: Float[np.ndarray, "num_rows num_outputs"]) -> tuple[Mixture, float]:
        """The scale, and for an order the cut points, of least log loss for one model alone, and that loss."""
        mixture = self._mixture(logits, np.zeros_like(logits))
        return Mixture(a=mixture.a, b=0.0, cut_points=mixture.cut_points), self._loss(
            mixture.a * logits, mixture.cut_points
        )

    def sum_of(
        self,
        wide: Float[np.ndarray, "num_rows num_outputs"],
        deep: Float[np.ndarray, "num_rows num_outputs"],
    ) -> tuple[Mixture, dict[str, float]]:
        """The best sum of both branches; its log loss, and the measure of the sum and of each branch alone."""
        mixture = self._mixture(wide, deep)
        total = mixture.a * wide + mixture.b * deep
        (wide_figure, _), (deep_figure, deep_loss) = self._figures(wide), self._figures(deep)
        measure = self.objective.measure
        return mixture, {
            "log_loss": self._loss(total, mixture.cut_points),
            measure: self.objective.figure(total, self.targets, mixture.cut_points),
            "deep_log_loss": deep_loss,
            f"deep_{measure}": deep_figure,
            f"wide_{measure}": wide_figure,
            "a": mixture.a,
            "b": mixture.b,
        }

    def _figures(self, logits: np.ndarray) -> tuple[float, float]:
        """The measure and the log loss of one branch alone, as it is; a latent score gets cut points first."""
        scale, cut_points = 1.0, self.objective.task.cut_points
        if cut_points:
            mixture, _ = self.alone(logits)
            scale, cut_points = mixture.a, mixture.cut_points
        figure = self.objective.figure(scale * logits, self.targets, cut_points)
        return figure, self._loss(scale * logits, cut_points)

    def _mixture(self, wide: np.ndarray, deep: np.ndarray) -> Mixture:
        task = self.objective.task
        return fit_mixture(
            wide, deep, self.targets, kind=task.kind, cut_points=task.cut_points, weights=self.weights
        )

    def _loss(self, logits: np.ndarray, cut_points: tuple[float, ...]) -> float:
        return log_loss(
            logits, self.targets, kind=self.objective.task.kind, cut_points=cut_points, weights=self.weights
        )


def history_entry(epoch: int, train_loss: float, figures: Mapping[str, float]) -> dict[str, Any]:
    """What the record keeps of one epoch; a number that is not known is left out."""
    entry = {"epoch": epoch, "train_loss": train_loss, **figures}
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items() if v == v}
