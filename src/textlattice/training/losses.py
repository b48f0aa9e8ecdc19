"""Loss of a batch: cross entropy with class weights, row weights and label smoothing."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def cross_entropy(
    logits: Float[Tensor, "num_docs num_classes"],
    targets: Int[Tensor, " num_docs"],
    weights: Float[Tensor, " num_docs"],
    *,
    label_smoothing: float,
) -> Float[Tensor, ""]:
    """Weighted mean over rows of -sum_c q_c log softmax(logits)_c, natural-log units.

    Args:
        logits: One row a document.
        targets: Place of the label.
        weights: Row weight times class weight; their mean over the fit rows is 1.
        label_smoothing: Mass spread evenly over all classes.
    """
    losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)


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
