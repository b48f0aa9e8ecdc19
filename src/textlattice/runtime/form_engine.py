"""The engine of the CNN-GNN: each distinct token is read once, and its vector kept for the batches to come."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from textlattice.batch.collate import Collator, distinct_forms
from textlattice.batch.text_batch import Forms, TextBatch
from textlattice.runtime.form_cache import FormCache
from textlattice.text.document import Document

_FORMS_AT_ONCE = 16_384  # so that their letters take less memory than the tokens of a long text do


@runtime_checkable
class FormBackend(Protocol):
    """The two steps of the network: PyTorch for a trained folder, ONNX for an exported one."""

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


class FormEngine:
    """An engine whose forms are cached between batches.

    Args:
        backend: Computes both steps.
        collator: Makes the batches.
    """

    def __init__(self, backend: FormBackend, collator: Collator) -> None:
        self.backend, self.collator = backend, collator
        self._cache = FormCache(backend.form_channels)

    def logits(self, documents: Sequence[Document]) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of documents as one batch, float32."""
        strings, form = distinct_forms(documents)
        vectors = self._cache.vectors(strings, self._encode)
        return self.backend.classify(
            self.collator.batch(documents, strings, form, forms=None, ngrams=True), vectors
        )

    def _encode(self, strings: list[str]) -> Float[np.ndarray, "num_forms channels"]:
        starts = range(0, max(1, len(strings)), _FORMS_AT_ONCE)
        parts = (strings[start : start + _FORMS_AT_ONCE] for start in starts)
        vectors = [self.backend.encode_forms(self.collator.forms(part)) for part in parts]
        return vectors[0] if len(vectors) == 1 else np.concatenate(vectors)
