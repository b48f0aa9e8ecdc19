"""The wide branch, fitted: one L2 logistic regression an output on NB-weighted binary n-grams."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int, UInt64
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from textlattice.config import TextConfig
from textlattice.progress import Progress
from textlattice.text.document import Document
from textlattice.text.lookup import find_rows
from textlattice.text.ngrams import ngram_keys
from textlattice.text.vocabulary import word_keys

MOST_BYTES = 16_000_000
"""Most bytes of a folder that n-grams may take, 8 for a key and 4 for each output, so that `base` stays below 40 MB."""
GRID = (0.3, 1.0, 0.1, 0.03)
"""Inverse strengths of the L2 penalty that are tried, in this order while the time budget lasts."""
_CHUNK = 512  # documents whose n-grams are made at a time


@dataclass(frozen=True, kw_only=True)
class FittedWide:
    """Numbers of the wide branch.

    Args:
        ngrams: Keys of the known n-grams, ascending.
        weight: Row of each.
        bias: Logits of a document without known n-grams.
        penalty: C that was chosen.
    """

    ngrams: UInt64[np.ndarray, " num_ngrams"]
    weight: Float[np.ndarray, "num_ngrams num_outputs"]
    bias: Float[np.ndarray, " num_outputs"]
    penalty: float

    def logits(self, documents: "KeyedDocuments") -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of documents, natural-log units."""
        return np.asarray(documents.matrix(self.ngrams) @ self.weight + self.bias)


@dataclass(frozen=True, kw_only=True)
class KeyedDocuments:
    """Keys of documents, one document after the other: of all their tokens, or of their distinct n-grams.

    Args:
        keys: 64-bit keys.
        doc_ptr: Bounds of the documents in `keys`.
    """

    keys: UInt64[np.ndarray, " num_keys"]
    doc_ptr: Int[np.ndarray, " doc_bounds"]

    def take(self, docs: Int[np.ndarray, " chosen"]) -> "KeyedDocuments":
        """The chosen documents, in the given order."""
        counts = np.diff(self.doc_ptr)[docs]
        ptr = np.concatenate([[0], np.cumsum(counts)])
        place = np.arange(ptr[-1]) - np.repeat(ptr[:-1] - self.doc_ptr[docs], counts)
        return KeyedDocuments(keys=self.keys[place], doc_ptr=ptr)

    def matrix(self, known: UInt64[np.ndarray, " num_known"]) -> scipy.sparse.csr_matrix:
        """Binary matrix [num_docs, num_known] of the known keys; each key must stand once a document."""
        rows = find_rows(self.keys, known)
        found = rows >= 0
        ptr = np.concatenate([[0], np.cumsum(found)])[self.doc_ptr].astype(np.int32)
        shape = (len(self.doc_ptr) - 1, len(known))
        return scipy.sparse.csr_matrix((np.ones(int(ptr[-1]), np.float32), rows[found], ptr), shape)


def read_keys(
    documents: Sequence[Document], config: TextConfig, progress: Progress
) -> tuple[KeyedDocuments, KeyedDocuments]:
    """The keys of all tokens, and those of the distinct n-grams of each document."""
    token_keys, ngrams, counts = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    progress.begin("reading n-grams", len(documents))
    for start in range(0, len(documents), _CHUNK):
        chunk = documents[start : start + _CHUNK]
        forms = [document.forms() for document in chunk]
        distinct = {form: row for row, form in enumerate(dict.fromkeys(f for fs in forms for f in fs))}
        keys = word_keys(list(distinct), config)[[distinct[f] for fs in forms for f in fs]]
        doc_ptr = np.concatenate([[0], np.cumsum([len(fs) for fs in forms])]).astype(np.int32)
        chunk_ngrams, doc_index = ngram_keys(keys, doc_ptr, config.ngram_order)
        token_keys.append(keys)
        ngrams.append(chunk_ngrams)
        counts.append(np.bincount(doc_index, minlength=len(chunk)))
        progress.advance(len(chunk))
    progress.end()
    token_ptr = np.cumsum([0] + [document.num_tokens for document in documents])
    return (
        KeyedDocuments(keys=np.concatenate(token_keys), doc_ptr=token_ptr),
        KeyedDocuments(keys=np.concatenate(ngrams), doc_ptr=np.cumsum(np.concatenate(counts))),
    )


def known_ngrams(documents: KeyedDocuments, num_outputs: int) -> UInt64[np.ndarray, " num_ngrams"]:
    """Ascending keys of the n-grams seen in at least two documents, the most frequent if they are too many."""
    keys, counts = np.unique(documents.keys, return_counts=True)
    keys, counts = keys[counts >= 2], counts[counts >= 2]
    most = MOST_BYTES // (8 + 4 * num_outputs)
    if len(keys) > most:
        keys = np.sort(keys[np.argsort(-counts, kind="stable")[:most]])
    return keys


def log_count_ratio(
    matrix: scipy.sparse.csr_matrix, positive: np.ndarray, weights: Float[np.ndarray, " num_docs"]
) -> Float[np.ndarray, " num_ngrams"]:
    """r = log((df_c + p_c) / (n_c + 1)) - log((df_rest + 1 - p_c) / (n_rest + 1)).

    df counts documents (by weight), p_c is the share of the class: an n-gram that does not depend on the class has
    r near 0, however rare the class is.

    Args:
        matrix: Binary, [num_docs, num_ngrams].
        positive: Whether each document has the label, bool [num_docs].
        weights: Weight of each document.

    Source: Wang and Manning 2012, section 2.2, with class shares as the prior counts.
    """
    inside, outside = weights * positive, weights * ~positive
    share = inside.sum() / weights.sum()
    df_in, df_out = matrix.T @ inside, matrix.T @ outside
    ratio = np.log((df_in + share) / (inside.sum() + 1)) - np.log((df_out + 1 - share) / (outside.sum() + 1))
    return np.asarray(ratio)


@dataclass(frozen=True, kw_only=True)
class Regressions:
    """The binary problems of the wide branch, and how they make its outputs.

    Args:
        positive: Which rows are positive in each regression.
        weights: Weight of each row in each regression.
        shares: How much of each regression an output has.
    """

    positive: Bool[np.ndarray, "num_rows num_regressions"]
    weights: Float[np.ndarray, "num_rows num_regressions"]
    shares: Float[np.ndarray, "num_regressions num_outputs"]


class WideFitter:
    """Fits the branch on one set of documents, for any penalty; what the penalties share is made once.

    Args:
        documents: N-grams of the documents to fit.
        regressions: What is told apart.
    """

    def __init__(self, documents: KeyedDocuments, regressions: Regressions) -> None:
        self.num_regressions, self.num_outputs = regressions.shares.shape
        self.ngrams = known_ngrams(documents, self.num_outputs)
        self.regressions = regressions
        self.matrix = documents.matrix(self.ngrams)

    def fit(self, penalty: float, progress: Progress) -> FittedWide:
        """The branch at one inverse strength C of the L2 penalty; tells `progress` of each regression."""
        weight = np.zeros((len(self.ngrams), self.num_outputs), np.float32)
        bias = np.zeros(self.num_outputs, np.float32)
        problems, shares = self.regressions, self.regressions.shares.astype(np.float32)
        for number in range(self.num_regressions):
            column, intercept = _regression(
                self.matrix, problems.positive[:, number], problems.weights[:, number], penalty
            )
            for output in np.flatnonzero(shares[number]):
                weight[:, output] += shares[number, output] * column
                bias[output] += shares[number, output] * np.float32(intercept)
            progress.advance()
        return FittedWide(ngrams=self.ngrams, weight=weight, bias=bias, penalty=penalty)


def _regression(
    matrix: scipy.sparse.csr_matrix, positive: np.ndarray, weights: np.ndarray, penalty: float
) -> tuple[Float[np.ndarray, " num_ngrams"], float]:
    """Weights and intercept of one output, on the scale of the binary features."""
    if matrix.shape[1] == 0 or not positive.any() or positive.all():
        share = np.clip((weights * positive).sum() / weights.sum(), 1e-3, 1 - 1e-3)
        return np.zeros(matrix.shape[1], np.float32), float(np.log(share / (1 - share)))
    ratio = log_count_ratio(matrix, positive, weights)
    scaled = matrix.copy()
    scaled.data = ratio.astype(np.float32)[scaled.indices]
    regression = LogisticRegression(
        C=penalty, solver="liblinear", dual=True, max_iter=100, tol=1e-2, random_state=0
    )
    with warnings.catch_warnings():  # a hundred rounds are enough: a slice judges what came of them
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(scaled, positive, sample_weight=weights)
    return (regression.coef_[0] * ratio).astype(np.float32), float(regression.intercept_[0])
