"""A text, cut: normalised characters, token bounds, and the way back to the original."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from textlattice.config import TextConfig
from textlattice.errors import TextTooLongError
from textlattice.text.normalise import Normalised, normalise
from textlattice.text.words import MOST_CHARACTERS, Cut, token_bounds


@dataclass(frozen=True, kw_only=True)
class Document:
    """One text after normalising and cutting.

    Args:
        normalised: Characters, and where each came from.
        starts: First character of each token, in normalised characters.
        ends: One past the last character of each token.
        is_spoiled: Whether training has put noise into the text: it will not come again, so no cache keeps it.
    """

    normalised: Normalised
    starts: Int32[np.ndarray, " num_tokens"]
    ends: Int32[np.ndarray, " num_tokens"]
    is_spoiled: bool = False

    @property
    def num_tokens(self) -> int:
        """Tokens; 0 for an empty document."""
        return len(self.starts)

    @property
    def num_characters(self) -> int:
        """Normalised characters, spaces included."""
        return len(self.normalised.text)

    def forms(self) -> list[str]:
        """The spelling of each token."""
        text = self.normalised.text
        return [text[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]


@dataclass(frozen=True, kw_only=True)
class TextReader:
    """Texts to documents, as one model wants them.

    Args:
        config: Which Unicode form comes first.
        cut: Where the tokens of a normalised text are: words, or the pieces of a tokenizer file.
    """

    config: TextConfig
    cut: Cut = token_bounds

    def read(self, text: str) -> Document:
        """The document of a text; without tokens if nothing is left of it.

        Raises:
            TextTooLongError: It has more than `MOST_CHARACTERS` characters or `MOST_TOKENS` tokens.
        """
        if len(text) > MOST_CHARACTERS:
            raise TextTooLongError(f"{len(text):,}", f"{MOST_CHARACTERS:,} characters")
        normalised = normalise(text, self.config.normalisation, fold=self.config.fold_confusables)
        starts, ends = self.cut(normalised.text)
        return Document(normalised=normalised, starts=starts, ends=ends)


def read_document(text: str, config: TextConfig) -> Document:
    """The document of a text, cut into words."""
    return TextReader(config=config).read(text)
