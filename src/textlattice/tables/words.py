"""Words beside their vectors, as every part of `tables` hands them on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from textlattice.config import TextConfig
from textlattice.text.document import read_document
from textlattice.text.normalise import normalise


@dataclass(frozen=True, kw_only=True, eq=False)
class WordVectors:
    """Words, the most frequent first, and a vector of each.

    Args:
        words: Distinct words.
        vectors: One a word.
    """

    words: list[str]
    vectors: Float[np.ndarray, "num_words channels"]


def is_word(text: str, config: TextConfig) -> bool:
    """Whether texts are cut into this as one token, so that its vector can be found."""
    document = read_document(text, config)
    return document.num_tokens == 1 and document.forms()[0] == document.normalised.text


def same_key(text: str, config: TextConfig) -> str:
    """What spellings of one key have in common: the text, normalised and, if the settings say so, lower-cased."""
    normalised = normalise(text, config.normalisation, fold=config.fold_confusables).text
    return normalised.lower() if config.lowercase_keys else normalised


def distinct(words: Iterable[str], config: TextConfig) -> list[str]:
    """The words in order, of those with one key the first."""
    first: dict[str, str] = {}
    for word in words:
        first.setdefault(same_key(word, config), word)
    return list(first.values())


def joined(parts: Sequence[WordVectors], config: TextConfig) -> WordVectors:
    """The words of all parts, their vectors side by side; zeros where a part lacks a word."""
    words = distinct((word for part in parts for word in part.words), config)
    rows = {same_key(word, config): row for row, word in enumerate(words)}
    vectors = np.zeros((len(words), sum(part.vectors.shape[1] for part in parts)), np.float32)
    first = 0
    for part in parts:
        end = first + part.vectors.shape[1]
        vectors[[rows[same_key(word, config)] for word in part.words], first:end] = part.vectors
        first = end
    return WordVectors(words=words, vectors=vectors)
