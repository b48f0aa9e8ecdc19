"""Scalars fitted on held-out logits: a temperature, and the two weights of wide plus deep.

Both problems are convex in their scale, so the answer depends on the rows alone. Rows with target -1 (a label
the model does not know) say nothing about a scale and are left out.
"""

import numpy as np
from jaxtyping import Float, Int

from textlattice.errors import MissingExtraError, TrainingError

# Perfectly separated rows would ask for an infinite scale.
LARGEST_SCALE = 20.0


def fit_temperature(
    logits: Float[np.ndarray, "num_rows num_classes"], targets: Int[np.ndarray, " num_rows"]
) -> float:
    """The temperature T that minimises the log loss of `softmax(logits / T)`.

    Args:
        logits: Scores before the softmax, natural-log units.
        targets: Class of each row, or -1.

    Returns:
        T in [1/20, 20]: above 1 where the logits are too sure of themselves. It is 1 without a usable row,
        and where the logits of every row are equal.

    Raises:
        TrainingError: A logit is not finite.

    Source: Guo et al. 2017 (arXiv 1706.04599), section 4.2.
    """
    (scale,) = _fit_scales([logits], targets, smallest=1 / LARGEST_SCALE)
    return 1 / scale


def fit_mixture(
    wide: Float[np.ndarray, "num_rows num_classes"],
    deep: Float[np.ndarray, "num_rows num_classes"],
    targets: Int[np.ndarray, " num_rows"],
) -> tuple[float, float]:
    """The weights (a, b) that minimise the log loss of `softmax(a * wide + b * deep)`.

    Args:
        wide: Logits of the first model, natural-log units.
        deep: Logits of the second model.
        targets: Class of each row, or -1.

    Returns:
        a and b, both in [0, 20]; (1, 1) without a usable row.

    Raises:
        TrainingError: A logit is not finite.
    """
    a, b = _fit_scales([wide, deep], targets, smallest=0.0)
    return a, b


def log_loss(
    logits: Float[np.ndarray, "num_rows num_classes"], targets: Int[np.ndarray, " num_rows"]
) -> float:
    """Mean negative log-probability (natural logarithm) of the targets under `softmax(logits)`.

    Rows with target -1 are left out; without any other row the answer is NaN.
    """
    known = targets >= 0
    if not known.any():
        return float("nan")
    return float(
        -_log_softmax(logits[known].astype(np.float64))[np.arange(known.sum()), targets[known]].mean()
    )


def _fit_scales(parts: list[np.ndarray], targets: np.ndarray, *, smallest: float) -> list[float]:
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise MissingExtraError("textlattice.evaluation.calibrate", "train") from error

    known = targets >= 0
    if not known.any():
        return [1.0] * len(parts)
    stacked = np.stack([part[known] for part in parts]).astype(
        np.float64
    )  # [num_parts, num_rows, num_classes]
    if not np.isfinite(stacked).all():
        raise TrainingError(
            "calibration needs finite logits, got NaN or infinity; the run has diverged: "
            "lower train.learning_rate."
        )
    stacked -= stacked.mean(
        axis=2, keepdims=True
    )  # softmax does not see a shift; smaller numbers, better steps
    targets = targets[known]
    rows = np.arange(len(targets))

    def loss_and_gradient(scales: np.ndarray) -> tuple[float, np.ndarray]:
        log_probabilities = _log_softmax(np.tensordot(scales, stacked, axes=1))
        residual = np.exp(log_probabilities)
        residual[rows, targets] -= 1
        gradient = np.einsum("prc,rc->p", stacked, residual) / len(rows)
        return float(-log_probabilities[rows, targets].mean()), gradient

    result = minimize(
        loss_and_gradient,
        np.ones(len(parts)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(smallest, LARGEST_SCALE)] * len(parts),
        options={"ftol": 1e-12, "gtol": 1e-8},
    )
    return [float(scale) for scale in result.x]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
