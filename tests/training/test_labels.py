import numpy as np
import pytest

from textlattice.errors import ConfigError, DataError
from textlattice.progress import Progress
from textlattice.training.labels import task_of


class Notes(Progress):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


@pytest.mark.parametrize(
    ("labels", "asked", "kind", "names", "priors"),
    [
        (["b", "a", "b"], "auto", "single", ("a", "b"), (1 / 3, 2 / 3)),
        ([("b", "a"), ("b",), ()], "auto", "multi", ("a", "b"), (1 / 3, 2 / 3)),
        (
            ["a", ("b",), "a"],
            "auto",
            "multi",
            ("a", "b"),
            (2 / 3, 1 / 3),
        ),  # a text beside lists is a list of one
        (["a", "b", "a", "a"], "multi", "multi", ("a", "b"), (3 / 4, 1 / 4)),
        ([("a", "a"), ("b",)], "auto", "multi", ("a", "b"), (1 / 2, 1 / 2)),
        (["10", "9", "9"], "single", "single", ("10", "9"), (1 / 3, 2 / 3)),
        (["10", "9", "9"], "ordinal", "ordinal", ("9", "10"), (2 / 3, 1 / 3)),
        (["-1", "2.5", "1e1"], "ordinal", "ordinal", ("-1", "2.5", "1e1"), (1 / 3, 1 / 3, 1 / 3)),
    ],
)
def test_what_labels_state(labels, asked, kind, names, priors):
    found = task_of(labels, asked)
    assert (found.kind, found.labels) == (kind, names)
    assert found.priors == pytest.approx(priors)


def test_an_order_that_is_given():
    found = task_of(["good", "bad", "fair", "good"], "ordinal", ["bad", "fair", "good"])
    assert found.labels == ("bad", "fair", "good")
    np.testing.assert_allclose(found.cut_points, [np.log(1 / 3), 0], atol=1e-12)  # 1/4 and 1/2 lie below
    np.testing.assert_allclose(found.probabilities(np.zeros((1, 1))), [found.priors])


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        ([], {}, DataError, "two or more labels, got no rows"),
        (["a", "a"], {}, DataError, "two or more labels, got only 'a' in 2 rows; check the label column"),
        ([("a",), ()], {}, DataError, "two or more labels, got only 'a' in 2 rows"),
        ([(), ()], {}, DataError, "two or more labels, got 2 rows without any label"),
        (
            ["a", ("b",)],
            {"asked": "single"},
            DataError,
            "task single needs one label a row, got a list .* row 2",
        ),
        (
            [("1",), ("2",)],
            {"asked": "ordinal"},
            DataError,
            "task ordinal needs one label a row, .* row 1; lists",
        ),
        (
            ["a", "b"],
            {"label_order": ["a", "b"]},
            ConfigError,
            "order of labels is for the task ordinal, got it for",
        ),
        (
            ["1", "b"],
            {"asked": "ordinal"},
            DataError,
            "expected numbers, got 'b'; .* with --label-order a,b,c",
        ),
        (["1", "nan"], {"asked": "ordinal"}, DataError, "expected numbers, got 'nan'"),
        (["1", "1.0"], {"asked": "ordinal"}, DataError, "expected numbers, got two that are the same number"),
        (
            ["a", "b", "c"],
            {"asked": "ordinal", "label_order": ["a", "c"]},
            DataError,
            r"every label of the training rows, got none for 'b' \(1 rows\)",
        ),
        (
            ["a", "b"],
            {"asked": "ordinal", "label_order": ["a", "b", "a"]},
            DataError,
            "each label once, got 'a', 'b', 'a'",
        ),
    ],
)
def test_labels_that_do_not_fit(labels, options, error, message):
    with pytest.raises(error, match=message):
        task_of(labels, **options)


def test_what_is_told():
    notes = Notes()
    task_of(["1", "2", "3", "3", "2"], progress=notes)
    assert notes.notes == [
        "1 of 3 labels have a single row, so no held-out row shows how well they are recognised: '1'",
        "the labels are whole numbers; if they have an order, as stars have, --task ordinal makes use of it",
    ]
    for labels, asked in (
        (["0", "1"] * 2, "auto"),
        (["1", "2", "3"] * 2, "ordinal"),
        (["1", "2", "3"] * 2, "single"),
        (["1", "2", "x"] * 2, "auto"),
    ):
        notes = Notes()
        task_of(labels, asked, progress=notes)
        assert notes.notes == []
    notes = Notes()
    task_of(["a", "c"] * 2, "ordinal", ["a", "b", "c"], progress=notes)
    assert notes.notes == ["--label-order: left out, for no training row has it: 'b'"]
