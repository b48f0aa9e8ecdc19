"""Token n-grams of documents as 64-bit keys."""

import numpy as np
from jaxtyping import Int, Int32, UInt64

from textlattice.hashing import extend_keys


def ngram_keys(
    token_keys: UInt64[np.ndarray, " num_tokens"], doc_ptr: Int[np.ndarray, " doc_bounds"], order: int
) -> tuple[UInt64[np.ndarray, " num_keys"], Int32[np.ndarray, " num_keys"]]:
    """Distinct n-gram keys of each document, n = 1..`order`, and the document that each belongs to.

    A 1-gram's key is the token's key; `key(a, b, c) = extend_keys(key(a, b), key(c))`. N-grams do not cross
    the border of a document; an empty document has none.

    Args:
        token_keys: Key of each token, documents one after the other.
        doc_ptr: Bounds of the documents in tokens, from 0 to `num_tokens`.
        order: Longest n-gram in tokens.

    Returns:
        Keys sorted by document, then by key, and the index of each key's document.
    """
    doc_ends = np.repeat(doc_ptr[1:], np.diff(doc_ptr))
    remaining = doc_ends - np.arange(token_keys.size)  # tokens from here to the end of the document
    keys = np.zeros((token_keys.size, order), np.uint64)
    keys[:, 0] = token_keys
    for n in range(1, order):
        num_windows = max(token_keys.size - n, 0)
        keys[:num_windows, n] = extend_keys(keys[:num_windows, n - 1], token_keys[n:])
    is_inside = remaining[:, None] > np.arange(order)
    flat_keys = keys[is_inside]  # row-major, so a document's n-grams are neighbours

    ngram_ptr = np.concatenate([[0], np.cumsum(is_inside.sum(axis=1))])[doc_ptr]
    doc_index = np.repeat(np.arange(doc_ptr.size - 1, dtype=np.int32), np.diff(ngram_ptr))
    for start, end in zip(ngram_ptr[:-1].tolist(), ngram_ptr[1:].tolist(), strict=True):
        flat_keys[start:end].sort()
    is_first = np.ones(flat_keys.size, bool)
    is_first[1:] = (flat_keys[1:] != flat_keys[:-1]) | (doc_index[1:] != doc_index[:-1])
    return flat_keys[is_first], doc_index[is_first]
