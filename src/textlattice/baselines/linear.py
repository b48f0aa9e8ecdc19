"""Baselines as a user would write them with scikit-learn: majority, TF-IDF and a linear model, NB-weighted n-grams.

They share no code with the model they are compared with.
"""

import copy
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from textlattice.errors import DataError, MissingExtraError
from textlattice.evaluation.calibrate import fit_temperature, log_loss
from textlattice.task import TaskKind

try:
    from scipy.sparse import csr_matrix
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import LinearSVC
except ImportError as error:
    raise MissingExtraError("textlattice.baselines", "train") from error


class LinearBaseline:
    """A vectoriser and one linear model on its features; `fit` first.

    A sub-class says how to vectorise (`_vectoriser`) and how to fit and score a matrix.
    """

    grid: ClassVar[tuple[float, ...]] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    fewest_labels: ClassVar[int] = 2
    labels: list[str]

    def fit(self, texts: Sequence[str], labels: Sequence[str], *, C: float) -> "LinearBaseline":
        """This baseline, trained.

        Args:
            texts: Documents; an empty one has no features.
            labels: One label a document.
            C: Inverse strength of the L2 penalty, as in scikit-learn.

        Raises:
            DataError: No rows, one class only, or not a single word in all texts.
        """
        features, targets = self._begin(texts, labels)
        self._fit_features(features, targets, C)
        return self

    def scores(self, texts: Sequence[str]) -> Float[np.ndarray, "num_docs num_classes"]:
        """Scores in the order of `labels`; the largest is the answer.

        Their softmax is the model's probabilities, but for `tfidf_svm`, whose scores are margins.
        """
        return self._score_features(self._transform(texts))

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The label of each document."""
        return [self.labels[index] for index in self.scores(texts).argmax(axis=1)] if len(texts) else []

    @property
    def num_parameters(self) -> int:
        """Stored numbers: weights, intercepts, and inverse document frequencies where there are some."""
        raise NotImplementedError

    def _vectoriser(self, min_df: int) -> Any:
        raise NotImplementedError

    def _fit_features(self, features: csr_matrix, targets: np.ndarray, C: float) -> None:
        raise NotImplementedError

    def _score_features(self, features: csr_matrix) -> np.ndarray:
        raise NotImplementedError

    def _begin(self, texts: Sequence[str], labels: Sequence[str]) -> tuple[csr_matrix, np.ndarray]:
        self.labels, targets = _index_labels(texts, labels)
        if len(self.labels) < self.fewest_labels:
            raise DataError(f"a baseline: expected at least two classes, got only {self.labels[0]!r}.")
        return self._vectorise(texts), targets

    def _vectorise(self, texts: Sequence[str]) -> csr_matrix:
        for min_df in (2, 1):  # a handful of texts may not share a word
            self.vectoriser = self._vectoriser(min_df)
            try:
                return self.vectoriser.fit_transform(texts)
            except ValueError:
                continue
        raise DataError(f"a baseline: expected words in the texts, found none in {len(texts)} rows.")

    def _transform(self, texts: Sequence[str]) -> csr_matrix:
        return self.vectoriser.transform(texts)


class Majority(LinearBaseline):
    """Log shares of the classes, whatever the text says."""

    grid = (1.0,)
    fewest_labels = 1

    @property
    def num_parameters(self) -> int:
        """One share a class."""
        return len(self.labels)

    def _vectorise(self, texts: Sequence[str]) -> csr_matrix:
        return self._transform(texts)

    def _transform(self, texts: Sequence[str]) -> csr_matrix:
        return csr_matrix((len(texts), 0))

    def _fit_features(self, features: csr_matrix, targets: np.ndarray, C: float) -> None:
        self.log_shares = np.log(np.bincount(targets) / len(targets))

    def _score_features(self, features: csr_matrix) -> np.ndarray:
        return np.tile(self.log_shares, (features.shape[0], 1))


class TfidfLogistic(LinearBaseline):
    """Sublinear TF-IDF of 1-2-grams and multinomial logistic regression."""

    grid = (*LinearBaseline.grid, 30.0)

    @property
    def num_parameters(self) -> int:
        """Weights, intercepts and inverse document frequencies."""
        return self.model.coef_.size + self.model.intercept_.size + self.vectoriser.idf_.size

    def _vectoriser(self, min_df: int) -> TfidfVectorizer:
        return TfidfVectorizer(ngram_range=(1, 2), min_df=min_df, sublinear_tf=True, dtype=np.float32)

    def _fit_features(self, features: csr_matrix, targets: np.ndarray, C: float) -> None:
        self.model = LogisticRegression(C=C, max_iter=1000).fit(features, targets)

    def _score_features(self, features: csr_matrix) -> np.ndarray:
        return _one_column_a_class(self.model.decision_function(features))


class TfidfSvm(TfidfLogistic):
    """Sublinear TF-IDF of 1-2-grams and a linear support vector machine."""

    grid = LinearBaseline.grid

    def _fit_features(self, features: csr_matrix, targets: np.ndarray, C: float) -> None:
        self.model = LinearSVC(C=C, max_iter=5000, random_state=0).fit(features, targets)


class CharacterSvm(TfidfSvm):
    """Sublinear TF-IDF of 1-4-grams of characters and a linear support vector machine."""

    def _vectoriser(self, min_df: int) -> TfidfVectorizer:
        return TfidfVectorizer(
            analyzer="char", ngram_range=(1, 4), min_df=min_df, sublinear_tf=True, dtype=np.float32
        )


class TfidfRidge(TfidfLogistic):
    """Sublinear TF-IDF of 1-2-grams and a ridge regression of the place of the class; the nearest class is the answer.

    Classes are in the order of their names.
    """

    def _fit_features(self, features: csr_matrix, targets: np.ndarray, C: float) -> None:
        self.model = Ridge(alpha=1 / C, random_state=0).fit(features, targets.astype(np.float32))

    @property
    def num_parameters(self) -> int:
        """Weights, the intercept and inverse document frequencies."""
        return self.model.coef_.size + 1 + self.vectoriser.idf_.size

    def _score_features(self, features: csr_matrix) -> np.ndarray:
        places = self.model.predict(features).astype(np.float64)
        return -((places[:, None] - np.arange(len(self.labels))) ** 2)


class NgramLogistic(LinearBaseline):
    """Binary 1-3-grams times their log-count ratio; one logistic regression a class, one alone for two.

    Source: Wang and Manning 2012, with logistic regression; smoothing by class share is ours.
    """

    @property
    def num_parameters(self) -> int:
        """Weights, with the ratios multiplied in, and intercepts."""
        return self.weights.size + self.intercepts.size

    def _vectoriser(self, min_df: int) -> CountVectorizer:
        return CountVectorizer(
            ngram_range=(1, 3), token_pattern=r"[\w']+|[^\w\s]", min_df=min_df, binary=True, dtype=np.float32
        )

    def _fit_features(self, features: csr_matrix, targets: np.ndarray, C: float) -> None:
        classes = range(len(self.labels)) if len(self.labels) > 2 else [1]
        self.weights = np.empty((len(classes), features.shape[1]))
        self.intercepts = np.empty(len(classes))
        for row, index in enumerate(classes):
            ratios = log_count_ratios(features, targets == index)
            weighted = csr_matrix(
                (ratios[features.indices], features.indices, features.indptr), shape=features.shape
            )
            model = LogisticRegression(
                C=C, solver="liblinear", dual=True, tol=1e-2, max_iter=100, random_state=0
            )
            with warnings.catch_warnings():
                # At large C the dual creeps on for a thousand rounds; the answers stand after a hundred.
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(weighted, targets == index)
            self.weights[row] = model.coef_[0] * ratios
            self.intercepts[row] = model.intercept_[0]

    def _score_features(self, features: csr_matrix) -> np.ndarray:
        decisions = features @ self.weights.T + self.intercepts
        if len(self.labels) == 2:
            return _one_column_a_class(decisions[:, 0])
        return -np.logaddexp(0, -decisions)  # log of the sigmoid: their softmax divides by the sum


def log_count_ratios(
    features: csr_matrix, positive: Bool[np.ndarray, " num_docs"]
) -> Float[np.ndarray, " num_features"]:
    """How much likelier each feature is in the positive documents, as a logarithm.

    r = log((df + p) / (n + 1)) - log((df_rest + 1 - p) / (n_rest + 1)), where df counts the class's documents
    with the feature, n all of its documents, and p is their share; a feature spread evenly gets about 0.
    """
    num_docs = features.shape[0]
    num_positive = int(positive.sum())
    share = num_positive / num_docs
    frequency = np.asarray(features.sum(axis=0), dtype=np.float64).ravel()
    inside = np.asarray(features[positive].sum(axis=0), dtype=np.float64).ravel()
    return np.log((inside + share) / (num_positive + 1)) - np.log(
        (frequency - inside + 1 - share) / (num_docs - num_positive + 1)
    )


BASELINES: dict[str, type[LinearBaseline]] = {
    "majority": Majority,
    "tfidf_lr": TfidfLogistic,
    "tfidf_svm": TfidfSvm,
    "nb_ngrams": NgramLogistic,
    "char_svm": CharacterSvm,
    "tfidf_ridge": TfidfRidge,
}
_FEWEST_SPACES = 0.05  # of the characters, in a script that parts its words


def fitting_baselines(kind: TaskKind, texts: Sequence[str]) -> tuple[str, ...]:
    """Names of the baselines to compare with: the four of words, and those that the task or the script asks for.

    `char_svm` joins where hardly a character in twenty is a space, as in Chinese, whose words those of words do not
    see; `tfidf_ridge` where the labels have an order.

    Args:
        kind: Of the task.
        texts: Training texts; the first thousand are looked at.
    """
    sample = "".join(texts[:1000])
    unspaced = sum(map(str.isspace, sample)) < _FEWEST_SPACES * len(sample)
    return (
        *("majority", "tfidf_lr", "tfidf_svm", "nb_ngrams"),
        *(("char_svm",) if unspaced else ()),
        *(("tfidf_ridge",) if kind == "ordinal" else ()),
    )


ModelT = TypeVar("ModelT")


@dataclass(frozen=True, kw_only=True)
class TunedBaseline(Generic[ModelT]):
    """A baseline with the C chosen on a selection slice, trained on two sets of rows.

    Args:
        name: Key of `BASELINES`.
        C: The chosen value.
        table: Each C to its figures on the selection slice: `log_loss`, and `accuracy` of single labels.
        on_fit_rows: Trained on the rows the choice was made with.
        on_all_rows: Trained with the same C on every row given.
        tune_seconds: Wall time of the choice, vectorising included.
        fit_seconds: Wall time of one training on all rows, vectorising included.
    """

    name: str
    C: float
    table: dict[float, dict[str, float | None]]
    on_fit_rows: ModelT
    on_all_rows: ModelT
    tune_seconds: float
    fit_seconds: float


def tune(
    name: str,
    fit_texts: Sequence[str],
    fit_labels: Sequence[str],
    selection_texts: Sequence[str],
    selection_labels: Sequence[str],
) -> tuple[float, dict[float, dict[str, float | None]]]:
    """The C of the least log loss on the selection slice, and `accuracy` and `log_loss` of every C.

    The log loss is taken after one temperature, so that margins and log-odds are judged alike; accuracy over a slice of
    some hundred rows is mostly noise and only tells equal losses apart. A selection label without a fit row is an error
    in accuracy and left out of the log loss (None where nothing is left). Texts are vectorised once.

    Raises:
        DataError: An unknown name, an empty slice, or what `LinearBaseline.fit` refuses.
    """
    best, table, _ = _tune(name, fit_texts, fit_labels, selection_texts, selection_labels)
    return best, table


def train_baseline(
    name: str,
    fit_texts: Sequence[str],
    fit_labels: Sequence[str],
    selection_texts: Sequence[str],
    selection_labels: Sequence[str],
    *,
    more_texts: Sequence[str] = (),
    more_labels: Sequence[str] = (),
) -> TunedBaseline[LinearBaseline]:
    """The named baseline, its C chosen as in `tune`, trained on the fit rows and on all rows.

    Args:
        name: Key of `BASELINES`.
        fit_texts: Rows to fit while C is chosen.
        fit_labels: Their labels.
        selection_texts: Rows that choose C.
        selection_labels: Their labels.
        more_texts: Further training rows (a calibration slice) that only the last training sees.
        more_labels: Their labels.
    """
    start = time.perf_counter()
    best, table, on_fit_rows = _tune(name, fit_texts, fit_labels, selection_texts, selection_labels)
    tuned = time.perf_counter()
    on_all_rows = BASELINES[name]().fit(
        [*fit_texts, *selection_texts, *more_texts], [*fit_labels, *selection_labels, *more_labels], C=best
    )
    return TunedBaseline(
        name=name,
        C=best,
        table=table,
        on_fit_rows=on_fit_rows,
        on_all_rows=on_all_rows,
        tune_seconds=tuned - start,
        fit_seconds=time.perf_counter() - tuned,
    )


def _tune(
    name: str,
    fit_texts: Sequence[str],
    fit_labels: Sequence[str],
    selection_texts: Sequence[str],
    selection_labels: Sequence[str],
) -> tuple[float, dict[float, dict[str, float | None]], LinearBaseline]:
    if name not in BASELINES:
        raise DataError(f"a baseline: expected one of {', '.join(BASELINES)}, got {name!r}.")
    if len(selection_texts) == 0 or len(selection_texts) != len(selection_labels):
        raise DataError(
            f"a baseline: expected one label a selection text and at least one row, got "
            f"{len(selection_texts)} texts and {len(selection_labels)} labels."
        )
    baseline = BASELINES[name]()
    features, targets = baseline._begin(fit_texts, fit_labels)
    selection_features = baseline._transform(selection_texts)
    rows = {label: row for row, label in enumerate(baseline.labels)}
    expected = np.array([rows.get(label, -1) for label in selection_labels], dtype=np.int64)

    table: dict[float, dict[str, float | None]] = {}
    best, best_rank, best_baseline = baseline.grid[0], (-np.inf, -1.0), baseline
    for C in baseline.grid:
        baseline._fit_features(features, targets, C)
        scores = baseline._score_features(selection_features)
        accuracy = float((scores.argmax(axis=1) == expected).mean())
        known = (expected >= 0).any()
        loss = log_loss(scores / fit_temperature(scores, expected), expected) if known else None
        table[C] = {"accuracy": accuracy, "log_loss": loss}
        rank = (-loss if loss is not None else 0.0, accuracy)
        if rank > best_rank:
            best, best_rank, best_baseline = C, rank, copy.copy(baseline)  # fitting again makes new arrays
    return best, table, best_baseline


def _index_labels(texts: Sequence[str], labels: Sequence[str]) -> tuple[list[str], np.ndarray]:
    if len(texts) != len(labels) or len(texts) == 0:
        raise DataError(
            f"a baseline: expected one label a text and at least one row, got {len(texts)} texts and "
            f"{len(labels)} labels."
        )
    names = sorted(set(labels))
    rows = {name: row for row, name in enumerate(names)}
    return names, np.array([rows[label] for label in labels], dtype=np.int64)


def _one_column_a_class(decisions: np.ndarray) -> np.ndarray:
    """Two classes come as one column, the second one's lead."""
    return decisions if decisions.ndim == 2 else np.stack([np.zeros_like(decisions), decisions], axis=1)
