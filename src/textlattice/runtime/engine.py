"""What computes the logits: PyTorch for a trained folder, ONNX for an exported one."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from textlattice.batch.text_batch import Forms, TextBatch


@runtime_checkable
class Engine(Protocol):
    """Two steps, so that the vectors of forms can be kept between batches."""

    @property
    def form_channels(self) -> int:
        """Width of a form's vector."""
        ...

    def encode_forms(self, forms: Forms[np.ndarray]) -> Float[np.ndarray, "num_forms channels"]:
        """One vector a distinct token, float32."""
        ...

    def classify(
        self, batch: TextBatch[np.ndarray], vectors: Float[np.ndarray, "num_forms channels"]
    ) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of each document, float32."""
        ...
