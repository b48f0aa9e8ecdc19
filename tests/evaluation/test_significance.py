import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from textlattice.errors import DataError
from textlattice.evaluation import significance
from textlattice.evaluation.significance import mcnemar, paired_bootstrap, paired_bootstrap_of


def pair(only_a, only_b, both, neither=0):
    a = [True] * only_a + [False] * only_b + [True] * both + [False] * neither
    b = [False] * only_a + [True] * only_b + [True] * both + [False] * neither
    return np.array(a, dtype=bool), np.array(b, dtype=bool)


def test_paired_bootstrap_equals_drawing_rows():
    a, b = pair(30, 12, 150, 8)
    interval = paired_bootstrap(a, b)
    generator = np.random.default_rng(1)
    drawn = [100 * (a[i].mean() - b[i].mean()) for i in generator.integers(0, 200, size=(4000, 200))]
    assert interval.difference == pytest.approx(9.0)
    assert [interval.low, interval.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.6)
    assert interval == paired_bootstrap(a, b)


def test_paired_bootstrap_of_equal_classifiers_and_of_one_row():
    same = paired_bootstrap(*pair(0, 0, 5))
    assert (same.difference, same.low, same.high) == (0, 0, 0)
    one = paired_bootstrap(*pair(1, 0, 0))
    assert (one.difference, one.low, one.high) == (100, 100, 100)


@given(only_a=st.integers(0, 60), only_b=st.integers(0, 60))
def test_mcnemar_equals_the_binomial_test(only_a, only_b):
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1
    assert mcnemar(*pair(only_a, only_b, 3)) == pytest.approx(expected)


def test_mcnemar_approximation_continues_the_exact_test(monkeypatch):
    correct = pair(540, 460, 0)
    exact = mcnemar(*correct)
    monkeypatch.setattr(significance, "_EXACT_ROWS", 0)
    assert mcnemar(*correct) == pytest.approx(exact, abs=1e-3)
    assert mcnemar(*pair(20_000, 20_000, 1)) == 1


@pytest.mark.parametrize("test", [mcnemar, paired_bootstrap])
def test_no_rows_are_refused(test):
    empty = np.zeros(0, dtype=bool)
    with pytest.raises(DataError, match="expected the same rows for both, at least one, got 0 and 0"):
        test(empty, empty)


def test_paired_bootstrap_of_a_score_equals_that_of_accuracies():
    a, b = pair(30, 12, 150, 8)

    def accuracy(correct):
        return lambda drawn: drawn @ correct / drawn.sum(axis=1)

    found, expected = paired_bootstrap_of(accuracy(a), accuracy(b), 200), paired_bootstrap(a, b)
    assert found.difference == pytest.approx(expected.difference)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.8)


def test_paired_bootstrap_of_a_score_needs_rows():
    with pytest.raises(DataError, match="expected at least one row, got none"):
        paired_bootstrap_of(lambda drawn: drawn[:, 0], lambda drawn: drawn[:, 0], 0)
