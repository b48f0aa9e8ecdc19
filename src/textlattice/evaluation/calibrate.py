"""Numbers fitted on held-out logits: a temperature, the two weights of wide plus deep, cut points, thresholds.

Each minimises the log loss of its kind of task, or for thresholds maximises F1, so the answer depends on the rows
alone. Rows with target -1 (a label the model does not know) say nothing about a scale and are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from textlattice.errors import MissingExtraError, TrainingError
from textlattice.task import TaskKind, sigmoid

# Perfectly separated rows would ask for an infinite scale.
LARGEST_SCALE = 20.0
FEWEST_POSITIVES = 10
"""Rows that a label needs before it gets a threshold of its own."""
_STEPS = (-5.0, 5.0)  # logarithms of the distance of two cut points, so that no class is lost

Targets = Int[np.ndarray, " num_rows"] | Bool[np.ndarray, "num_rows num_labels"]
Weights = Float[np.ndarray, " num_rows *labels"]
_Loss = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The loss of each row, [num_rows, 1], or of each label of it; its derivatives by the logits and the cut points."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """How two models add up.

    Args:
        a: Weight of the first.
        b: Weight of the second.
        cut_points: Of the sum, for an order; else none.
    """

    a: float
    b: float
    cut_points: tuple[float, ...] = ()


def fit_temperature(
    logits: Float[np.ndarray, "num_rows num_outputs"],
    targets: Targets,
    *,
    kind: TaskKind = "single",
    cut_points: Sequence[float] = (),
    weights: Weights | None = None,
) -> float:
    """The temperature T that minimises the log loss of logits / T; cut points are divided by it too.

    Args:
        logits: Natural-log units.
        targets: Class of each row, or -1; for `multi` which labels a row has.
        kind: Of the task.
        cut_points: Of an `ordinal` task.
        weights: Weight of each row, for `multi` perhaps of each label of it; None for all equal.

    Returns:
        T in [1/20, 20]: above 1 where the logits are too sure of themselves. It is 1 without a usable row,
        and where the logits of every row are equal.

    Raises:
        TrainingError: A logit is not finite.

    Source: Guo et al. 2017 (arXiv 1706.04599), section 4.2.
    """
    cuts = np.asarray(cut_points, np.float64)
    (scale,) = _minimise(
        kind,
        [logits],
        targets,
        weights,
        start=[1.0],
        bounds=[(1 / LARGEST_SCALE, LARGEST_SCALE)],
        cut_points=lambda values: (values[0] * cuts, cuts[None]),
    )
    return 1 / scale


def fit_mixture(
    wide: Float[np.ndarray, "num_rows num_outputs"],
    deep: Float[np.ndarray, "num_rows num_outputs"],
    targets: Targets,
    *,
    kind: TaskKind = "single",
    cut_points: Sequence[float] = (),
    weights: Weights | None = None,
) -> Mixture:
    """The weights (a, b), and for an order the cut points, that minimise the log loss of a * wide + b * deep.

    Args:
        wide: Logits of the first model, natural-log units.
        deep: Logits of the second model.
        targets: Class of each row, or -1; for `multi` which labels a row has.
        kind: Of the task.
        cut_points: Of an `ordinal` task: where the search begins.
        weights: Weight of each row, for `multi` perhaps of each label of it; None for all equal.

    Returns:
        a and b in [0, 20]; (1, 1) and the cut points given without a usable row. Two cut points lie at least
        exp(-5) apart, so that a class without a row keeps a share.

    Raises:
        TrainingError: A logit is not finite.
    """
    cuts = np.asarray(cut_points, np.float64)
    steps = np.log(np.diff(cuts)).clip(*_STEPS).tolist()
    a, b, *found = _minimise(
        kind,
        [wide, deep],
        targets,
        weights,
        start=[1.0, 1.0, *cuts[:1].tolist(), *steps],
        bounds=[*[(0.0, LARGEST_SCALE)] * 2, *[(None, None)] * len(cuts[:1]), *[_STEPS] * len(steps)],
        cut_points=_from_steps,
    )
    return Mixture(a=a, b=b, cut_points=tuple(_from_steps(np.array([a, b, *found]))[0].tolist()))


def log_loss(
    logits: Float[np.ndarray, "num_rows num_outputs"],
    targets: Targets,
    *,
    kind: TaskKind = "single",
    cut_points: Sequence[float] = (),
    weights: Weights | None = None,
) -> float:
    """Mean negative log-probability (natural logarithm) of the targets; of `multi` over all labels.

    Rows with target -1 are left out; without any other row the answer is NaN.
    """
    known = _known(targets)
    if not known.any():
        return float("nan")
    losses, *_ = _LINKS[kind](
        logits[known].astype(np.float64), targets[known], np.asarray(cut_points, np.float64)
    )
    return float(np.average(losses, weights=_each_loss(weights, known, losses)))


def fit_thresholds(
    probabilities: Float[np.ndarray, "num_rows num_labels"], targets: Bool[np.ndarray, "num_rows num_labels"]
) -> tuple[float, ...]:
    """The threshold of best F1 of each label, in (0, 1]; one half for a label with fewer than 10 rows.

    It lies half way between two probabilities; of equally good ones the highest is taken.

    Args:
        probabilities: Of each label.
        targets: Which labels each row has.
    """
    return tuple(_threshold(probabilities[:, label], targets[:, label]) for label in range(targets.shape[1]))


def _threshold(probabilities: np.ndarray, positive: np.ndarray) -> float:
    num_positive = int(positive.sum())
    if num_positive < FEWEST_POSITIVES:
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    f1 = 2 * positive[order].cumsum() / (np.arange(1, len(order) + 1) + num_positive)
    following = np.append(ranked[1:], 0.0)
    f1[ranked == following] = -1.0  # equal probabilities cannot be told apart
    best = int(f1.argmax())
    return float(np.clip((ranked[best] + following[best]) / 2, 1e-6, 1.0))


def _minimise(
    kind: TaskKind,
    parts: list[np.ndarray],
    targets: np.ndarray,
    weights: np.ndarray | None,
    *,
    start: list[float],
    bounds: list[tuple[float | None, float | None]],
    cut_points: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> list[float]:
    """The numbers for which the weighted mean loss is least: a scale for each part, then others.

    `cut_points` makes cut points of them, and the derivative of those [num_numbers, num_cut_points].
    Without a usable row the answer is the start.
    """
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise MissingExtraError("textlattice.evaluation.calibrate", "train") from error

    known = _known(targets)
    if not known.any():
        return start
    stacked = np.stack([part[known] for part in parts]).astype(
        np.float64
    )  # [num_parts, num_rows, num_outputs]
    if not np.isfinite(stacked).all():
        raise TrainingError(
            "calibration needs finite logits, got NaN or infinity; the run has diverged: "
            "lower train.learning_rate."
        )
    if kind == "single":
        stacked -= stacked.mean(axis=2, keepdims=True)  # softmax does not see a shift; better steps
    targets = targets[known]

    def mean_loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        cuts, of_cuts = cut_points(values)
        logits = np.tensordot(values[: len(parts)], stacked, axes=1)
        losses, by_logit, by_cut = _LINKS[kind](logits, targets, cuts)
        shares = _each_loss(weights, known, losses)
        gradient = of_cuts @ (shares[:, :1] * by_cut).sum(axis=0)
        gradient[: len(parts)] += (shares * by_logit * stacked).sum(axis=(1, 2))
        return float((shares * losses).sum() / shares.sum()), gradient / shares.sum()

    result = minimize(
        mean_loss,
        np.array(start),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-12, "gtol": 1e-8},
    )
    return [float(value) for value in result.x]


def _from_steps(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut points of (a, b, first, logarithms of the steps), and their derivative by each."""
    first, steps = values[2:3], np.exp(values[3:])
    cuts = np.concatenate([first, first + steps.cumsum()])
    moves = np.triu(np.ones((len(cuts), len(cuts))))  # a step moves every cut point above it
    return cuts, np.concatenate(
        [np.zeros((2, len(cuts))), moves * np.concatenate([np.ones_like(first), steps])[:, None]]
    )


def _categorical(logits: np.ndarray, targets: np.ndarray, cuts: np.ndarray) -> _Loss:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    places = targets[:, None]
    residual = np.exp(log_shares)
    np.put_along_axis(residual, places, np.take_along_axis(residual, places, 1) - 1, 1)
    return -np.take_along_axis(log_shares, places, 1), residual, np.zeros((len(logits), 0))


def _binary(logits: np.ndarray, targets: np.ndarray, cuts: np.ndarray) -> _Loss:
    losses = np.logaddexp(0, np.where(targets, -logits, logits))
    return losses, sigmoid(logits) - targets, np.zeros((len(logits), 0))


def _cumulative(scores: np.ndarray, targets: np.ndarray, cuts: np.ndarray) -> _Loss:
    """For the class k between c_(k-1) and c_k: loss, and its derivative by the score and by each cut point."""
    rows = np.arange(len(targets))
    bounds = np.concatenate([[-np.inf], cuts, [np.inf]])
    high, low = bounds[targets + 1] - scores[:, 0], bounds[targets] - scores[:, 0]
    with np.errstate(divide="ignore", over="ignore"):  # at the ends exp(-inf) is 0, and so is its share
        log_gap = np.log(-np.expm1(low - high))
        pull = 1 / np.expm1(high - low)  # d log_gap / d high
    losses = np.logaddexp(0, -high) + np.logaddexp(0, low) - log_gap
    by_high, by_low = -sigmoid(-high) - pull, sigmoid(low) + pull
    by_cut = np.zeros((len(targets), len(cuts) + 2))
    by_cut[rows, targets + 1] += by_high
    by_cut[rows, targets] += by_low
    return losses[:, None], -(by_high + by_low)[:, None], by_cut[:, 1:-1]


_LINKS: dict[TaskKind, Callable[[np.ndarray, np.ndarray, np.ndarray], _Loss]] = {
    "single": _categorical,
    "multi": _binary,
    "ordinal": _cumulative,
}


def _known(targets: np.ndarray) -> np.ndarray:
    return targets >= 0 if targets.ndim == 1 else np.ones(len(targets), bool)


def _each_loss(weights: np.ndarray | None, known: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """A weight for each loss."""
    if weights is None:
        return np.ones_like(losses)
    rows = weights[known].astype(np.float64)
    return np.broadcast_to(rows if rows.ndim == 2 else rows[:, None], losses.shape)
