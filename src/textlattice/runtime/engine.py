"""What computes the logits of documents."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from textlattice.text.document import Document


@runtime_checkable
class Engine(Protocol):
    """One model family at work; safe for use by several threads."""

    def logits(self, documents: Sequence[Document]) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of documents as one batch, float32.

        Args:
            documents: One or more, none of them empty.
        """
        ...
