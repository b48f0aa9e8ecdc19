import json

import numpy as np
import pytest

from textlattice.errors import ConfigError
from textlattice.task import Task, ordinal_probabilities, sigmoid

TASK = Task(labels=("a", "b", "c"), priors=(0.2, 0.3, 0.5), temperature=2.0)


def test_probabilities():
    logits = np.log([[1.0, 4.0, 16.0], [9.0, 9.0, 9.0]])
    expected = [[1 / 7, 2 / 7, 4 / 7], [1 / 3, 1 / 3, 1 / 3]]
    found = TASK.probabilities(logits)
    np.testing.assert_allclose(found, expected)
    assert found.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_do_not_overflow(dtype):
    found = TASK.probabilities(np.array([[1e6, 0, -1e6], [-1e6, -1e6, -1e6]], dtype))
    np.testing.assert_allclose(found, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_probabilities_leave_the_logits_as_they_are():
    logits = np.array([[1.0, 2.0, 3.0]])
    TASK.probabilities(logits)
    assert logits.tolist() == [[1, 2, 3]]


def test_decide_takes_the_first_of_equals():
    found = TASK.decide(np.array([[0.2, 0.2, 0.6], [0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3]]))
    assert found.tolist() == [2, 0, 0]


def test_no_documents():
    none = np.empty((0, 3))
    assert TASK.probabilities(none).shape == (0, 3)
    assert TASK.decide(none).shape == (0,)


def test_round_trip():
    assert Task.from_dict(json.loads(json.dumps(TASK.to_dict()))) == TASK
    assert TASK.num_outputs == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("a",), "priors": (1.0,)}, r"two or more distinct names, got \['a'\]"),
        ({"labels": ("a", "a", "b")}, "two or more distinct names"),
        ({"priors": (0.5, 0.5)}, "one share a label, got 2 for 3"),
        ({"priors": (0.0, 0.5, 0.5)}, "priors must be positive and sum to 1"),
        ({"priors": (0.5, 0.5, 0.5)}, "priors must be positive and sum to 1"),
        ({"temperature": 0.0}, "temperature must be positive, got 0"),
        ({"temperature": float("nan")}, "temperature must be positive, got nan"),
        ({"temperature": float("inf")}, "temperature must be positive, got inf"),
        (
            {"thresholds": (0.5,) * 3},
            r"thresholds of a task of the kind single must be 0 numbers .*got \[0.5",
        ),
        ({"cut_points": (0.0,)}, "cut_points of a task of the kind single with 3 labels must be 0"),
        ({"kind": "multi", "thresholds": (0.5, 0.5)}, "thresholds .* kind multi must be 3 numbers in"),
        ({"kind": "multi", "thresholds": (0.5, 0.0, 1.0)}, r"in \(0, 1\], got \[0.5, 0.0, 1.0\]"),
        ({"kind": "multi", "priors": (0.5, 0.0, 1.0)}, r"priors must lie in \(0, 1\], got"),
        ({"kind": "ordinal"}, r"kind ordinal with 3 labels must be 2 ascending numbers, got \[\]"),
        ({"kind": "ordinal", "cut_points": (1.0, 1.0)}, r"2 ascending numbers, got \[1.0, 1.0\]"),
        ({"kind": "ordinal", "cut_points": (0.0, float("inf"))}, "2 ascending numbers"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Task(**({"labels": TASK.labels, "priors": TASK.priors} | changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("kind"), r"must have the keys \['kind', 'labels', 'priors', 'temperature'\]"),
        (lambda v: v.update(threshold=1), "must have the keys .*, got .*threshold"),
        (lambda v: v.update(kind="one"), r"task\.kind must be one of single, multi, ordinal, got 'one'"),
        (lambda v: v.update(kind="ordinal"), r"cut_points .* kind ordinal with 3 labels must be 2 ascending"),
        (lambda v: v.update(labels="abc"), r"task\.labels must be .*, got 'abc'"),
        (lambda v: v.update(priors=[0.2, 0.3, "0.5"]), r"task\.priors must be float, got '0.5'"),
    ],
)
def test_json_that_is_refused(change, message):
    values = TASK.to_dict()
    change(values)
    with pytest.raises(ConfigError, match=message):
        Task.from_dict(values)


# Any number of labels.

MULTI = Task(kind="multi", labels=("a", "b"), priors=(0.25, 1.0), thresholds=(0.5, 0.2), temperature=2.0)


def test_each_label_has_a_probability_of_its_own():
    found = MULTI.probabilities(2 * np.log([[3.0, 1 / 4], [1.0, 1.0]]))
    np.testing.assert_allclose(found, [[0.75, 0.2], [0.5, 0.5]])
    np.testing.assert_allclose(MULTI.probabilities(np.array([[1e6, -1e6]])), [[1, 0]])


def test_thresholds_decide():
    decisions = MULTI.decide(np.array([[0.5, 0.2], [0.49, 0.3], [0.0, 0.19]]))
    assert decisions.tolist() == [[True, True], [False, True], [False, False]]
    assert MULTI.names(decisions) == [("a", "b"), ("b",), ()]
    assert Task(kind="multi", labels=("a", "b"), priors=(0.1, 0.2)).thresholds == (0.5, 0.5)


def test_the_logits_of_an_empty_text_give_the_priors():
    np.testing.assert_allclose(MULTI.probabilities(MULTI.empty_logits[None]), [[0.25, 1.0]], atol=2e-6)
    np.testing.assert_allclose(TASK.probabilities(TASK.empty_logits[None]), [TASK.priors])


def test_targets_of_any_number_of_labels():
    found = MULTI.targets([("b", "a"), (), ("c", "b"), "a"])
    assert found.tolist() == [[True, True], [False, False], [False, True], [True, False]]
    assert MULTI.targets([]).shape == (0, 2)


def test_targets_of_one_label():
    assert TASK.targets(["c", "?", "a"]).tolist() == [2, -1, 0]
    assert TASK.names(np.array([2, 0])) == ["c", "a"]


# Labels in an order.

ORDINAL = Task(
    kind="ordinal",
    labels=("low", "mid", "high"),
    priors=(0.3, 0.3, 0.4),
    cut_points=(-float(np.log(3)), float(np.log(3))),
)


def test_shares_between_cut_points():
    found = ORDINAL.probabilities(np.array([[0.0], [np.log(3)]]))
    np.testing.assert_allclose(found, [[0.25, 0.5, 0.25], [0.1, 0.4, 0.5]])
    assert ORDINAL.num_outputs == 1


@pytest.mark.parametrize("score", [-1e4, -40.0, 40.0, 1e4])
def test_scores_far_out_stay_shares(score):
    found = ORDINAL.probabilities(np.array([[score]], np.float32))
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == (0 if score < 0 else 2)


def test_a_small_tail_keeps_its_digits():
    (found,) = ordinal_probabilities(np.array([30.0, -30.0]), (0.0, 1.0)).tolist()[:1]
    assert found[0] == pytest.approx(float(sigmoid(np.array([-30.0]))[0]), rel=1e-9)
    assert found[1] == pytest.approx(np.exp(-29) - np.exp(-30), rel=1e-6)


def test_the_median_class_is_the_answer():
    shares = np.array([[0.4, 0.2, 0.4], [0.5, 0.0, 0.5], [0.1, 0.3, 0.6], [1.0, 0.0, 0.0]])
    assert ORDINAL.decide(shares).tolist() == [1, 0, 2, 0]
    scores = np.linspace(-3, 3, 301)[:, None]
    expected = np.searchsorted(ORDINAL.cut_points, scores[:, 0])
    assert (ORDINAL.decide(ORDINAL.probabilities(scores)) == expected).all()
    assert ORDINAL.decide(np.empty((0, 3))).shape == (0,)


def test_temperature_moves_shares_but_no_answer():
    warm = Task(**({**ORDINAL.__dict__} | {"temperature": 4.0}))
    scores = np.linspace(-3, 3, 101)[:, None]
    sharp, flat = ORDINAL.probabilities(scores), warm.probabilities(scores)
    assert (ORDINAL.decide(sharp) == warm.decide(flat)).all()
    assert flat.max() < sharp.max()


def test_an_empty_text_of_an_order_lies_in_the_median_class():
    assert ORDINAL.empty_logits.tolist() == pytest.approx([0])
    assert ORDINAL.decide(ORDINAL.probabilities(ORDINAL.empty_logits[None])).tolist() == [1]


@pytest.mark.parametrize("task", [MULTI, ORDINAL], ids=["multi", "ordinal"])
def test_round_trip_of_other_kinds(task):
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


def test_a_folder_of_the_first_release_has_no_new_keys():
    assert set(TASK.to_dict()) == {"kind", "labels", "priors", "temperature"}
