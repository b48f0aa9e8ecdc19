"""PyTorch behind the two steps: NumPy batches in, NumPy logits out."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from textlattice.batch.text_batch import Forms, TextBatch, map_arrays
from textlattice.models.cnn_gnn import CnnGnnClassifier


class TorchBackend:
    """Runs a model in evaluation mode.

    Args:
        model: The network; put into evaluation mode here.
    """

    def __init__(self, model: CnnGnnClassifier) -> None:
        self.model = model.eval()

    @property
    def form_channels(self) -> int:
        """Width of a form's vector."""
        return self.model.spelling.output.out_features

    def encode_forms(self, forms: Forms[np.ndarray]) -> Float[np.ndarray, "num_forms channels"]:
        """One vector a distinct token, float32."""
        with torch.inference_mode():
            return self.model.encode_forms(_tensors(forms)).numpy()

    def classify(
        self, batch: TextBatch[np.ndarray], vectors: Float[np.ndarray, "num_forms channels"]
    ) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of each document, float32."""
        with torch.inference_mode():
            return self.model.classify(_tensors(batch), torch.from_numpy(vectors)).numpy()


def _tensors(part: Any) -> Any:
    return map_arrays(part, torch.from_numpy)
