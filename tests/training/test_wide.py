import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from textlattice.data.spool import Spool
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.task import Task
from textlattice.text.document import read_document
from textlattice.text.vocabulary import word_keys
from textlattice.training import keys, wide
from textlattice.training.keys import TokenKeys
from textlattice.training.objectives import SingleObjective
from textlattice.training.wide import (
    FittedWide,
    KeyedDocuments,
    Regressions,
    WideFitter,
    known_ngrams,
    log_count_ratio,
    read_keys,
)

TEXT = preset("tiny").text


def documents(*rows):
    """Documents whose n-grams are given as lists of small numbers."""
    spool, counts = Spool(), np.array([len(row) for row in rows], np.int64)
    spool.append(np.array([key for row in rows for key in row], np.uint64).tobytes())
    return KeyedDocuments(
        tokens=TokenKeys(spool=spool, starts=np.cumsum(counts) - counts, counts=counts), order=1
    )


def read(*texts):
    return read_keys([read_document(text, TEXT) for text in texts], TEXT, Progress())[1]


# Features.


def test_ngrams_of_documents(monkeypatch):
    texts = ["a b a b", "", "b", "A b"]
    (whole,) = read(*texts).key_parts()
    assert len(whole) == 6 + 0 + 1 + 3  # a, b, ab, ba, aba, bab; b; a, b, ab
    documents, known = read(*texts), np.unique(whole)
    assert documents.num_known(known).tolist() == [6, 0, 1, 3]
    monkeypatch.setattr(keys, "_MOST_DOCUMENTS", 2)
    parts = [*read(*texts).key_parts()]
    assert len(parts) == 2
    assert np.array_equal(np.concatenate(parts), whole)
    assert (documents.matrix(known) != read(*texts).matrix(known)).nnz == 0


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_ngrams(texts):
    found, known = read(*texts), np.array([3], np.uint64)
    assert sum(map(len, found.key_parts())) == 0
    assert found.num_known(known).tolist() == [0] * len(texts)
    assert found.matrix(known).shape == (len(texts), 1)
    assert found.product(known, np.ones((1, 2), np.float32)).shape == (len(texts), 2)
    assert known_ngrams(found, 2).tolist() == []


def test_matrix_and_take():
    rows = documents([5, 7], [], [7, 9, 11])
    known = np.array([7, 9, 10], np.uint64)
    assert rows.matrix(known).toarray().tolist() == [[1, 0, 0], [0, 0, 0], [1, 1, 0]]
    chosen = rows.take(np.array([2, 0, 2]))
    assert chosen.matrix(known).toarray().tolist() == [[1, 1, 0], [1, 0, 0], [1, 1, 0]]
    assert rows.take(np.array([], np.int64)).matrix(known).shape == (0, 3)


def test_known_ngrams_stand_in_two_documents(monkeypatch):
    rows = documents([1, 2, 3], [2, 3, 4], [3, 4, 5])
    assert known_ngrams(rows, 2).tolist() == [2, 3, 4]
    monkeypatch.setattr(wide, "MOST_BYTES", 32)
    assert known_ngrams(rows, 2).tolist() == [
        2,
        3,
    ]  # 16 bytes each; 3 stands in most documents, then the smaller key
    assert known_ngrams(rows, 4).tolist() == [3]


def test_log_count_ratio():
    matrix = scipy.sparse.csr_matrix([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 1.0], [1, 0, 0, 1]])
    positive, weights = np.array([True, True, False, False]), np.ones(4)
    found = log_count_ratio(matrix, positive, weights)
    expected = [np.log(2.5 / 2.5), np.log(2.5 / 0.5), 0, np.log(0.5 / 2.5)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_neutral_word_of_a_rare_class_gets_nothing():
    matrix = scipy.sparse.csr_matrix(np.ones((1_000, 1)))
    positive = np.arange(1_000) < 10
    assert abs(log_count_ratio(matrix, positive, np.ones(1_000))[0]) < 0.1


def test_log_count_ratio_counts_by_weight():
    matrix = scipy.sparse.csr_matrix([[1.0], [0], [1]])
    positive = np.array([True, False, False])
    doubled = log_count_ratio(
        scipy.sparse.vstack([matrix, matrix[2:]]).tocsr(), np.r_[positive, False], np.ones(4)
    )
    weighted = log_count_ratio(matrix, positive, np.array([1.0, 1, 2]))
    np.testing.assert_allclose(weighted, doubled)


# The regression.


def dense_regression(matrix, positive, weights, penalty):
    """Weights and intercept that minimise |w|^2 / 2 + b^2 / 2 + C sum_i s_i log(1 + exp(-y_i z_i))."""
    share = (weights * positive).sum() / weights.sum()
    inside, outside = weights[positive].sum(), weights[~positive].sum()
    ratio = np.log((matrix[positive].T @ weights[positive] + share) / (inside + 1)) - np.log(
        (matrix[~positive].T @ weights[~positive] + 1 - share) / (outside + 1)
    )
    features, signs = np.c_[matrix * ratio, np.ones(len(matrix))], np.where(positive, 1, -1)

    def loss(w):
        return w @ w / 2 + penalty * (weights * np.logaddexp(0, -signs * (features @ w))).sum()

    w = minimize(loss, np.zeros(features.shape[1]), method="BFGS", tol=1e-9).x
    return w[:-1] * ratio, w[-1]


def against_the_rest(targets, weights, num_labels):
    task = Task(labels=tuple("abcd"[:num_labels]), priors=(1 / num_labels,) * num_labels)
    return SingleObjective(task).regressions(targets, weights)


@pytest.fixture
def rows():
    draw = np.random.default_rng(0)
    return documents(*[draw.choice(6, draw.integers(1, 5), replace=False) for _ in range(40)])


@pytest.mark.parametrize("penalty", [0.03, 1.0])
@pytest.mark.parametrize("num_outputs", [2, 3])
def test_fit_equals_a_dense_computation(rows, num_outputs, penalty):
    draw = np.random.default_rng(1)
    targets, weights = draw.integers(0, num_outputs, 40), draw.uniform(0.5, 2, 40)
    fitter = WideFitter(rows, against_the_rest(targets, weights, num_outputs))
    assert fitter.num_regressions == (1 if num_outputs == 2 else 3)
    fitted = fitter.fit(penalty, Progress())
    matrix = rows.matrix(fitted.ngrams).toarray().astype(np.float64)
    logits = fitted.logits(rows)
    np.testing.assert_allclose(logits, matrix @ fitted.weight + fitted.bias, rtol=1e-5, atol=1e-6)
    for output in range(num_outputs):
        column, intercept = dense_regression(matrix, targets == output, weights, penalty)
        if num_outputs == 2:
            column, intercept = column / 2, intercept / 2
        np.testing.assert_allclose(fitted.weight[:, output], column, atol=5e-3)
        np.testing.assert_allclose(fitted.bias[output], intercept, atol=5e-3)


def test_the_same_rows_give_the_same_bits_whatever_the_global_generator(rows):
    targets = np.arange(40) % 2
    fitted = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        fitted.append(WideFitter(rows, against_the_rest(targets, np.ones(40), 2)).fit(0.3, Progress()).weight)
    assert np.array_equal(*fitted)


def test_a_class_without_rows_gets_a_low_constant(rows):
    fitted = WideFitter(rows, against_the_rest(np.zeros(40, np.int64), np.ones(40), 3)).fit(0.1, Progress())
    assert (fitted.weight == 0).all()
    np.testing.assert_allclose(fitted.bias, [np.log(999), -np.log(999), -np.log(999)], rtol=1e-5)


def test_a_share_of_every_stratum_is_fitted_where_all_would_take_too_much(rows, monkeypatch):
    targets = np.arange(40) % 4 // 3  # thirty of one class, ten of the other
    problems = against_the_rest(targets, np.ones(40), 2)
    whole = WideFitter(rows, problems, strata=[str(target) for target in targets])
    assert whole.num_rows == 40
    monkeypatch.setattr(wide, "MOST_ONES", whole.matrix.nnz // 2)
    fitters = [WideFitter(rows, problems, strata=[str(t) for t in targets], seed=seed) for seed in (0, 0, 1)]
    first, again, other = (fitter.fit(0.3, Progress()) for fitter in fitters)
    assert fitters[0].matrix.nnz <= whole.matrix.nnz // 2
    assert 14 <= first.num_rows <= 21
    share = fitters[0].regressions.problem(0)[0].mean()
    assert min(share, 1 - share) == pytest.approx(0.25, abs=0.05)
    assert np.array_equal(first.ngrams, whole.ngrams)  # known are those of all documents
    assert np.array_equal(first.weight, again.weight)
    assert not np.array_equal(first.weight, other.weight)


def test_exactly_as_much_as_is_allowed_is_fitted_whole(rows, monkeypatch):
    problems = against_the_rest(np.arange(40) % 2, np.ones(40), 2)
    whole = WideFitter(rows, problems)
    monkeypatch.setattr(wide, "MOST_ONES", whole.matrix.nnz)
    assert WideFitter(rows, problems).num_rows == 40


def test_without_known_ngrams_the_shares_are_left():
    once = documents([1], [2], [3], [4])  # each n-gram stands in one document only
    fitted = WideFitter(once, against_the_rest(np.array([0, 0, 0, 1]), np.ones(4), 2)).fit(0.1, Progress())
    assert fitted.weight.shape == (0, 2)
    probabilities = np.exp(fitted.logits(once)) / np.exp(fitted.logits(once)).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, [[0.75, 0.25]] * 4, rtol=1e-5)


def test_logits_leave_unknown_ngrams_out():
    fitted = FittedWide(
        ngrams=word_keys(["good"], TEXT),
        weight=np.array([[-1.0, 1.0]]),
        bias=np.array([0.5, 0.25]),
        penalty=1.0,
        num_rows=3,
    )
    expected = [[-0.5, 1.25], [0.5, 0.25], [0.5, 0.25]]
    np.testing.assert_allclose(fitted.logits(read("good good day", "", "bad")), expected)


def test_progress_hears_of_each_regression(rows):
    class Counting(Progress):
        count = 0

        def advance(self, steps=1, **figures):
            self.count += steps

    progress = Counting()
    WideFitter(rows, against_the_rest(np.arange(40) % 3, np.ones(40), 3)).fit(0.1, progress)
    assert progress.count == 3


def test_an_output_may_be_the_mean_of_regressions(rows):
    draw = np.random.default_rng(2)
    targets = draw.integers(0, 3, 40)
    weights = np.stack([np.ones(40), draw.uniform(0.5, 2, 40)], axis=1)
    positive = targets[:, None] > np.arange(2)
    regressions = Regressions(
        targets=targets,
        weights=weights,
        shares=csr_matrix(np.full((2, 1), 0.5)),
        is_positive=np.greater,
    )
    both = WideFitter(rows, regressions).fit(0.3, Progress())
    matrix = rows.matrix(both.ngrams).toarray().astype(np.float64)
    each = [dense_regression(matrix, positive[:, k], weights[:, k], 0.3) for k in range(2)]
    np.testing.assert_allclose(both.weight[:, 0], (each[0][0] + each[1][0]) / 2, atol=5e-3)
    np.testing.assert_allclose(both.bias, [(each[0][1] + each[1][1]) / 2], atol=5e-3)
