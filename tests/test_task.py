import json

import numpy as np
import pytest

from textlattice.errors import ConfigError
from textlattice.task import Task

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
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Task(**({"labels": TASK.labels, "priors": TASK.priors} | changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("kind"), "exactly the keys"),
        (lambda v: v.update(threshold=1), "exactly the keys"),
        (lambda v: v.update(kind="ordinal"), r"task\.kind must be one of single, got 'ordinal'"),
        (lambda v: v.update(labels="abc"), r"task\.labels must be .*, got 'abc'"),
        (lambda v: v.update(priors=[0.2, 0.3, "0.5"]), r"task\.priors must be float, got '0.5'"),
    ],
)
def test_json_that_is_refused(change, message):
    values = TASK.to_dict()
    change(values)
    with pytest.raises(ConfigError, match=message):
        Task.from_dict(values)
