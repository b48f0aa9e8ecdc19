"""Word rows to begin with: what the training texts themselves say about which words are alike."""

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int
from sklearn.utils.extmath import randomized_svd

WINDOW = 5
"""Tokens on each side that count as company."""
MOST_CONTEXTS = 10_000
"""Words, the most frequent, whose company is counted."""
MOST_TOKENS = 1 << 23
"""Tokens whose company is counted, of more a share of the documents: 8 million, a little more than 25,000 reviews have.
The matrix of counts would grow with the text."""
_ENTRIES = 1 << 20


def cooccurrence_vectors(
    rows: Int[np.ndarray, " num_tokens"],
    doc_ptr: Int[np.ndarray, " doc_bounds"],
    num_words: int,
    channels: int,
    *,
    seed: int,
) -> Float[np.ndarray, "num_words channels"]:
    """Vectors of words, alike for words that keep the same company; rows of unit length, zero for words without any.

    The positive pointwise mutual information of word and context, PMI = log(p(w, c) / (p(w) p(c)^0.75 / Z)), cut to
    rank `channels` by a randomised singular value decomposition, each direction scaled by the root of its value.

    Args:
        rows: Word of each token, counted from 0; -1 for an unknown word.
        doc_ptr: Bounds of the documents in tokens; words of two documents are no company.
        num_words: Known words.
        channels: Width of a vector; further columns stay zero where there are fewer words.
        seed: Seed of the decomposition.

    Source: Levy, Goldberg and Dagan 2015, sections 2 and 3 (context smoothing, eigenvalue weighting 0.5).
    """
    vectors = np.zeros((num_words, channels), np.float32)
    counts = _counts(rows, doc_ptr, num_words)
    rank = min(channels, *counts.shape) if min(counts.shape) else 0
    if rank == 0 or counts.nnz == 0:
        return vectors
    words = np.asarray(counts.sum(1)).ravel()
    contexts = np.asarray(counts.sum(0)).ravel() ** 0.75
    _inform(counts, words, contexts / contexts.sum())
    left, values, _ = randomized_svd(counts, rank, n_iter=3, random_state=seed)
    vectors[:, :rank] = left * np.sqrt(values)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-6)


def _inform(
    counts: scipy.sparse.csr_matrix,
    words: Float[np.ndarray, " num_words"],
    shares: Float[np.ndarray, " num_contexts"],
) -> None:
    """Puts positive information in the place of counts, some entries at a time; the others go."""
    row = np.repeat(np.arange(len(words), dtype=np.int32), np.diff(counts.indptr))
    for start in range(0, counts.nnz, _ENTRIES):
        part = slice(start, start + _ENTRIES)
        expected = words[row[part]] * shares[counts.indices[part]]
        information = np.log(np.maximum(counts.data[part], 1e-12) / expected)
        counts.data[part] = np.maximum(information, 0)
    counts.eliminate_zeros()


def _counts(
    rows: Int[np.ndarray, " num_tokens"], doc_ptr: Int[np.ndarray, " doc_bounds"], num_words: int
) -> scipy.sparse.csr_matrix:
    """Company of each word, [num_words, num_contexts]: nearer counts more, 1 / distance."""
    frequency = np.bincount(rows[rows >= 0], minlength=num_words)
    frequent = np.argsort(-frequency, kind="stable")[:MOST_CONTEXTS]
    context = np.full(num_words + 1, -1, np.int32)  # the last is for unknown words
    context[frequent] = np.arange(len(frequent))
    columns = context[rows]
    total = scipy.sparse.csr_matrix((num_words, len(frequent)), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        if len(rows) <= distance:
            break
        # Whether the pair that begins at a token lies in one document; an owner of each token would take as much again.
        same = np.ones(len(rows) - distance, bool)
        crossing = np.concatenate([doc_ptr - back for back in range(1, distance + 1)])
        same[crossing[(crossing >= 0) & (crossing < len(same))]] = False
        for words, company in (
            (rows[:-distance], columns[distance:]),
            (rows[distance:], columns[:-distance]),
        ):
            known = same & (words >= 0) & (company >= 0)
            weights = np.full(int(known.sum()), 1 / distance, np.float32)
            total += scipy.sparse.csr_matrix((weights, (words[known], company[known])), total.shape)
    return total
