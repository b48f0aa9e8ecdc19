import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlattice.errors import TrainingError
from textlattice.evaluation.calibrate import (
    Mixture,
    fit_mixture,
    fit_temperature,
    fit_thresholds,
    log_loss,
)


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
    mixture = fit_mixture(wide, deep, targets)
    a, b = mixture.a, mixture.b
    grid = [(x, y) for x in np.linspace(0, 3, 61) for y in np.linspace(0, 3, 61)]
    best = min(log_loss(x * wide + y * deep, targets) for x, y in grid)
    assert log_loss(a * wide + b * deep, targets) <= best + 1e-9


def test_a_harmful_part_gets_weight_zero():
    logits, targets = sample(500, 2, seed=5)
    assert fit_mixture(-logits, np.zeros_like(logits), targets).a == 0


def test_degenerate_rows_stay_finite_and_bounded():
    logits, targets = np.array([[3.0, -1.0]]), np.array([0])
    assert 0.05 <= fit_temperature(logits, targets) < 0.25
    mixture = fit_mixture(logits, 100 * logits, targets)
    assert 0 <= mixture.a <= 20
    assert 0 <= mixture.b <= 20
    assert fit_temperature(logits, np.array([1])) == pytest.approx(20)
    assert fit_mixture(logits, logits, np.array([1])) == Mixture(a=0.0, b=0.0)
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)) == 1
    assert fit_temperature(logits, np.array([-1])) == 1
    assert fit_temperature(np.full((3, 4), 7.0), np.array([0, 1, 2])) == 1
    none = np.zeros(0, dtype=np.int64)
    assert fit_mixture(np.zeros((0, 2)), np.zeros((0, 2)), none) == Mixture(a=1.0, b=1.0)


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
    mixture = fit_mixture(wide, deep, targets)
    a, b = mixture.a, mixture.b
    assert 0 <= a <= 20
    assert 0 <= b <= 20
    alternatives = [(1, 1), (0, 1), (1, 0), (0, 0)]
    ours = log_loss(a * wide.astype(np.float64) + b * deep.astype(np.float64), targets)
    assert ours <= min(
        log_loss(float(x) * wide + float(y) * deep, targets) for x, y in alternatives
    ) + 1e-3 * max(1, ours)


# Weights, and tasks of other kinds.


def binary_sample(num_rows, num_labels, seed):
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(num_rows, num_labels))
    return logits, generator.random(logits.shape) < 1 / (1 + np.exp(-logits))


CUTS = (-2.0, 0.5, 1.0)


def ordinal_sample(num_rows, seed):
    generator = np.random.default_rng(seed)
    scores = 2 * generator.normal(size=(num_rows, 1))
    return scores, np.searchsorted(CUTS, (scores + generator.logistic(size=scores.shape))[:, 0])


SAMPLES = {
    "single": lambda num_rows, seed: sample(num_rows, 3, seed),
    "multi": lambda num_rows, seed: binary_sample(num_rows, 3, seed),
    "ordinal": ordinal_sample,
}


def cuts_of(kind):
    return CUTS if kind == "ordinal" else ()


def test_log_loss_of_labels_and_of_an_order():
    logits = np.log([[3.0, 1 / 4], [1.0, 4.0]])  # probabilities 3/4, 1/5; 1/2, 4/5
    expected = -np.log([3 / 4, 4 / 5, 1 / 2, 1 / 5]).mean()
    targets = np.array([[True, False], [False, False]])
    assert log_loss(logits, targets, kind="multi") == pytest.approx(expected)
    cuts = (np.log(0.25 / 0.75), np.log(0.75 / 0.25))  # shares 1/4, 1/2, 1/4 at a score of 0
    found = log_loss(np.zeros((4, 1)), np.array([0, 1, 2, -1]), kind="ordinal", cut_points=cuts)
    assert found == pytest.approx(-np.log([0.25, 0.5, 0.25]).mean())
    far = log_loss(np.array([[800.0]]), np.array([0]), kind="ordinal", cut_points=cuts)
    assert far == pytest.approx(800 - cuts[0])


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_weight_stands_for_as_many_rows(kind):
    logits, targets = SAMPLES[kind](40, 11)
    other, counts = logits + np.random.default_rng(12).normal(size=logits.shape), np.arange(40) % 3
    options = {"kind": kind, "cut_points": cuts_of(kind)}
    repeated = [np.repeat(values, counts, axis=0) for values in (logits, other, targets)]
    weights = counts.astype(np.float32)
    assert log_loss(logits, targets, weights=weights, **options) == pytest.approx(
        log_loss(repeated[0], repeated[2], **options)
    )
    assert fit_temperature(logits, targets, weights=weights, **options) == pytest.approx(
        fit_temperature(repeated[0], repeated[2], **options), rel=1e-4
    )
    found, expected = (
        fit_mixture(logits, other, targets, weights=weights, **options),
        fit_mixture(*repeated, **options),
    )
    assert (found.a, found.b, *found.cut_points) == pytest.approx(
        (expected.a, expected.b, *expected.cut_points), rel=1e-3, abs=1e-3
    )


def test_labels_may_have_weights_of_their_own():
    logits, targets = binary_sample(30, 2, 13)
    weights = np.stack([np.ones(30), np.zeros(30)], axis=1).astype(np.float32)
    assert fit_temperature(logits, targets, kind="multi", weights=weights) == pytest.approx(
        fit_temperature(logits[:, :1], targets[:, :1], kind="multi"), rel=1e-4
    )


@pytest.mark.parametrize("kind", ["multi", "ordinal"])
@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_temperature_of_other_kinds_recovers_a_known_scale(kind, factor):
    logits, targets = SAMPLES[kind](20_000, 14)
    cuts = tuple(factor * cut for cut in cuts_of(kind))
    found = fit_temperature(factor * logits, targets, kind=kind, cut_points=cuts)
    assert found == pytest.approx(factor, rel=0.05)


def test_scale_and_cut_points_of_an_order_are_found():
    scores, targets = ordinal_sample(40_000, 15)
    mixture = fit_mixture(
        scores / 3, np.zeros_like(scores), targets, kind="ordinal", cut_points=(-1.0, 0.0, 1.0)
    )
    assert mixture.a == pytest.approx(3, rel=0.05)
    np.testing.assert_allclose(mixture.cut_points, CUTS, atol=0.06)


@settings(deadline=None, max_examples=30)
@given(kind=st.sampled_from(["multi", "ordinal"]), seed=st.integers(0, 10_000), num_rows=st.integers(1, 30))
def test_mixtures_of_other_kinds_never_lose_to_their_start(kind, seed, num_rows):
    logits, targets = SAMPLES[kind](num_rows, seed)
    noise = np.random.default_rng(seed).normal(size=logits.shape)
    mixture = fit_mixture(logits, noise, targets, kind=kind, cut_points=cuts_of(kind))
    assert all(low < high for low, high in zip(mixture.cut_points, mixture.cut_points[1:], strict=False))
    found = log_loss(
        mixture.a * logits + mixture.b * noise, targets, kind=kind, cut_points=mixture.cut_points
    )
    assert found <= log_loss(logits + noise, targets, kind=kind, cut_points=cuts_of(kind)) + 1e-6


def test_without_a_row_the_cut_points_stay():
    none = np.zeros((0, 1)), np.zeros((0, 1)), np.zeros(0, np.int64)
    mixture = fit_mixture(*none, kind="ordinal", cut_points=CUTS)
    assert (mixture.a, mixture.b) == (1, 1)
    np.testing.assert_allclose(mixture.cut_points, CUTS)


@pytest.mark.parametrize("targets", [[0, 1], [0, 0], [1, 1]])
def test_two_ordered_classes(targets):
    scores = np.array([[-1.0], [2.0]])
    mixture = fit_mixture(scores, 0 * scores, np.array(targets), kind="ordinal", cut_points=(0.0,))
    assert np.isfinite([mixture.a, *mixture.cut_points]).all()


# Thresholds.


def test_the_threshold_of_best_f1():
    probabilities = np.linspace(0.01, 0.99, 50)[:, None]
    targets = probabilities > 0.301  # the last 35
    (found,) = fit_thresholds(probabilities, targets)
    assert 0.29 < found < 0.31
    assert ((probabilities >= found) == targets).all()


def test_thresholds_equal_a_search_over_all():
    generator = np.random.default_rng(16)
    targets = generator.random((200, 3)) < 0.3
    probabilities = np.round(np.clip(0.3 * targets + generator.random(targets.shape) / 1.5, 0, 1), 2)
    for label, found in enumerate(fit_thresholds(probabilities, targets)):

        def f1(threshold, label=label):
            given = probabilities[:, label] >= threshold
            return 2 * (given & targets[:, label]).sum() / (given.sum() + targets[:, label].sum())

        assert f1(found) == max(f1(value) for value in np.linspace(0, 1, 1001))


def test_few_rows_have_the_threshold_of_one_half():
    probabilities = np.linspace(0.1, 0.3, 40)[:, None]
    assert fit_thresholds(probabilities, np.arange(40)[:, None] >= 31) == (0.5,)
    assert fit_thresholds(probabilities, np.arange(40)[:, None] >= 30)[0] < 0.3
    assert fit_thresholds(np.zeros((0, 2)), np.zeros((0, 2), bool)) == (0.5, 0.5)


def test_equal_probabilities_are_not_parted():
    assert fit_thresholds(np.full((20, 1), 0.25), np.arange(20)[:, None] < 12) == (0.125,)
    assert fit_thresholds(np.zeros((20, 1)), np.arange(20)[:, None] < 12)[0] > 0
