"""Texts with any number of labels, and with labels in an order, on tables made up here."""

import numpy as np
import pytest

from textlattice.evaluation import calibrate
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.training.fit import fit
from textlattice.training.save import model_card, predictor_of

QUICK = preset("tiny").with_settings({"train.steps": 4, "train.threads": 1})
TOPICS = {"sea": "waves salt harbour", "war": "cannon siege treaty", "art": "canvas opera sonnet"}
STARS = ("awful dull", "weak thin", "plain fair", "fine warm", "superb radiant")


def topics(num_rows):
    draw = np.random.default_rng(5)
    texts, labels = [], []
    for number in range(num_rows):
        chosen = [name for name in TOPICS if draw.random() < (0.4 if name != "art" else 0.3)]
        words = [word for name in chosen for word in draw.choice(TOPICS[name].split(), 2)]
        texts.append(f"page {number % 7} tells of {' '.join(draw.permutation(words))} and more")
        labels.append(tuple(chosen))
    return texts, labels


def stars(num_rows):
    draw = np.random.default_rng(6)
    places = draw.integers(0, 5, num_rows)
    near = np.clip(places + draw.integers(-1, 2, num_rows), 0, 4)
    texts = [
        f"a {draw.choice(STARS[place].split())} and {draw.choice(STARS[other].split())} evening"
        for place, other in zip(places, near, strict=True)
    ]
    return texts, [str(place + 1) for place in places]


class Notes(Progress):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


@pytest.fixture(params=["folds", "slices"])
def way(request, monkeypatch):
    if request.param == "slices":
        monkeypatch.setattr("textlattice.training.fit.CROSS_FIT_BELOW", 30)
        monkeypatch.setattr("textlattice.training.slices.slice_sizes", lambda num_rows: 30)
    return request.param


def test_any_number_of_labels(way):
    texts, labels = topics(150)
    trained = fit(texts, labels, QUICK)
    task, record = trained.task, trained.record
    assert (task.kind, task.labels) == ("multi", ("art", "sea", "war"))
    assert task.priors[1] == pytest.approx(np.mean(["sea" in row for row in labels]))
    assert all(0 < threshold < 1 for threshold in task.thresholds)
    assert any(threshold != 0.5 for threshold in task.thresholds)
    assert (record["task"], record["measure"]) == ("multi", "micro_f1")
    assert all(0 <= entry["micro_f1"] <= 1 for entry in record["history"])
    new_texts, new_labels = topics(200)
    answers = list(predictor_of(trained).answers(new_texts[150:]))
    assert (
        np.mean([answer.label == label for answer, label in zip(answers, new_labels[150:], strict=True)])
        > 0.7
    )
    assert max(sum(answer.probabilities.values()) for answer in answers) > 1.1


def test_labels_in_an_order(way):
    texts, labels = stars(150)
    trained = fit(texts, labels, QUICK, task="ordinal")
    task, record = trained.task, trained.record
    assert (task.kind, task.labels) == ("ordinal", ("1", "2", "3", "4", "5"))
    assert len(task.cut_points) == 4
    assert trained.model.wide.weight.shape[1] == trained.model.head.output.out_features == 1
    assert (record["task"], record["measure"]) == ("ordinal", "accuracy")
    new_texts, new_labels = stars(250)
    answers = predictor_of(trained).predict(new_texts[150:])
    distance = np.abs(np.array(answers, int) - np.array(new_labels[150:], int))
    assert distance.mean() < 0.7  # chance: 1.6
    low, high = predictor_of(trained).logits(["awful dull evening", "superb radiant evening"])[:, 0]
    assert low < high


def test_the_order_that_is_given_is_the_order_of_the_scores():
    texts, labels = stars(90)
    order = ["5", "4", "3", "2", "1"]
    trained = fit(texts, labels, QUICK, task="ordinal", label_order=order)
    assert list(trained.task.labels) == order
    low, high = predictor_of(trained).logits(["superb radiant evening", "awful dull evening"])[:, 0]
    assert low < high


@pytest.mark.parametrize(("make", "kind"), [(topics, "multi"), (stars, "ordinal")])
def test_the_same_settings_give_the_same_bits_in_every_kind(make, kind):
    texts, labels = make(60)
    first, second = (fit(texts, labels, QUICK, task=kind) for _ in range(2))
    assert first.task == second.task
    state = second.model.state_dict()
    assert all((value == state[name]).all() for name, value in first.model.state_dict().items())


@pytest.mark.parametrize(("class_weight", "odds"), [("none", 3.0), ("balanced", 1.0)])
def test_weights_reach_the_wide_branch_of_multi(class_weight, odds):
    """Of eighty rows without a sign of it a quarter have the label, and weigh three times as much as the others."""
    texts, labels = topics(80)
    labels = [(*row, "new") if number % 4 == 0 else row for number, row in enumerate(labels)]
    config = QUICK.with_settings({"train.class_weight": class_weight})
    biases = [
        fit(texts, labels, config, sample_weight=weights).model.wide.bias[1].item()
        for weights in (None, [3.0 if "new" in row else 1.0 for row in labels])
    ]
    if class_weight == "balanced":  # equal mass on both sides, whatever the rows weigh
        assert biases[0] == pytest.approx(biases[1], abs=0.05)
    else:
        assert biases[1] > biases[0] + 0.3


def test_balanced_classes_of_an_order_move_the_middle():
    texts, labels = stars(200)
    kept = [row for row in range(200) if labels[row] in "45" or row % 5 == 0]
    texts, labels = [texts[row] for row in kept], [labels[row] for row in kept]
    shares = [
        predictor_of(fit(texts, labels, QUICK.with_settings({"train.class_weight": weight}), task="ordinal"))
        .probabilities(["evening"])[0, :2]
        .sum()
        for weight in ("none", "balanced")
    ]
    assert shares[1] > shares[0] + 0.05


def test_every_held_out_fit_reads_the_weights(way, monkeypatch):
    texts, labels = stars(90)
    seen = {"fit_temperature": [], "fit_mixture": []}
    for name, module in (("fit_temperature", "fitting"), ("fit_mixture", "selection")):
        function = getattr(calibrate, name)

        def listening(*arguments, weights, original=function, heard=seen[name], **options):
            heard.append(weights)
            return original(*arguments, weights=weights, **options)

        monkeypatch.setattr(f"textlattice.training.{module}.{name}", listening)
    fit(texts, labels, QUICK, task="ordinal", sample_weight=[1.0 + row % 2 for row in range(90)])
    assert len(seen["fit_temperature"]) == 1
    assert len(seen["fit_mixture"]) > 3
    for weights in (*seen["fit_temperature"], *seen["fit_mixture"]):
        np.testing.assert_allclose(np.unique(weights), [2 / 3, 4 / 3], rtol=1e-6)


# The edges.


def test_rows_without_a_label_teach_that_none_applies():
    texts, labels = topics(60)
    assert () in labels
    trained = fit(texts, labels, QUICK)
    assert trained.record["slices"]["fit"] == 60
    assert predictor_of(trained).predict(["page 3 tells of and more"]) == [()]


def test_a_label_of_every_row_and_a_label_of_one():
    texts, labels = topics(60)
    labels = [(*row, "text") for row in labels]
    labels[17] = (*labels[17], "rare")
    trained = fit(texts, labels, QUICK)
    probabilities = dict(zip(trained.task.labels, predictor_of(trained).probabilities(texts).T, strict=True))
    assert probabilities["text"].min() > 0.9
    assert probabilities["rare"].max() < 0.5
    assert dict(zip(trained.task.labels, trained.task.thresholds, strict=True))["rare"] == 0.5


def test_an_empty_text_of_every_kind():
    for make, kind in ((topics, "multi"), (stars, "ordinal")):
        texts, labels = make(40)
        answerer = predictor_of(fit([*texts, ""], [*labels, labels[0]], QUICK, task=kind))
        (answer,) = answerer.answers(["\u200b"])
        assert answer.status == "empty"
        assert tuple(answer.probabilities.values()) == pytest.approx(answerer.task.priors)
        assert np.isfinite(answerer.logits([""])).all()
        (expected,) = answerer.task.names(answerer.task.decide(np.array([answerer.task.priors])))
        assert answer.label == expected


def test_validation_rows_with_strange_labels_keep_what_is_known():
    texts, labels = topics(60)
    notes = Notes()
    validation = texts[:9], [["moon", *row] for row in labels[:9]]
    record = fit(texts, labels, QUICK, validation=validation, progress=notes).record
    assert record["slices"]["selection"] == 9
    assert "validation: 9 of 9 rows lose a label, for no training row has their label ('moon')" in notes.notes


@pytest.mark.parametrize(("make", "kind"), [(topics, "multi"), (stars, "ordinal")])
@pytest.mark.parametrize("num_rows", [5, 9])
def test_a_handful_of_rows_of_every_kind(make, kind, num_rows):
    texts, labels = make(num_rows)
    trained = fit(texts, labels, QUICK, task=kind)
    assert np.isfinite(predictor_of(trained).probabilities(texts)).all()


def test_two_classes_in_an_order():
    texts, labels = stars(60)
    labels = ["low" if int(label) < 3 else "high" for label in labels]
    trained = fit(texts, labels, QUICK, task="ordinal", label_order=["low", "high"])
    assert np.mean(np.array(predictor_of(trained).predict(texts)) == labels) > 0.8


def test_a_folder_without_any_signal_gives_the_shares():
    texts = ["the same words"] * 24
    for kind, labels in (("multi", [("a",), ("a", "b"), ()] * 8), ("ordinal", ["1", "2", "3", "3"] * 6)):
        answerer = predictor_of(fit(texts, labels, QUICK, task=kind))
        np.testing.assert_allclose(answerer.probabilities(texts[:1])[0], answerer.task.priors, atol=0.25)


# Duplicates.


def test_repeated_texts_are_counted_and_told(way):
    texts, labels = stars(60)
    texts = [f"{number} {text}" for number, text in enumerate(texts)]
    notes = Notes()
    record = fit([*texts, *texts[:6]], [*labels, *labels[:6]], QUICK, progress=notes).record["duplicates"]
    assert record["repeated_rows"] == 6
    told = [note for note in notes.notes if note.startswith("duplicates: ")]
    if way == "folds":
        assert 0 < record["across_folds"] <= 12
        assert told == [
            f"duplicates: {record['across_folds']} rows have a text that stands in another fold too, so they say less "
            "of new texts"
        ]
    else:
        assert 0 < record["selection_in_fit"] + record["calibration_in_fit"] <= 12
        assert told[0].startswith(f"duplicates: {record['selection_in_fit']} selection rows and ")


def test_validation_rows_that_stand_in_the_training_rows_are_told():
    texts, labels = stars(60)
    texts = [f"{number} {text}" for number, text in enumerate(texts)]
    notes = Notes()
    validation = ([*texts[:2], "quite new"], ["1", "2", "3"])
    record = fit(texts, labels, QUICK, validation=validation, progress=notes).record["duplicates"]
    assert record["selection_in_fit"] <= 2
    assert any(
        note.startswith(f"duplicates: {record['selection_in_fit']} validation rows") for note in notes.notes
    )


# The card.


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (
            topics,
            "multi",
            [
                "any number of 3 labels",
                "F1 over all labels on the rows",
                "each from a probability of its own",
            ],
        ),
        (
            stars,
            "ordinal",
            ["one of 5 labels in an order, from `1` to `5`", "Accuracy on the rows that chose"],
        ),
    ],
)
def test_the_card_says_what_a_label_is(make, kind, words):
    trained = fit(*make(60), QUICK, task=kind)
    card = model_card(trained, {"name": "pages"})
    for part in words:
        assert part in card
