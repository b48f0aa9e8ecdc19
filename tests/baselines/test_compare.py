import json
from dataclasses import replace

import numpy as np
import pytest

from textlattice.baselines import compare as module
from textlattice.baselines.compare import (
    OURS,
    Comparison,
    ComparisonRow,
    compare,
    selection_slices,
)
from textlattice.data.rows import Row, Table
from textlattice.data.splits import slice_sizes, stratified_slices
from textlattice.errors import DataError
from textlattice.evaluation.significance import Interval
from textlattice.presets import preset
from textlattice.progress import Progress

TINY = preset("tiny").with_settings({"train.epochs": 1})
WORDS = {"good": ["fine", "great", "lovely"], "bad": ["awful", "poor", "dull"]}


def table(num_rows, seed=0, source="reviews.csv"):
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(1, num_rows + 1):
        label = ["good", "bad"][number % 2]
        words = [
            *generator.choice(["the", "film", "was", "seen", "by", "us"], 4),
            generator.choice(WORDS[label]),
        ]
        rows.append(Row(number=number, text=" ".join(words), label=label))
    return Table(source=source, rows=rows, rejects=[])


@pytest.fixture(scope="module")
def comparison():
    return compare(table(100), TINY, names=("majority", "tfidf_lr"))


def test_ours_comes_first_and_everyone_sees_the_same_rows(comparison):
    assert (comparison.num_train, comparison.num_test) == (80, 20)
    assert [row.name for row in comparison.rows] == [OURS, "majority", "tfidf_lr"]
    ours, majority, tfidf = comparison.rows
    assert majority.accuracy == 0.5
    assert tfidf.accuracy == 1.0
    for row in comparison.rows:
        assert 0 <= row.macro_f1 <= 1
        assert row.train_seconds > 0
        assert row.predict_docs_per_second > 0
        assert row.parameters > 0
    for row in (majority, tfidf):
        interval = row.ours_minus_it
        assert interval.difference == pytest.approx(100 * (ours.accuracy - row.accuracy))
        assert interval.low <= interval.difference <= interval.high
        assert 0 < row.p_value <= 1
    assert comparison.best_baseline is tfidf


def test_to_dict_is_json_and_holds_the_advice(comparison):
    values = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert values["advice"] == comparison.advice
    assert values["rows"][0]["ours_minus_it"] is None
    assert values["rows"][0]["p_value"] is None
    assert isinstance(values["rows"][1]["p_value"], float)
    assert set(values["rows"][1]["ours_minus_it"]) == {"difference", "low", "high"}
    assert values["source"] == "reviews.csv"


def test_given_test_rows_are_used_and_an_unknown_label_is_an_error():
    test = table(9, seed=1, source="test.csv")
    strange = Table(
        source="test.csv", rows=[*test.rows, Row(number=10, text="so so", label="odd")], rejects=[]
    )
    result = compare(table(40), TINY, test=strange, names=["tfidf_svm"])
    assert (result.num_train, result.num_test) == (40, 10)
    assert result.rows[1].accuracy == 0.9


def comparison_of(difference, low, high):
    ours = ComparisonRow(
        name=OURS, accuracy=0.9, macro_f1=0.9, ours_minus_it=None, p_value=None, train_seconds=240.0,
        predict_docs_per_second=100.0, parameters=1000,
    )  # fmt: skip
    weak = ComparisonRow(
        name="majority", accuracy=0.5, macro_f1=0.3, train_seconds=0.1, predict_docs_per_second=9.0,
        parameters=2, p_value=0.0, ours_minus_it=Interval(difference=40.0, low=35.0, high=45.0),
    )  # fmt: skip
    best = ComparisonRow(
        name="tfidf_lr", accuracy=0.9 - difference / 100, macro_f1=0.9, p_value=0.04, train_seconds=3.0,
        predict_docs_per_second=1e4, parameters=500,
        ours_minus_it=Interval(difference=difference, low=low, high=high),
    )  # fmt: skip
    return Comparison(source="x", num_train=8000, num_test=2000, rows=(ours, weak, best))


@pytest.mark.parametrize(
    ("difference", "low", "high", "expected"),
    [
        (
            1.2, 0.4, 2.0,
            "Use textlattice: textlattice is right on 90.0 % of the 2,000 test rows and tfidf_lr, the best "
            "baseline, on 88.8 %: a difference of +1.2 points (95 % interval +0.4 to +2.0), beyond noise.",
        ),
        (
            -1.2, -2.0, -0.4,
            "Use tfidf_lr: textlattice is right on 90.0 % of the 2,000 test rows and tfidf_lr, the best "
            "baseline, on 91.2 %: a difference of -1.2 points (95 % interval -2.0 to -0.4), beyond noise.",
        ),
        (
            0.2, -0.4, 0.8,
            "Use tfidf_lr: textlattice is right on 90.0 % of the 2,000 test rows and tfidf_lr, the best "
            "baseline, on 89.8 %: a difference of +0.2 points (95 % interval -0.4 to +0.8), inside noise, "
            "and tfidf_lr is the simpler one and was trained in 3.0 s instead of 4.0 min.",
        ),
    ],
)  # fmt: skip
def test_advice(difference, low, high, expected):
    assert comparison_of(difference, low, high).advice == expected


@pytest.mark.parametrize("bound", [0.0, -0.0])
def test_a_bound_at_zero_is_noise(bound):
    assert comparison_of(0.5, bound, 1.0).advice.startswith("Use tfidf_lr")
    assert comparison_of(-0.5, -1.0, bound).advice.startswith("Use tfidf_lr")
    assert "inside noise" in comparison_of(-0.5, -1.0, bound).advice


def test_slices_are_those_of_our_own_training():
    num_rows = 2100
    labels = ["good" if row % 3 else "bad" for row in range(num_rows)]
    texts = ["", *(f"text {row}" for row in range(1, num_rows))]
    fit_rows, selection, more = selection_slices(texts, labels, TINY)
    size = slice_sizes(num_rows - 1)
    expected = stratified_slices(labels[1:], [size, size], seed=TINY.train.seed)
    for rows, own in zip((selection, more, fit_rows), expected, strict=True):
        np.testing.assert_array_equal(rows, own + 1)  # row 0 is empty


def test_slices_of_few_rows():
    fit_rows, selection, more = selection_slices(["été", "a", "b", "…", "c", " "], list("xyxyxy"), TINY)
    assert (len(fit_rows), len(selection), len(more)) == (4, 1, 0)
    assert sorted([*fit_rows, *selection]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("num_rows", [4, 6])
def test_a_table_too_small_for_a_baseline_is_refused_before_ours_is_trained(monkeypatch, num_rows):
    monkeypatch.setattr(module, "fit", lambda *_, **__: pytest.fail("ours was trained"))
    rows = table(num_rows)
    if num_rows == 6:  # one text with a label of its own, and five without a word
        rows = Table(
            source=rows.source, rejects=[], rows=[rows.rows[0], *[replace(rows.rows[1], text="")] * 5]
        )
    message = rf"expected at least 5 texts to train on, with two labels, got {num_rows} rows in reviews.csv"
    with pytest.raises(DataError, match=message):
        compare(rows, TINY, test=table(2))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"names": ["fasttext"]}, "expected names of baselines out of majority, .*, got 'fasttext'"),
        ({"names": []}, "got 'none'"),
        ({"table": table(4)}, "expected at least 5 rows, got 4 in reviews.csv"),
        ({"test": table(0, source="t.csv")}, "expected rows to test on, got none in t.csv"),
        (
            {"test": Table(source="t.csv", rows=[Row(number=3, text="a", label=None)], rejects=[])},
            "expected a label in every row, got none in row 3 of t.csv; name the label column",
        ),
    ],
)
def test_errors(arguments, expected):
    rows = arguments.pop("table", table(20))
    with pytest.raises(DataError, match=expected):
        compare(rows, TINY, **arguments)


# Other kinds of task.

TOPICS = {"sea": "waves salt harbour", "war": "cannon siege treaty", "art": "canvas opera sonnet"}
STARS = ["awful", "weak", "fine", "superb"]


def topics(num_rows, seed=0):
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(1, num_rows + 1):
        chosen = tuple(name for name in TOPICS if generator.random() < 0.4)
        words = [word for name in chosen for word in generator.choice(TOPICS[name].split(), 2)]
        rows.append(Row(number=number, text=" ".join(["pages of", *words, "here"]), label=chosen))
    return Table(source="topics.csv", rows=rows, rejects=[])


def stars(num_rows, seed=0):
    generator = np.random.default_rng(seed)
    places = generator.integers(0, 4, num_rows)
    rows = [
        Row(number=number, text=f"number {number % 9}, a {STARS[place]} evening", label=STARS[place])
        for number, place in enumerate(places, 1)
    ]
    return Table(source="stars.csv", rows=rows, rejects=[])


def test_any_number_of_labels():
    strange = Row(number=41, text="pages of the moon", label=("moon",))
    test = topics(40, seed=1)
    test = Table(source="test.csv", rows=[*test.rows, strange], rejects=[])
    result = compare(topics(120), TINY, test=test, names=["majority", "tfidf_lr"])
    assert (result.task, result.measure) == ("multi", "macro_f1")
    ours, majority, linear = result.rows
    assert linear.macro_f1 > 0.9
    assert linear.accuracy < 1  # of whole rows: the strange one is wrong
    assert majority.macro_f1 == 0
    assert majority.parameters == 3 * 2
    for row in result.rows:
        assert 0 <= row.micro_f1 <= 1
        assert row.p_value is None
    assert linear.ours_minus_it.difference == pytest.approx(100 * (ours.macro_f1 - linear.macro_f1))
    assert "textlattice has a macro F1 of" in result.advice
    json.dumps(result.to_dict(), allow_nan=False)


def test_labels_in_an_order():
    names = ["majority", "tfidf_lr", "tfidf_ridge"]
    result = compare(stars(100), TINY, task="ordinal", label_order=STARS, names=names)
    assert (result.task, result.measure) == ("ordinal", "quadratic_weighted_kappa")
    ours, majority, linear, ridge = result.rows
    assert majority.quadratic_weighted_kappa == 0
    assert linear.quadratic_weighted_kappa > 0.9
    assert ridge.quadratic_weighted_kappa > 0.8
    difference = 100 * (ours.quadratic_weighted_kappa - ridge.quadratic_weighted_kappa)
    assert ridge.ours_minus_it.difference == pytest.approx(difference)
    assert "has a quadratic weighted kappa of" in result.advice


def test_test_rows_that_were_trained_on_are_counted():
    class Notes(Progress):
        notes = []  # noqa: RUF012

        def note(self, message):
            self.notes.append(message)

    rows = table(60)
    test = Table(source="t.csv", rows=[*table(9, seed=5).rows, *rows.rows[:3]], rejects=[])
    unseen = {row.text for row in rows.rows}
    expected = sum(row.text in unseen for row in test.rows)
    result = compare(rows, TINY, test=test, names=["majority"], progress=Notes())
    assert result.num_seen == expected >= 3
    assert any(note.startswith(f"duplicates: {expected} of 12 test rows have a text") for note in Notes.notes)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            topics(20),
            {"task": "single"},
            "row 1 of topics.csv has a list of labels, expected one label a row",
        ),
        (stars(20), {"task": "ordinal"}, "expected numbers, got '.*'; name all labels from the lowest"),
        (table(20), {"test": topics(5)}, "row 1 of topics.csv has a list of labels"),
    ],
)
def test_labels_that_do_not_fit_the_task(rows, options, message):
    with pytest.raises(DataError, match=message):
        compare(rows, TINY, **options)
