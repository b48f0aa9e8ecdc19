import numpy as np
import pytest
import sklearn.metrics as sklearn_metrics

from textlattice.baselines.outcome import MEASURES, Outcome
from textlattice.task import Task

NAMES = ("a", "b", "c")
TASKS = {
    "single": Task(labels=NAMES, priors=(0.2, 0.3, 0.5)),
    "multi": Task(kind="multi", labels=NAMES, priors=(0.2, 0.3, 0.5)),
    "ordinal": Task(kind="ordinal", labels=NAMES, priors=(0.2, 0.3, 0.5), cut_points=(-1.0, 1.0)),
}


def rows(kind, num_rows=80):
    """Labels, and the decisions of two classifiers, the first of which errs less."""
    draw = np.random.default_rng(3)
    if kind == "multi":
        targets = draw.random((num_rows, 3)) < 0.4
        decisions = [targets ^ (draw.random(targets.shape) < share) for share in (0.1, 0.3)]
    else:
        targets = draw.integers(0, 3, num_rows)
        decisions = [
            np.where(draw.random(num_rows) < share, draw.integers(0, 3, num_rows), targets)
            for share in (0.2, 0.6)
        ]
    return TASKS[kind].names(targets), targets, decisions


@pytest.mark.parametrize("kind", TASKS)
def test_figures_and_differences(kind):
    labels, targets, decisions = rows(kind)
    good, poor = (Outcome(TASKS[kind], each, labels) for each in decisions)
    figures, measure = good.figures, MEASURES[kind]
    assert figures["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(targets, decisions[0]))
    assert figures["macro_f1"] == pytest.approx(
        sklearn_metrics.f1_score(targets, decisions[0], average="macro")
    )
    if kind == "multi":
        expected = sklearn_metrics.f1_score(targets, decisions[0], average="micro")
        assert figures["micro_f1"] == pytest.approx(expected)
    if kind == "ordinal":
        expected = sklearn_metrics.cohen_kappa_score(targets, decisions[0], weights="quadratic")
        assert figures[measure] == pytest.approx(expected)
    interval = good.minus(poor, seed=1)
    assert interval.difference == pytest.approx(100 * (figures[measure] - poor.figures[measure]))
    assert 0 < interval.low < interval.difference < interval.high
    assert good.minus(poor, seed=1) == interval
    assert good.minus(good, seed=1).difference == 0
    assert (good.p_value(poor) is None) == (kind != "single")


def test_labels_that_the_task_does_not_know_are_errors():
    single = Outcome(TASKS["single"], np.array([0, 1]), ["a", "x"])
    assert single.correct.tolist() == [True, False]
    multi = Outcome(TASKS["multi"], np.array([[1, 0, 0], [1, 0, 0]], bool), [("a",), ("a", "x")])
    assert multi.correct.tolist() == [True, False]
    assert multi.figures["macro_f1"] == 1
    assert multi.figures["micro_f1"] == pytest.approx(4 / 5)
    ordinal = Outcome(TASKS["ordinal"], np.array([0, 2, 1]), ["a", "c", "x"])
    assert ordinal.figures["accuracy"] == pytest.approx(2 / 3)
    assert ordinal.figures["quadratic_weighted_kappa"] == 1


def test_one_class_alone_has_no_agreement_beyond_chance():
    assert Outcome(TASKS["ordinal"], np.array([1, 1]), ["b", "b"]).figures["quadratic_weighted_kappa"] == 0
