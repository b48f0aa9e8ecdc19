import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from textlattice.errors import DataError
from textlattice.evaluation.metrics import evaluate, expected_calibration_error, macro_auc

METRICS = ["accuracy", "macro_auc", "log_loss", "ece"] + [
    f"{mean}_{name}" for mean in ("macro", "weighted") for name in ("precision", "recall", "f1")
]


def sample(num_rows, num_classes, seed):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(num_classes), size=num_rows)
    return probabilities, np.array([generator.choice(num_classes, p=row) for row in probabilities])


def test_literal_table():
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.55, 0.45]])
    result = evaluate(probabilities, np.array([0, 1, 1, 0]), ["ham", "spam"])
    assert result["confusion_matrix"] == [[2, 0], [1, 1]]
    assert result["labels"] == ["ham", "spam"]
    assert result["accuracy"] == 0.75
    assert result["per_class"]["ham"] == {
        "precision": pytest.approx(2 / 3),
        "recall": 1,
        "f1": pytest.approx(0.8),
        "support": 2,
    }
    assert result["per_class"]["spam"]["precision"] == 1
    assert result["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert result["macro_auc"] == 0.75
    assert result["log_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.55]).mean())
    assert result["ece"] == pytest.approx((0.2 + 0.3 + abs(-0.6 + 0.45)) / 4)  # 0.6 and 0.55 share a bin
    assert result["num_rows"] == 4
    json.dumps(result, allow_nan=False)


@settings(deadline=None, max_examples=30)
@given(num_rows=st.integers(2, 60), num_classes=st.integers(2, 5), seed=st.integers(0, 10_000))
def test_equal_to_scikit_learn(num_rows, num_classes, seed):
    probabilities, targets = sample(num_rows, num_classes, seed)
    result = evaluate(probabilities, targets, [str(i) for i in range(num_classes)], num_bootstrap=10)
    predictions = probabilities.argmax(axis=1)
    for mean in ("macro", "weighted"):
        expected = sklearn_metrics.precision_recall_fscore_support(
            targets, predictions, average=mean, zero_division=0
        )
        assert [result[f"{mean}_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(
            expected[:3]
        )
    assert result["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(targets, predictions))
    assert result["log_loss"] == pytest.approx(
        sklearn_metrics.log_loss(targets, probabilities, labels=range(num_classes))
    )
    if len(set(targets)) == num_classes:
        one_hot = np.eye(num_classes)[targets]
        assert result["macro_auc"] == pytest.approx(sklearn_metrics.roc_auc_score(one_hot, probabilities))


def test_auc_of_ties_is_one_half():
    assert macro_auc(np.full((4, 2), 0.5), np.array([0, 1, 0, 1])) == 0.5
    assert macro_auc(np.full((2, 2), 0.5), np.array([0, 0])) is None


def test_ece_equals_a_loop_over_bins():
    generator = np.random.default_rng(0)
    confidence = generator.choice(np.concatenate([generator.random(50), np.arange(16) / 15]), 300)
    correct = generator.random(300) < confidence
    total = 0.0
    for lower in range(15):
        inside = (confidence > lower / 15) & (confidence <= (lower + 1) / 15)
        if lower == 0:
            inside |= confidence == 0
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(confidence, correct) == pytest.approx(total)


def test_labels_the_model_does_not_know_are_errors():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    result = evaluate(probabilities, np.array([0, 1, -1]), ["a", "b"])
    assert result["num_unknown_labels"] == 1
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert result["per_class"]["a"]["precision"] == 0.5
    assert result["per_class"]["a"]["recall"] == 1
    assert result["weighted_recall"] == pytest.approx(2 / 3)  # as the accuracy
    assert result["weighted_f1"] == pytest.approx((2 / 3 + 1) / 3)
    assert result["confusion_matrix"] == [[1, 0], [0, 1]]
    assert result["log_loss"] == pytest.approx(-np.log([0.9, 0.8]).mean())
    only = evaluate(probabilities, np.array([-1, -1, -1]), ["a", "b"])
    assert (only["accuracy"], only["log_loss"], only["weighted_f1"], only["macro_auc"]) == (
        0,
        None,
        0,
        None,
    )


def test_classes_absent_from_the_test_take_no_part_in_averages():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    result = evaluate(probabilities, np.array([0, 1]), ["a", "b", "c"])
    assert result["macro_f1"] == result["macro_auc"] == 1
    assert result["per_class"]["c"] == {"precision": None, "recall": None, "f1": None, "support": 0}


def test_no_rows_and_one_row():
    empty = evaluate(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), ["a", "b"])
    assert empty["num_rows"] == 0
    assert all(empty[name] is None for name in METRICS)
    assert empty["intervals"] == {"accuracy": None, "macro_f1": None}
    one = evaluate(np.array([[0.25, 0.75]], dtype=np.float32), np.array([1]), ["a", "b"])
    assert one["accuracy"] == one["macro_f1"] == 1
    assert one["intervals"]["accuracy"] == [1, 1]
    json.dumps([empty, one], allow_nan=False)


def test_certain_and_wrong_has_a_finite_log_loss():
    assert evaluate(np.array([[1.0, 0.0]]), np.array([1]), ["a", "b"])["log_loss"] == pytest.approx(
        36.04, abs=0.01
    )


def test_intervals_equal_drawing_rows(monkeypatch):
    probabilities, targets = sample(300, 3, seed=3)
    labels = ["a", "b", "c"]
    intervals = evaluate(probabilities, targets, labels, num_bootstrap=4000)["intervals"]
    assert intervals == evaluate(probabilities, targets, labels, num_bootstrap=4000)["intervals"]
    generator = np.random.default_rng(4)
    drawn = []
    for rows in generator.integers(0, 300, size=(1000, 300)):
        predictions = probabilities[rows].argmax(axis=1)
        f1 = sklearn_metrics.f1_score(targets[rows], predictions, average="macro", zero_division=0)
        drawn.append([(predictions == targets[rows]).mean(), f1])
    expected = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert intervals["accuracy"] == pytest.approx(expected[:, 0], abs=0.015)
    assert intervals["macro_f1"] == pytest.approx(expected[:, 1], abs=0.015)
    monkeypatch.setattr("textlattice.evaluation.bootstrap._CHUNK_NUMBERS", 700)
    chunked = evaluate(probabilities, targets, labels, num_bootstrap=4000)["intervals"]
    assert chunked["macro_f1"] == pytest.approx(intervals["macro_f1"], abs=1e-9)


def test_inputs_that_do_not_fit_are_refused():
    half = np.full((2, 2), 0.5)
    with pytest.raises(DataError, match=r"probabilities \[2, 2\], got 3 labels and 2 targets"):
        evaluate(half, np.array([0, 1]), ["a", "b", "c"])
    with pytest.raises(DataError, match=r"expected targets in -1\.\.1, got 0\.\.2; give -1"):
        evaluate(half, np.array([0, 2]), ["a", "b"])
    with pytest.raises(DataError, match="expected finite probabilities, got NaN"):
        evaluate(np.full((1, 2), np.nan), np.array([0]), ["a", "b"])
