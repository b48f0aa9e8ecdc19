"""The wide branch, fitted: one L2 logistic regression an output on NB-weighted binary n-grams."""

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int, Shaped, UInt64
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from textlattice.config import TextConfig
from textlattice.data.splits import affordable_rows
from textlattice.progress import Progress
from textlattice.text.document import Document
from textlattice.text.lookup import find_rows
from textlattice.text.ngrams import ngram_keys
from textlattice.training.keys import KeyWriter, TokenKeys, frequent_among, in_chunks

MOST_BYTES = 16_000_000
"""Most bytes of a folder that n-grams may take, 8 for a key and 4 for each output, so that `base` stays below 40 MB."""
GRID = (0.3, 1.0, 0.1, 0.03)
"""Inverse strengths of the L2 penalty that are tried, in this order while the time budget lasts."""
MOST_ONES = 14_000_000
"""Known n-grams of documents, each counted once a document, that are fitted at most: those of 28,000 reviews of 280
tokens, or of 250,000 headlines with their first lines."""


@dataclass(frozen=True, kw_only=True)
class FittedWide:
    """Numbers of the wide branch.

    Args:
        ngrams: Keys of the known n-grams, ascending.
        weight: Row of each.
        bias: Logits of a document without known n-grams.
        penalty: C that was chosen.
        num_rows: Documents that it was fitted on.
    """

    ngrams: UInt64[np.ndarray, " num_ngrams"]
    weight: Float[np.ndarray, "num_ngrams num_outputs"]
    bias: Float[np.ndarray, " num_outputs"]
    penalty: float
    num_rows: int

    @classmethod
    def absent(cls, num_outputs: int) -> "FittedWide":
        """A branch that knows nothing and says nothing."""
        return cls(
            ngrams=np.empty(0, np.uint64),
            weight=np.zeros((0, num_outputs)),
            bias=np.zeros(num_outputs),
            penalty=0.0,
            num_rows=0,
        )

    def logits(self, documents: "KeyedDocuments") -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of documents, natural-log units."""
        return documents.product(self.ngrams, self.weight) + self.bias


@dataclass(frozen=True, kw_only=True)
class KeyedDocuments:
    """Documents by the keys of their distinct n-grams, which are made from those of their tokens when asked for.

    Args:
        tokens: Keys of their tokens.
        order: Longest n-gram in tokens.
    """

    tokens: TokenKeys
    order: int

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, docs: Int[np.ndarray, " chosen"]) -> "KeyedDocuments":
        """The chosen documents, in the given order."""
        return KeyedDocuments(tokens=self.tokens.take(docs), order=self.order)

    def key_parts(self) -> Iterator[UInt64[np.ndarray, " num_ngrams"]]:
        """Keys of all documents in order, those of a document ascending; of some documents after the other."""
        return (keys for keys, _ in self._chunks())

    def num_known(self, known: UInt64[np.ndarray, " num_known"]) -> Int[np.ndarray, " num_docs"]:
        """How many of the known keys each document has."""
        return np.concatenate([np.empty(0, np.int64), *(counts for _, counts in self._known(known))])

    def matrix(self, known: UInt64[np.ndarray, " num_known"]) -> scipy.sparse.csr_matrix:
        """Binary matrix [num_docs, num_known] of the known keys, 8 bytes a one."""
        parts = [(np.empty(0, np.int32), np.empty(0, np.int64)), *self._known(known)]
        rows, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
        return _binary(rows, counts, len(known))

    def product(
        self,
        known: UInt64[np.ndarray, " num_known"],
        weight: Float[np.ndarray, "num_known num_outputs"],
    ) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Sums of the weights of the known keys that each document has."""
        parts = [_binary(rows, counts, len(known)) @ weight for rows, counts in self._known(known)]
        return np.concatenate([np.zeros_like(weight, shape=(0, weight.shape[1])), *parts])

    def _known(self, known: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of the known keys, document after document, and how many each has."""
        for keys, counts in self._chunks():
            rows = find_rows(keys, known)
            found = rows >= 0
            ends = np.concatenate([[0], np.cumsum(found)])[np.cumsum(counts)]
            yield rows[found], np.diff(ends, prepend=0)

    def _chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for token_keys, doc_ptr in self.tokens.chunks():
            keys, doc_index = ngram_keys(token_keys, doc_ptr, self.order)
            yield keys, np.bincount(doc_index, minlength=len(doc_ptr) - 1)


def _binary(rows: np.ndarray, counts: np.ndarray, num_columns: int) -> scipy.sparse.csr_matrix:
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    shape = (len(counts), num_columns)
    return scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), rows, ptr), shape)


def read_keys(
    documents: Sequence[Document], config: TextConfig, progress: Progress
) -> tuple[TokenKeys, KeyedDocuments]:
    """The keys of all tokens, and the documents by those of their n-grams."""
    writer = KeyWriter(config)
    progress.begin("reading n-grams", len(documents))
    for chunk in in_chunks(documents):
        writer.add(chunk)
        progress.advance(len(chunk))
    progress.end()
    tokens = writer.keys()
    return tokens, KeyedDocuments(tokens=tokens, order=config.ngram_order)


def known_ngrams(documents: KeyedDocuments, num_outputs: int) -> UInt64[np.ndarray, " num_ngrams"]:
    """Ascending keys of the n-grams seen in at least two documents, the most frequent if they are too many."""
    return frequent_among(documents.key_parts(), most=MOST_BYTES // (8 + 4 * num_outputs))


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
    """The binary problems of the wide branch, each made when it is asked for, and how they make its outputs.

    Args:
        targets: Of each row.
        weights: Weight of each row, or of each row in each regression.
        shares: How much of each regression an output has.
        is_positive: Which of the targets are positive in the regression of a number.
    """

    targets: Shaped[np.ndarray, " num_rows *labels"]
    weights: Float[np.ndarray, " num_rows *regressions"]
    shares: scipy.sparse.csr_matrix  # [num_regressions, num_outputs]
    is_positive: Callable[[np.ndarray, int], Bool[np.ndarray, " num_rows"]]

    def problem(self, number: int) -> tuple[Bool[np.ndarray, " num_rows"], Float[np.ndarray, " num_rows"]]:
        """Which rows are positive in one regression, and their weights."""
        weights = self.weights if self.weights.ndim == 1 else self.weights[:, number]
        return self.is_positive(self.targets, number), weights

    def outputs(self, number: int) -> list[tuple[int, np.float32]]:
        """The outputs that a regression is a part of, and how much of it each has."""
        row = self.shares[number]
        return list(zip(row.indices.tolist(), row.data.astype(np.float32), strict=True))

    def take(self, rows: Int[np.ndarray, " chosen"]) -> "Regressions":
        """The same problems on the chosen rows."""
        return dataclasses.replace(self, targets=self.targets[rows], weights=self.weights[rows])


class WideFitter:
    """Fits the branch on one set of documents, for any penalty; what the penalties share is made once.

    Of documents that hold more than `MOST_ONES` known n-grams in all, a share is fitted, drawn alike from every
    stratum; which n-grams are known is counted in all of them. Fitting takes some 32 bytes of memory for each known
    n-gram of a document.

    Args:
        documents: The documents to fit.
        regressions: What is distinguished.
        strata: Of each document; None for one of all.
        seed: Which documents, where not all are fitted.
    """

    def __init__(
        self,
        documents: KeyedDocuments,
        regressions: Regressions,
        *,
        strata: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.num_regressions, self.num_outputs = regressions.shares.shape
        self.ngrams = known_ngrams(documents, self.num_outputs)
        if documents.tokens.num_tokens * documents.order > MOST_ONES:
            ones = documents.num_known(self.ngrams)
            rows = affordable_rows(ones, MOST_ONES, strata or [""] * len(documents), seed=seed)
            documents, regressions = documents.take(rows), regressions.take(rows)
        self.regressions = regressions
        self.matrix = documents.matrix(self.ngrams)

    @property
    def num_rows(self) -> int:
        """Documents that are fitted."""
        return int(self.matrix.shape[0])

    def fit(self, penalty: float, progress: Progress) -> FittedWide:
        """The branch at one inverse strength C of the L2 penalty; tells `progress` of each regression."""
        weight = np.zeros((len(self.ngrams), self.num_outputs), np.float32)
        bias = np.zeros(self.num_outputs, np.float32)
        for number in range(self.num_regressions):
            positive, weights = self.regressions.problem(number)
            column, intercept = _regression(self.matrix, positive, weights, penalty)
            for output, share in self.regressions.outputs(number):
                weight[:, output] += share * column
                bias[output] += share * np.float32(intercept)
            progress.advance()
        return FittedWide(
            ngrams=self.ngrams, weight=weight, bias=bias, penalty=penalty, num_rows=self.num_rows
        )


def _regression(
    matrix: scipy.sparse.csr_matrix, positive: np.ndarray, weights: np.ndarray, penalty: float
) -> tuple[Float[np.ndarray, " num_ngrams"], float]:
    """Weights and intercept of one output, on the scale of the binary features."""
    if matrix.shape[1] == 0 or not positive.any() or positive.all():
        share = np.clip((weights * positive).sum() / weights.sum(), 1e-3, 1 - 1e-3)
        return np.zeros(matrix.shape[1], np.float32), float(np.log(share / (1 - share)))
    ratio = log_count_ratio(matrix, positive, weights)
    values = ratio.astype(np.float32).astype(np.float64)[
        matrix.indices
    ]  # what liblinear makes of them anyway
    scaled = scipy.sparse.csr_matrix((values, matrix.indices, matrix.indptr), matrix.shape)
    regression = LogisticRegression(
        C=penalty, solver="liblinear", dual=True, max_iter=100, tol=1e-2, random_state=0
    )
    with warnings.catch_warnings():  # a hundred rounds are enough: a slice judges what came of them
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(scaled, positive, sample_weight=weights)
    return (regression.coef_[0] * ratio).astype(np.float32), float(regression.intercept_[0])
