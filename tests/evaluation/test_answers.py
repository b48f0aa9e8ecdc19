import numpy as np
import pytest

from textlattice.evaluation.answers import evaluate_answers
from textlattice.task import Task


def test_one_label():
    task = Task(labels=("a", "b"), priors=(0.5, 0.5))
    found = evaluate_answers(task, np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), ["a", "b", "x"])
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["num_unknown_labels"] == 1


def test_labels_in_an_order_are_answered_by_the_median():
    task = Task(kind="ordinal", labels=("a", "b", "c"), priors=(0.2, 0.3, 0.5), cut_points=(-1.0, 1.0))
    probabilities = np.array([[0.4, 0.2, 0.4], [0.1, 0.1, 0.8]])
    found = evaluate_answers(task, probabilities, ["b", "c"])
    assert (found["accuracy"], found["mae"], found["quadratic_weighted_kappa"]) == (1, 0, 1)


def test_any_number_of_labels_by_their_thresholds():
    task = Task(kind="multi", labels=("a", "b"), priors=(0.5, 0.5), thresholds=(0.3, 0.6))
    probabilities = np.array([[0.4, 0.5], [0.2, 0.7], [0.1, 0.1]])
    found = evaluate_answers(task, probabilities, [("a",), ("b", "x", "y"), ()], num_bootstrap=0)
    assert found["subset_accuracy"] == pytest.approx(2 / 3)
    assert found["num_unknown_labels"] == 2
    assert found["macro_f1"] == 1
