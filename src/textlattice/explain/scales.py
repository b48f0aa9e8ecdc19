"""How much each scale of a pyramid counts for an answer."""

import torch

from textlattice.batch.pyramid_collate import PyramidCollator
from textlattice.batch.text_batch import map_arrays
from textlattice.models.pyramid import PyramidClassifier
from textlattice.text.document import Document


def scale_weights(model: PyramidClassifier, collator: PyramidCollator, document: Document) -> list[float]:
    """Weights in [0, 1] of the scales, the tokens first; they sum to 1, and are 0 where the document has no unit.

    Args:
        model: In evaluation mode.
        collator: Makes its batches.
        document: One text; of an empty one nothing counts, and the list is empty.
    """
    if not document.num_tokens:
        return []
    batch = map_arrays(collator.collate([document]), torch.from_numpy)
    with torch.inference_mode():
        weights: list[float] = model.scale_weights(batch)[0].tolist()
    return weights
