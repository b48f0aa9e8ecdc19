import numpy as np
import pytest

from textlattice.text.frequency import keep_weights


def ratios(values):
    """Counts whose shares are these times 1e-5, the rest of the mass in one last word."""
    counts = np.array(values, np.float64)
    return np.append(counts, 1e5 - counts.sum())


@pytest.mark.parametrize(
    ("ratio", "weight"),
    [(0, 0.990), (10, 0.983), (50, 0.887), (90, 0.525), (150, 0.095), (200, 0.054)],
)
def test_sigmoid_as_published(ratio, weight):
    assert keep_weights(ratios([ratio]), "sigmoid")[0] == pytest.approx(weight, abs=5e-4)


def test_sigmoid_of_a_word_that_is_everywhere():
    assert keep_weights(np.array([1e6, 1.0]), "sigmoid")[0] == pytest.approx(0.05)


@pytest.mark.parametrize(("ratio", "weight"), [(0, 1), (1, 1), (4, 0.5), (100, 0.1), (10_000, 0.01)])
def test_linear(ratio, weight):
    assert keep_weights(ratios([ratio]), "linear")[0] == pytest.approx(weight)


@pytest.mark.parametrize("form", ["linear", "sigmoid"])
@pytest.mark.parametrize("counts", [np.empty(0), np.zeros(3), np.ones(1)])
def test_small_tables(form, counts):
    found = keep_weights(counts, form)
    assert found.shape == counts.shape
    assert ((found > 0) & (found <= 1)).all()
