"""Rows ready to be trained on: cut, keyed, labelled and weighed; slices of them are made by row."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt64
from torch import Tensor

from textlattice.text.document import Document
from textlattice.training.wide import KeyedDocuments


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Documents that are not empty, with all that training reads of them.

    Args:
        documents: Cut texts.
        tokens: Keys of their tokens.
        ngrams: Keys of their distinct n-grams.
        targets: Place of the label of each, or which labels it has.
        weights: Weight of each in the losses, or of each of its labels.
        digests: Of their texts; equal ones have the same text.
    """

    documents: list[Document]
    tokens: KeyedDocuments
    ngrams: KeyedDocuments
    targets: Shaped[np.ndarray, " num_docs *labels"]
    weights: Float[Tensor, " num_docs *labels"]
    digests: UInt64[np.ndarray, " num_docs"]

    def take(self, rows: Int[np.ndarray, " chosen"]) -> "Corpus":
        """The chosen rows, in the given order."""
        return Corpus(
            documents=[self.documents[row] for row in rows],
            tokens=self.tokens.take(rows),
            ngrams=self.ngrams.take(rows),
            targets=self.targets[rows],
            weights=self.weights[torch.from_numpy(rows)],
            digests=self.digests[rows],
        )
