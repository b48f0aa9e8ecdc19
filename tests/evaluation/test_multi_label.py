import json

import numpy as np
import pytest
import sklearn.metrics as sklearn_metrics

from textlattice.errors import DataError
from textlattice.evaluation.multi_label import RowScores, evaluate_multi

LABELS = ["a", "b", "c"]


def sample(num_rows, seed, num_labels=3):
    draw = np.random.default_rng(seed)
    targets = draw.random((num_rows, num_labels)) < 0.4
    probabilities = np.clip(0.3 * targets + 0.7 * draw.random(targets.shape), 0.01, 0.99)
    return probabilities, targets, probabilities >= 0.5


def test_figures_equal_those_of_scikit_learn():
    probabilities, targets, predictions = sample(300, 1)
    found = evaluate_multi(probabilities, targets, predictions, LABELS, num_bootstrap=0)
    for average in ("micro", "macro"):
        expected = sklearn_metrics.precision_recall_fscore_support(targets, predictions, average=average)
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert found[f"{average}_{name}"] == pytest.approx(value)
    assert found["subset_accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(targets, predictions))
    assert found["lrap"] == pytest.approx(
        sklearn_metrics.label_ranking_average_precision_score(targets, probabilities)
    )
    assert found["macro_auc"] == pytest.approx(sklearn_metrics.roc_auc_score(targets, probabilities))
    losses = [sklearn_metrics.log_loss(targets[:, k], probabilities[:, k]) for k in range(3)]
    assert found["log_loss"] == pytest.approx(np.mean(losses))
    assert found["per_class"]["b"]["support"] == targets[:, 1].sum()
    json.dumps(found, allow_nan=False)


def test_intervals_equal_drawing_rows():
    probabilities, targets, predictions = sample(200, 2)
    found = evaluate_multi(probabilities, targets, predictions, LABELS, num_bootstrap=3000)["intervals"]
    drawn = []
    for rows in np.random.default_rng(3).integers(0, 200, size=(800, 200)):
        pair = targets[rows], predictions[rows]
        drawn.append(
            [sklearn_metrics.accuracy_score(*pair)]
            + [sklearn_metrics.f1_score(*pair, average=name) for name in ("micro", "macro")]
        )
    expected = np.quantile(drawn, [0.025, 0.975], axis=0).T
    for name, bounds in zip(("subset_accuracy", "micro_f1", "macro_f1"), expected, strict=True):
        assert found[name] == pytest.approx(bounds, abs=0.02)


def test_an_unknown_label_is_one_that_was_missed():
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], bool)
    found = evaluate_multi(
        0.2 + 0.6 * targets, targets, targets, LABELS, num_unknown=np.array([0, 2, 1]), num_bootstrap=0
    )
    assert found["num_unknown_labels"] == 3
    assert found["subset_accuracy"] == pytest.approx(1 / 3)
    assert found["micro_precision"] == 1
    assert found["micro_recall"] == pytest.approx(2 / 5)
    assert found["micro_f1"] == pytest.approx(4 / 7)
    assert found["macro_f1"] == 1


@pytest.mark.parametrize("num_rows", [0, 1])
def test_tables_without_rows_and_without_labels(num_rows):
    none = np.zeros((num_rows, 3), bool)
    found = evaluate_multi(np.full((num_rows, 3), 0.25), none, none, LABELS, num_bootstrap=10)
    assert found["num_rows"] == num_rows
    assert found["macro_auc"] is None
    assert found["macro_f1"] is None
    assert found["per_class"]["a"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    assert found["subset_accuracy"] == (1.0 if num_rows else None)
    assert found["log_loss"] == (pytest.approx(-np.log(0.75)) if num_rows else None)
    json.dumps(found, allow_nan=False)


def test_certain_and_wrong_is_finite():
    found = evaluate_multi(
        np.array([[1.0, 0.0, 1.0]]), np.array([[False, True, True]]), np.ones((1, 3), bool), LABELS
    )
    assert np.isfinite(found["log_loss"])


def test_scores_of_weighted_rows():
    _, targets, predictions = sample(20, 4)
    counts = np.random.default_rng(5).integers(0, 4, 20)
    found = RowScores(targets, predictions, np.zeros(20, np.int64)).of(counts[None].astype(np.float64))
    pair = np.repeat(targets, counts, axis=0), np.repeat(predictions, counts, axis=0)
    assert found["subset_accuracy"][0] == pytest.approx(sklearn_metrics.accuracy_score(*pair))
    assert found["macro_f1"][0] == pytest.approx(sklearn_metrics.f1_score(*pair, average="macro"))


def test_inputs_that_do_not_fit_are_refused():
    half, none = np.full((2, 3), 0.5), np.zeros((2, 3), bool)
    with pytest.raises(DataError, match=r"probabilities \[2, 3\], got 2 labels and 2 targets"):
        evaluate_multi(half, none, none, LABELS[:2])
    with pytest.raises(DataError, match="expected finite probabilities, got NaN"):
        evaluate_multi(np.full((2, 3), np.nan), none, none, LABELS)
