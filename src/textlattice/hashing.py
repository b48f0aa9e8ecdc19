"""Hashes that are the same on every machine, for rows of tables, n-grams and random graphs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt64

_FNV_OFFSET = 14695981039346656037
_FNV_PRIME = 1099511628211
_MASK_64 = (1 << 64) - 1
_SEQUENCE_MULTIPLIER = 0x9FB21C651E98DF25  # odd, so that no bit of the previous key is lost
_LONGEST_VECTORISED = (
    64  # bytes; a longer string is folded on its own, so that one giant costs only its length
)


def splitmix64(x: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """The SplitMix64 output for state `x`, a bijection on 64-bit integers that mixes all bits.

    Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
    """
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def extend_keys(
    previous: UInt64[np.ndarray, "*shape"], following: UInt64[np.ndarray, "*shape"]
) -> UInt64[np.ndarray, "*shape"]:
    """Key of each sequence with one more item, `splitmix64(previous * multiplier + following)`.

    The order of the items matters.

    Args:
        previous: Key of the sequence so far; 0 for the empty one.
        following: Key of the item that follows.
    """
    return splitmix64(previous * np.uint64(_SEQUENCE_MULTIPLIER) + following)


def fnv1a(strings: Sequence[str]) -> UInt64[np.ndarray, " num_strings"]:
    """FNV-1a-64 of the UTF-8 bytes of each string; the empty string gives the offset basis.

    Lone surrogates are hashed as their three generalised UTF-8 bytes. Time is linear in the total length.

    Source: Fowler, Noll and Vo, the FNV non-cryptographic hash (draft-eastlake-fnv).
    """
    encoded = [string.encode("utf-8", "surrogatepass") for string in strings]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    starts = np.cumsum(lengths) - lengths
    buffer = np.frombuffer(b"".join(encoded), np.uint8).astype(np.uint64)

    # Shortest first, so that the strings that still have a byte at a position are the last ones.
    vectorised = np.where(lengths <= _LONGEST_VECTORISED, lengths, 0)
    order = np.argsort(vectorised, kind="stable")
    sorted_starts = starts[order]
    num_ended = np.searchsorted(vectorised[order], np.arange(_LONGEST_VECTORISED), side="right")
    state = np.full(len(encoded), _FNV_OFFSET, np.uint64)
    prime = np.uint64(_FNV_PRIME)
    for position, ended in enumerate(num_ended.tolist()):
        if ended == len(encoded):
            break
        state[ended:] = (state[ended:] ^ buffer[sorted_starts[ended:] + position]) * prime

    hashes = np.empty_like(state)
    hashes[order] = state
    for index in np.flatnonzero(lengths > _LONGEST_VECTORISED).tolist():
        hashes[index] = _fold(encoded[index])
    return hashes


def _fold(data: bytes) -> int:
    state = _FNV_OFFSET
    for byte in data:
        state = ((state ^ byte) * _FNV_PRIME) & _MASK_64
    return state


def mix(*parts: int) -> int:
    """One 64-bit number from several, each in 0..2^64 - 1; their order matters.

    state = splitmix64(state ^ part) for each part, from 0.
    """
    state = 0
    for part in parts:
        state = int(splitmix64(np.array([state ^ part], np.uint64))[0])
    return state
