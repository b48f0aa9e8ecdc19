"""Noise in training: some documents of each batch are read from a spoiled text, so that a network learns to bear it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textlattice.hashing import mix
from textlattice.text.document import Document, TextReader
from textlattice.text.noise import corrupt

FAMILIES = ("typo", "case", "spacing", "punctuation", "homoglyph", "token_dropout")
"""Kinds of noise that training draws from.

Not among them: `ocr`, held out so that `textlattice stress` always holds a kind that no training has seen;
`truncation`, which may cut off what the label says; `invisible`, which normalising takes away before a network reads.
"""
HIGHEST_LEVEL = 0.1
"""Largest share of a text's characters, or words, that are spoiled."""
_SEEDS = 1 << 64  # training draws its noise with seeds from here on, `textlattice stress` with smaller ones


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Spoils a share of the documents of a batch.

    Args:
        share: Probability that a document is spoiled, in [0, 1).
        reader: Cuts the spoiled texts.
    """

    share: float
    reader: TextReader

    def spoil(self, documents: Sequence[Document], salt: int) -> list[Document]:
        """The documents of a step, those that are drawn in a spoiled form.

        Each draw, of whether, which family, which level and which characters, depends on the salt and the place in the
        batch alone. A document of which noise leaves no token stays as it is.

        Args:
            documents: Of one batch.
            salt: Number of the step's draw.
        """
        return [self._drawn(document, mix(salt, place)) for place, document in enumerate(documents)]

    def _drawn(self, document: Document, number: int) -> Document:
        draw = np.random.default_rng(number)
        if draw.random() >= self.share:
            return document
        family, level = FAMILIES[draw.integers(len(FAMILIES))], draw.uniform(0, HIGHEST_LEVEL)
        text = corrupt(document.normalised.text, family, level, _SEEDS + number)
        spoiled = self.reader.read(text)
        return dataclasses.replace(spoiled, is_spoiled=True) if spoiled.num_tokens else document
