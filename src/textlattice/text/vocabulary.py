"""The words and n-grams a model knows, and the words that bring a vector, as sorted 64-bit keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int32, UInt64

from textlattice.config import TextConfig
from textlattice.hashing import fnv1a
from textlattice.text.lookup import find_rows

MOST_WORDS = 65_536
"""Known words at most; rarer ones are read by their spelling alone."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Known keys; a key's place is its row.

    Args:
        words: Keys of known words, ascending.
        ngrams: Keys of the n-grams of the wide branch, ascending.
        injected: Keys of the words of the token table, ascending; none where the model has no table.
        counts: Training documents that have each word; none where the model does not ask.
    """

    words: UInt64[np.ndarray, " num_words"]
    ngrams: UInt64[np.ndarray, " num_ngrams"]
    injected: UInt64[np.ndarray, " num_injected"] = field(default_factory=lambda: np.empty(0, np.uint64))
    counts: Float32[np.ndarray, " num_counted"] = field(default_factory=lambda: np.empty(0, np.float32))

    def word_rows(self, keys: UInt64[np.ndarray, " num_keys"]) -> Int32[np.ndarray, " num_keys"]:
        """Row of each word in the word table, counted from 1; 0 for an unknown word."""
        return find_rows(keys, self.words) + np.int32(1)

    def injected_rows(self, keys: UInt64[np.ndarray, " num_keys"]) -> Int32[np.ndarray, " num_keys"] | None:
        """Row of each word in the token table, counted from 1; 0 where it has no vector. None without a table."""
        return find_rows(keys, self.injected) + np.int32(1) if len(self.injected) else None


def word_keys(forms: Sequence[str], config: TextConfig) -> UInt64[np.ndarray, " num_forms"]:
    """Key of each form: FNV-1a-64 of its UTF-8, lower-cased if the settings say so."""
    return fnv1a([form.lower() for form in forms] if config.lowercase_keys else forms)


def known_words(
    forms: Iterable[list[str]], config: TextConfig, *, min_count: int = 2, most: int = MOST_WORDS
) -> UInt64[np.ndarray, " num_words"]:
    """Ascending keys of the words that occur at least `min_count` times; of more than `most` the most frequent.

    Args:
        forms: The tokens of each document.
        config: Says whether keys are lower-cased.
        min_count: Occurrences, over all documents.
        most: Words at most; among words that occur equally often the lower key goes first.
    """
    tokens = [form for document in forms for form in document]
    return frequent_keys(word_keys(tokens, config), min_count=min_count, most=most)


def frequent_keys(
    keys: UInt64[np.ndarray, " num_tokens"], *, min_count: int = 2, most: int = MOST_WORDS
) -> UInt64[np.ndarray, " num_words"]:
    """`known_words` of tokens whose keys are at hand."""
    distinct, totals = np.unique(keys, return_counts=True)
    order = np.argsort(-totals, kind="stable")[:most]
    return np.sort(distinct[order[totals[order] >= min_count]])
