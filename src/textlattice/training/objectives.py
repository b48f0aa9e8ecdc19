"""What training asks of each kind of task: the loss of the network, row weights, the regressions of the wide branch."""

import operator
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from scipy.sparse import csr_matrix, identity
from torch import Tensor, nn

from textlattice.config import TrainConfig
from textlattice.task import Task, TaskKind
from textlattice.training.losses import (
    binary_cross_entropy,
    cross_entropy,
    cumulative_link,
    label_weights,
    row_weights,
)
from textlattice.training.wide import Regressions


class Objective(nn.Module):
    """What one kind of task asks of training; called, it gives the loss of a batch.

    Its parameters, if it has any, are trained beside those of the model and forgotten afterwards.

    Args:
        task: Labels and priors; for an order, cut points to begin with.
        label_smoothing: Mass spread over all labels.
        focal: Exponent by which rows that are answered rightly count less.
    """

    measure: ClassVar[str] = "accuracy"
    """The figure that tells a person how training goes."""

    def __init__(self, task: Task, label_smoothing: float = 0.0, focal: float = 0.0) -> None:
        super().__init__()
        self.task, self.label_smoothing, self.focal = task, label_smoothing, focal

    def forward(
        self,
        logits: Float[Tensor, "num_docs num_outputs"],
        targets: Shaped[Tensor, " num_docs *labels"],
        weights: Float[Tensor, " num_docs *labels"],
    ) -> Float[Tensor, ""]:
        """Weighted mean loss, natural-log units."""
        raise NotImplementedError

    def weigh(
        self,
        targets: Shaped[Tensor, " num_docs *labels"],
        sample_weight: Float[Tensor, " num_docs"] | None,
        *,
        balanced: bool,
    ) -> Float[Tensor, " num_docs *labels"]:
        """Weight of each row in all losses, scaled to a mean of 1; `balanced` gives each class equal mass."""
        return row_weights(targets, len(self.task.labels), balanced=balanced, sample_weight=sample_weight)

    def regressions(
        self,
        targets: Shaped[np.ndarray, " num_rows *labels"],
        weights: Float[np.ndarray, " num_rows *labels"],
    ) -> Regressions:
        """The binary problems of the wide branch."""
        raise NotImplementedError

    def figure(
        self,
        logits: Float[np.ndarray, "num_rows num_outputs"],
        targets: Shaped[np.ndarray, " num_rows *labels"],
        cut_points: tuple[float, ...] = (),
    ) -> float:
        """The `measure` of logits, in [0, 1]; thresholds are one half."""
        raise NotImplementedError


class SingleObjective(Objective):
    """One label a text: cross entropy; a regression a label, or one alone for two."""

    def forward(
        self,
        logits: Float[Tensor, "num_docs num_outputs"],
        targets: Int[Tensor, " num_docs"],
        weights: Float[Tensor, " num_docs"],
    ) -> Float[Tensor, ""]:
        """Cross entropy."""
        return cross_entropy(logits, targets, weights, label_smoothing=self.label_smoothing, focal=self.focal)

    def regressions(
        self, targets: Int[np.ndarray, " num_rows"], weights: Float[np.ndarray, " num_rows"]
    ) -> Regressions:
        """Each label against the rest; one regression says both of two, as halves of opposite sign."""
        num_labels = len(self.task.labels)
        shares = csr_matrix([[0.5, -0.5]]) if num_labels == 2 else identity(num_labels, format="csr")
        return Regressions(targets=targets, weights=weights, shares=shares, is_positive=operator.eq)

    def figure(
        self,
        logits: Float[np.ndarray, "num_rows num_outputs"],
        targets: Int[np.ndarray, " num_rows"],
        cut_points: tuple[float, ...] = (),
    ) -> float:
        """Share of rows whose largest logit is that of their label."""
        return float((logits.argmax(axis=1) == targets).mean())


class OneHotObjective(SingleObjective):
    """One label a text, each label learned by itself: binary cross entropy over one-hot targets, as published."""

    def forward(
        self,
        logits: Float[Tensor, "num_docs num_outputs"],
        targets: Int[Tensor, " num_docs"],
        weights: Float[Tensor, " num_docs"],
    ) -> Float[Tensor, ""]:
        """Binary cross entropy, mean over the labels."""
        shares = F.one_hot(targets, logits.shape[1]).bool()
        spread = weights[:, None].expand_as(logits)
        return binary_cross_entropy(
            logits, shares, spread, label_smoothing=self.label_smoothing, focal=self.focal
        )


class MultiObjective(Objective):
    """Any number of labels a text: binary cross entropy; a regression a label."""

    measure = "micro_f1"

    def forward(
        self,
        logits: Float[Tensor, "num_docs num_outputs"],
        targets: Bool[Tensor, "num_docs num_outputs"],
        weights: Float[Tensor, "num_docs num_outputs"],
    ) -> Float[Tensor, ""]:
        """Binary cross entropy, mean over the labels."""
        return binary_cross_entropy(
            logits, targets, weights, label_smoothing=self.label_smoothing, focal=self.focal
        )

    def weigh(
        self,
        targets: Bool[Tensor, "num_docs num_labels"],
        sample_weight: Float[Tensor, " num_docs"] | None,
        *,
        balanced: bool,
    ) -> Float[Tensor, "num_docs num_labels"]:
        """Weight of each row for each label, scaled to a mean of 1; `balanced` gives both sides of it equal mass."""
        return label_weights(targets, balanced=balanced, sample_weight=sample_weight)

    def regressions(
        self,
        targets: Bool[np.ndarray, "num_rows num_labels"],
        weights: Float[np.ndarray, "num_rows num_labels"],
    ) -> Regressions:
        """Each label against its absence."""
        shares = identity(targets.shape[1], format="csr")
        return Regressions(targets=targets, weights=weights, shares=shares, is_positive=_has_label)

    def figure(
        self,
        logits: Float[np.ndarray, "num_rows num_labels"],
        targets: Bool[np.ndarray, "num_rows num_labels"],
        cut_points: tuple[float, ...] = (),
    ) -> float:
        """F1 over all rows and labels, each label from a probability of one half on; 0 where there is none."""
        given = logits >= 0
        return float(2 * (given & targets).sum() / max(1, given.sum() + targets.sum()))


class OrdinalObjective(Objective):
    """One of several labels in an order: a latent score between cut points that are learned beside the model.

    The cut points are the first one and the distances between them, by softplus, so that they stay in order.

    Source: McCullagh 1980, section 2, with the logistic link.
    """

    def __init__(self, task: Task, label_smoothing: float = 0.0, focal: float = 0.0) -> None:
        super().__init__(task, label_smoothing, focal)
        cuts = torch.tensor(task.cut_points)
        self.first = nn.Parameter(cuts[:1].clone())
        self.steps = nn.Parameter(torch.log(torch.expm1(cuts.diff())))

    @property
    def cut_points(self) -> Float[Tensor, " num_cut_points"]:
        """The present ones, ascending."""
        return torch.cat([self.first, self.first + F.softplus(self.steps).cumsum(0)])

    def forward(
        self,
        logits: Float[Tensor, "num_docs 1"],
        targets: Int[Tensor, " num_docs"],
        weights: Float[Tensor, " num_docs"],
    ) -> Float[Tensor, ""]:
        """Negative log-likelihood of the class under the cut points."""
        return cumulative_link(
            logits, targets, weights, self.cut_points, label_smoothing=self.label_smoothing, focal=self.focal
        )

    def regressions(
        self, targets: Int[np.ndarray, " num_rows"], weights: Float[np.ndarray, " num_rows"]
    ) -> Regressions:
        """Above each cut point against below; their mean is the one output."""
        num_cuts = len(self.task.cut_points)
        shares = csr_matrix(np.full((num_cuts, 1), 1 / num_cuts))
        return Regressions(targets=targets, weights=weights, shares=shares, is_positive=operator.gt)

    def figure(
        self,
        logits: Float[np.ndarray, "num_rows 1"],
        targets: Int[np.ndarray, " num_rows"],
        cut_points: tuple[float, ...] = (),
    ) -> float:
        """Share of rows whose score lies between the cut points of their class."""
        return float((np.searchsorted(cut_points, logits[:, 0]) == targets).mean())


def _has_label(
    targets: Bool[np.ndarray, "num_rows num_labels"], number: int
) -> Bool[np.ndarray, " num_rows"]:
    return targets[:, number]


_OBJECTIVES: dict[TaskKind, type[Objective]] = {
    "single": SingleObjective,
    "multi": MultiObjective,
    "ordinal": OrdinalObjective,
}


def objective_of(task: Task, config: TrainConfig) -> Objective:
    """A fresh one, for what it learns belongs to one network."""
    kind = _OBJECTIVES[task.kind]
    if task.kind == "single" and config.loss == "binary":
        kind = OneHotObjective
    return kind(task, config.label_smoothing, config.focal)
