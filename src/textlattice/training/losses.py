"""Losses of a batch, one for each kind of task, with row weights and label smoothing; and the row weights."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


def cross_entropy(
    logits: Float[Tensor, "num_docs num_classes"],
    targets: Int[Tensor, " num_docs"],
    weights: Float[Tensor, " num_docs"],
    *,
    label_smoothing: float,
    focal: float = 0.0,
) -> Float[Tensor, ""]:
    """Weighted mean over rows of -sum_c q_c log softmax(logits)_c, natural-log units.

    Args:
        logits: One row a document.
        targets: Place of the label.
        weights: Row weight times class weight; their mean over the fit rows is 1.
        label_smoothing: Mass spread evenly over all classes.
        focal: See `focal_factor`; 0 counts all alike.
    """
    losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)
    if focal:
        losses = losses * focal_factor(F.cross_entropy(logits, targets, reduction="none"), focal)
    return _mean(losses, weights)


def binary_cross_entropy(
    logits: Float[Tensor, "num_docs num_labels"],
    targets: Bool[Tensor, "num_docs num_labels"],
    weights: Float[Tensor, "num_docs num_labels"],
    *,
    label_smoothing: float,
    focal: float = 0.0,
) -> Float[Tensor, ""]:
    """Weighted mean over rows and labels of -q log sigmoid(z) - (1 - q) log sigmoid(-z), natural-log units.

    Args:
        logits: One column a label.
        targets: Which labels a document has.
        weights: Row weight times the weight of the label's side; their mean over the fit rows is 1.
        label_smoothing: Share by which q moves from 0 or 1 towards one half.
        focal: See `focal_factor`; 0 counts all alike.
    """
    shares = targets.to(logits.dtype) * (1 - label_smoothing) + label_smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logits, shares, reduction="none")
    if focal:
        surprise = F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none")
        losses = losses * focal_factor(surprise, focal)
    return _mean(losses, weights)


def cumulative_link(
    logits: Float[Tensor, "num_docs 1"],
    targets: Int[Tensor, " num_docs"],
    weights: Float[Tensor, " num_docs"],
    cut_points: Float[Tensor, " num_cut_points"],
    *,
    label_smoothing: float,
    focal: float = 0.0,
) -> Float[Tensor, ""]:
    """Weighted mean over rows of -sum_k q_k log P(k), where P(class <= k) = sigmoid(c_k - s), natural-log units.

    With a = c_k - s and b = c_(k-1) - s, log(sigmoid(a) - sigmoid(b)) is taken as
    log sigmoid(a) + log sigmoid(-b) + log(1 - exp(b - a)), which neither overflows nor loses a small class.

    Args:
        logits: The latent score s of each document.
        targets: Place of the class in the order of the classes.
        weights: Row weight times class weight; their mean over the fit rows is 1.
        cut_points: Ascending; one fewer than there are classes.
        label_smoothing: Mass spread evenly over all classes.
        focal: See `focal_factor`; 0 counts all alike.

    Source: McCullagh 1980, section 2, with the logistic link.
    """
    below = F.pad(F.logsigmoid(cut_points - logits), (0, 1))  # [num_docs, num_classes], 0 for the highest
    above = F.pad(F.logsigmoid(logits - cut_points), (1, 0))
    between = F.pad(torch.log(-torch.expm1(cut_points[:-1] - cut_points[1:])), (1, 1))
    log_shares = below + above + between
    surprise = -log_shares.gather(1, targets[:, None])[:, 0]
    losses = (1 - label_smoothing) * surprise
    if label_smoothing:
        losses = losses - label_smoothing * log_shares.mean(1)
    if focal:
        losses = losses * focal_factor(surprise, focal)
    return _mean(losses, weights)


def focal_factor(surprise: Float[Tensor, "*shape"], focal: float) -> Float[Tensor, "*shape"]:
    """By how much a row counts, the less the surer its label is: (1 - p)^focal, p the likelihood of the label.

    Args:
        surprise: -log p, natural-log units, of the label itself: a smoothed loss is never small, so it cannot say how
            sure an answer is.
        focal: Exponent, above 0.

    Source: focal loss (arXiv 1708.02002), section 3.2.
    """
    return (-torch.expm1(-surprise)).clamp(min=1e-7) ** focal


def row_weights(
    targets: Int[Tensor, " num_docs"],
    num_classes: int,
    *,
    balanced: bool,
    sample_weight: Float[Tensor, " num_docs"] | None,
) -> Float[Tensor, " num_docs"]:
    """Weight of each row, scaled to a mean of 1.

    Args:
        targets: Place of the label of each row.
        num_classes: Labels.
        balanced: Weigh each class by the inverse of its (weighted) frequency.
        sample_weight: Weights given by the user, or None for all equal.
    """
    weights = torch.ones(len(targets)) if sample_weight is None else sample_weight.clone()
    if balanced:
        mass = torch.zeros(num_classes).index_add(0, targets, weights)
        weights = weights / mass.clamp(min=1e-12)[targets]
    return weights / weights.mean()


def label_weights(
    targets: Bool[Tensor, "num_docs num_labels"],
    *,
    balanced: bool,
    sample_weight: Float[Tensor, " num_docs"] | None,
) -> Float[Tensor, "num_docs num_labels"]:
    """Weight of each row for each label, scaled to a mean of 1 a label.

    Args:
        targets: Which labels each row has.
        balanced: Give the rows with a label and those without it equal mass.
        sample_weight: Weights given by the user, or None for all equal.
    """
    rows = torch.ones(len(targets)) if sample_weight is None else sample_weight
    weights = rows[:, None].repeat(1, targets.shape[1])
    if balanced:
        inside, outside = (weights * targets).sum(0), (weights * ~targets).sum(0)
        weights = weights / torch.where(targets, inside, outside).clamp(min=1e-12)
    return weights / weights.mean(0)


def _mean(losses: Tensor, weights: Tensor) -> Tensor:
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)
