import numpy as np
import pytest
import sklearn.metrics as sklearn_metrics

from textlattice.evaluation.ordinal import evaluate_ordinal, quadratic_weighted_kappa

LABELS = ["1", "2", "3", "4"]


def sample(num_rows, seed):
    draw = np.random.default_rng(seed)
    targets = draw.integers(0, 4, num_rows)
    predictions = np.clip(targets + draw.integers(-1, 2, num_rows), 0, 3)
    probabilities = draw.dirichlet(np.ones(4), num_rows)
    return probabilities, targets, predictions


def test_figures_equal_those_of_scikit_learn():
    probabilities, targets, predictions = sample(300, 1)
    found = evaluate_ordinal(probabilities, targets, predictions, LABELS, num_bootstrap=200)
    kappa = sklearn_metrics.cohen_kappa_score(targets, predictions, weights="quadratic")
    assert found["quadratic_weighted_kappa"] == pytest.approx(kappa)
    assert found["mae"] == pytest.approx(np.abs(targets - predictions).mean())
    assert found["accuracy"] == pytest.approx((targets == predictions).mean())
    assert found["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(targets, predictions, average="macro"))
    low, high = found["intervals"]["quadratic_weighted_kappa"]
    assert low < kappa < high


def test_the_interval_equals_drawing_rows():
    probabilities, targets, predictions = sample(200, 2)
    found = evaluate_ordinal(probabilities, targets, predictions, LABELS, num_bootstrap=4000)["intervals"]
    drawn = [
        sklearn_metrics.cohen_kappa_score(targets[rows], predictions[rows], weights="quadratic")
        for rows in np.random.default_rng(3).integers(0, 200, size=(1000, 200))
    ]
    assert found["quadratic_weighted_kappa"] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_an_unknown_label_has_no_place():
    probabilities, targets, predictions = sample(60, 4)
    known = evaluate_ordinal(probabilities, targets, predictions, LABELS, num_bootstrap=0)
    more = [np.concatenate([part, part[:5]]) for part in (probabilities, targets, predictions)]
    more[1][-5:] = -1
    found = evaluate_ordinal(*more, LABELS, num_bootstrap=0)
    assert found["num_unknown_labels"] == 5
    assert found["accuracy"] == pytest.approx(known["accuracy"] * 60 / 65)
    for name in ("quadratic_weighted_kappa", "mae"):
        assert found[name] == pytest.approx(known[name])


@pytest.mark.parametrize(
    ("targets", "predictions", "kappa", "mae"),
    [
        ([], [], None, None),
        ([2, 2], [2, 2], None, 0.0),  # one class: nothing to agree on by chance
        ([0, 3], [0, 3], 1.0, 0.0),
        ([0, 3], [3, 0], -1.0, 3.0),
        ([-1, -1], [0, 1], None, None),
    ],
)
def test_the_edges(targets, predictions, kappa, mae):
    targets, predictions = np.array(targets, np.int64), np.array(predictions, np.int64)
    found = evaluate_ordinal(np.full((len(targets), 4), 0.25), targets, predictions, LABELS, num_bootstrap=20)
    assert found["quadratic_weighted_kappa"] == kappa
    assert found["mae"] == mae


def test_kappa_of_many_matrices():
    counts = np.random.default_rng(5).integers(0, 9, (7, 3, 3)).astype(np.float64)
    expected = []
    for matrix in counts.astype(int):
        pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(matrix[i, j])]
        expected.append(sklearn_metrics.cohen_kappa_score(*zip(*pairs, strict=True), weights="quadratic"))
    np.testing.assert_allclose(quadratic_weighted_kappa(counts), expected)
