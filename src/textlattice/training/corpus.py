"""Rows ready to be trained on: cut, keyed, labelled and weighed; slices of them are made by row."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
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
        targets: Place of the label of each.
        weights: Weight of each in the losses.
    """

    documents: list[Document]
    tokens: KeyedDocuments
    ngrams: KeyedDocuments
    targets: Int[np.ndarray, " num_docs"]
    weights: Float[Tensor, " num_docs"]

    def take(self, rows: Int[np.ndarray, " chosen"]) -> "Corpus":
        """The chosen rows, in the given order."""
        return Corpus(
            documents=[self.documents[row] for row in rows],
            tokens=self.tokens.take(rows),
            ngrams=self.ngrams.take(rows),
            targets=self.targets[rows],
            weights=self.weights[torch.from_numpy(rows)],
        )
