"""Rows of tables: characters, character n-grams and exact keys become indices."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32, UInt32, UInt64

from textlattice.hashing import extend_keys, splitmix64

FIRST_SHARED_CHARACTER = 0x2500
"""Characters below this code point have a row of their own; the others share the rows from here on."""

LONGEST_SUBWORD_FORM = 64
"""A longer form contributes only the character n-grams of its first 64 characters."""

_START_MARK = 0x110000  # not code points, so no text can imitate a boundary
_END_MARK = 0x110001


def character_ids(text: str, num_characters: int) -> Int32[np.ndarray, " num_chars"]:
    """Row of each character in a table of `num_characters` rows.

    A code point below U+2500 is its own row; the others are hashed into `0x2500 .. num_characters - 1`.

    Args:
        text: One text, or many joined without a separator.
        num_characters: Rows of the table, more than 0x2500.
    """
    codes = code_points(text)
    ids = codes.astype(np.int32)
    shared = np.flatnonzero(codes >= FIRST_SHARED_CHARACTER)
    if shared.size:
        hashes = splitmix64(codes[shared].astype(np.uint64))
        ids[shared] = FIRST_SHARED_CHARACTER + hashes % np.uint64(num_characters - FIRST_SHARED_CHARACTER)
    return ids


def subword_ids(
    forms: Sequence[str], lengths: Sequence[int], num_subwords: int
) -> tuple[Int32[np.ndarray, " num_ids"], Int32[np.ndarray, " form_bounds"]]:
    """Hashed rows of the character n-grams of each form, and the bounds of each form's rows.

    A form is set between a start and an end mark, so `cat` has the 3-grams `<ca`, `cat` and `at>`. A form of
    more than 64 characters counts as its first 64. An n-gram that occurs twice is given twice; a form that,
    marks included, is shorter than every n-gram has no row.

    Args:
        forms: Distinct tokens.
        lengths: Lengths of the n-grams in characters, marks included.
        num_subwords: Rows of the table.

    Returns:
        Rows in `0 .. num_subwords - 1` in order of form, position and length, and `num_forms + 1` bounds.
    """
    if any(len(form) > LONGEST_SUBWORD_FORM for form in forms):
        forms = [form[:LONGEST_SUBWORD_FORM] for form in forms]
    sizes = np.fromiter(map(len, forms), np.int64, len(forms)) + 2
    ends = np.cumsum(sizes)
    codes = code_points("".join([f"\0{form}\0" for form in forms])).astype(np.uint64)
    codes[ends - sizes] = _START_MARK
    codes[ends - 1] = _END_MARK

    remaining = np.repeat(ends, sizes) - np.arange(codes.size)  # characters from here to the end of the form
    rows = np.zeros((codes.size, len(lengths)), np.int32)
    keys = np.zeros(codes.size, np.uint64)
    for length in range(1, max(lengths, default=0) + 1):
        num_windows = max(codes.size - length + 1, 0)
        keys = extend_keys(keys[:num_windows], codes[length - 1 :])
        if length in lengths:
            rows[:num_windows, list(lengths).index(length)] = keys % np.uint64(num_subwords)

    is_inside = remaining[:, None] >= np.asarray(lengths, np.int64)
    counts = np.maximum(sizes[:, None] - np.asarray(lengths, np.int64) + 1, 0).sum(axis=1)
    return rows[is_inside], _bounds(counts)


def find_rows(
    keys: UInt64[np.ndarray, " num_keys"], table: UInt64[np.ndarray, " num_rows"]
) -> Int32[np.ndarray, " num_keys"]:
    """Row of each key in a sorted table of distinct keys, -1 where it is absent."""
    if table.size == 0:
        return np.full(keys.size, -1, np.int32)
    rows = np.minimum(np.searchsorted(table, keys), table.size - 1)
    return np.where(table[rows] == keys, rows, -1).astype(np.int32)


def code_points(text: str) -> UInt32[np.ndarray, " num_characters"]:
    """The code point of each character, lone surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


def _bounds(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
