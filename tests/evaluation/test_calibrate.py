import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlattice.errors import TrainingError
from textlattice.evaluation.calibrate import fit_mixture, fit_temperature, log_loss


def sample(num_rows, num_classes, seed, scale=2.0):
    """Logits whose softmax truly drew the targets."""
    generator = np.random.default_rng(seed)
    logits = scale * generator.normal(size=(num_rows, num_classes))
    targets = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    return logits, targets


def test_log_loss_literal():
    logits = np.log(np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]]))
    assert log_loss(logits, np.array([0, 1, -1])) == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)
    assert np.isnan(log_loss(logits, np.array([-1, -1, -1])))


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_temperature_recovers_a_known_scale(factor):
    logits, targets = sample(20_000, 4, seed=1)
    assert fit_temperature(factor * logits, targets) == pytest.approx(factor, rel=0.05)


def test_temperature_equals_a_grid_search():
    logits, targets = sample(60, 3, seed=2)
    grid = np.geomspace(0.05, 20, 20_001)
    losses = [log_loss(logits / temperature, targets) for temperature in grid[::20]]
    assert fit_temperature(logits, targets) == pytest.approx(grid[::20][int(np.argmin(losses))], rel=0.01)


def test_mixture_equals_a_grid_search():
    logits, targets = sample(80, 3, seed=3)
    noise = np.random.default_rng(4).normal(size=logits.shape)
    wide, deep = logits + noise, logits - 0.5 * noise
    a, b = fit_mixture(wide, deep, targets)
    grid = [(x, y) for x in np.linspace(0, 3, 61) for y in np.linspace(0, 3, 61)]
    best = min(log_loss(x * wide + y * deep, targets) for x, y in grid)
    assert log_loss(a * wide + b * deep, targets) <= best + 1e-9


def test_a_harmful_part_gets_weight_zero():
    logits, targets = sample(500, 2, seed=5)
    assert fit_mixture(-logits, np.zeros_like(logits), targets)[0] == 0


def test_degenerate_rows_stay_finite_and_bounded():
    logits, targets = np.array([[3.0, -1.0]]), np.array([0])
    assert 0.05 <= fit_temperature(logits, targets) < 0.25
    assert all(0 <= weight <= 20 for weight in fit_mixture(logits, 100 * logits, targets))
    assert fit_temperature(logits, np.array([1])) == pytest.approx(20)
    assert fit_mixture(logits, logits, np.array([1])) == (0, 0)
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)) == 1
    assert fit_temperature(logits, np.array([-1])) == 1
    assert fit_temperature(np.full((3, 4), 7.0), np.array([0, 1, 2])) == 1
    assert fit_mixture(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, dtype=np.int64)) == (1, 1)


def test_unknown_labels_change_nothing():
    logits, targets = sample(50, 3, seed=7)
    more = np.concatenate([logits, np.full((5, 3), [9.0, -9.0, 0.0])])
    unknown = np.concatenate([targets, np.full(5, -1)])
    assert fit_temperature(more, unknown) == fit_temperature(logits, targets)


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(TrainingError, match=r"needs finite logits, got NaN or infinity.*learning_rate"):
        fit_temperature(np.array([[np.nan, 1.0]]), np.array([0]))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), num_rows=st.integers(1, 30), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_fits_never_lose_to_doing_nothing(seed, num_rows, scale):
    generator = np.random.default_rng(seed)
    wide, deep = (scale * generator.normal(size=(2, num_rows, 3))).astype(np.float32)
    targets = generator.integers(0, 3, num_rows)
    a, b = fit_mixture(wide, deep, targets)
    assert 0 <= a <= 20
    assert 0 <= b <= 20
    alternatives = [(1, 1), (0, 1), (1, 0), (0, 0)]
    ours = log_loss(a * wide.astype(np.float64) + b * deep.astype(np.float64), targets)
    assert ours <= min(
        log_loss(float(x) * wide + float(y) * deep, targets) for x, y in alternatives
    ) + 1e-3 * max(1, ours)
