"""Rows ready to be trained on: keyed, labelled and weighed; a slice of them copies no text and no key."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt64
from torch import Tensor

from textlattice.training.documents import CutTexts
from textlattice.training.keys import TokenKeys
from textlattice.training.wide import KeyedDocuments


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Documents that are not empty, with all that training reads of them.

    Args:
        documents: Their texts, cut when asked for.
        ngrams: Keys of their distinct n-grams, made when asked for.
        targets: Place of the label of each, or which labels it has.
        weights: Weight of each in the losses, or of each of its labels.
        digests: Of their texts; equal ones have the same text.
    """

    documents: CutTexts
    ngrams: KeyedDocuments
    targets: Shaped[np.ndarray, " num_docs *labels"]
    weights: Float[Tensor, " num_docs *labels"]
    digests: UInt64[np.ndarray, " num_docs"]

    @property
    def tokens(self) -> TokenKeys:
        """Keys of their tokens."""
        return self.ngrams.tokens

    def take(self, rows: Int[np.ndarray, " chosen"]) -> "Corpus":
        """The chosen rows, in the given order."""
        return Corpus(
            documents=self.documents.take(rows),
            ngrams=self.ngrams.take(rows),
            targets=self.targets[rows],
            weights=self.weights[torch.from_numpy(rows)],
            digests=self.digests[rows],
        )
