import itertools
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from textlattice.errors import ConfigError, DataError
from textlattice.evaluation.calibrate import Mixture
from textlattice.models.torch_backend import TorchBackend
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.task import Task
from textlattice.text.document import TextReader
from textlattice.training import fitting, network, objectives
from textlattice.training.documents import read_texts
from textlattice.training.fit import fit
from textlattice.training.fitting import Fitting
from textlattice.training.network import network_logits
from textlattice.training.save import predictor_of
from textlattice.training.selection import Candidate, Judge
from textlattice.training.wide import WideFitter, read_keys

QUICK = preset("tiny").with_settings({"train.steps": 4, "train.threads": 1})


@pytest.fixture
def with_slices(monkeypatch):
    """Held-out slices of ten rows in place of cross-fitting, as from 2,000 rows on."""
    monkeypatch.setattr("textlattice.training.fit.CROSS_FIT_BELOW", 30)
    monkeypatch.setattr("textlattice.training.slices.slice_sizes", lambda num_rows: 10)


# What is learned.


def test_learns_a_small_table(tiny_texts):
    texts, labels = tiny_texts
    trained = fit(texts, labels, QUICK)
    assert trained.task.labels == ("bad", "good")
    assert trained.task.priors == (0.5, 0.5)
    assert not trained.model.training
    answers = predictor_of(trained).predict(texts)
    assert np.mean([a == b for a, b in zip(answers, labels, strict=True)]) > 0.8


def test_the_same_settings_give_the_same_bits(tiny_texts):
    results = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002
        trained = fit(*tiny_texts, QUICK)
        results.append((trained.model.state_dict(), trained.task, trained.record["sum"]))
    assert results[0][1:] == results[1][1:]
    assert all(torch.equal(value, results[1][0][name]) for name, value in results[0][0].items())


def test_the_number_of_threads_is_put_back(tiny_texts):
    before = torch.get_num_threads()
    fit(*tiny_texts, QUICK)
    assert torch.get_num_threads() == before


def test_record_of_cross_fitting(tiny_texts):
    texts, labels = tiny_texts
    record = fit([*texts, ""], [*labels, "bad"], QUICK).record
    assert record["num_rows"] == 61
    assert record["num_empty_rows"] == 1
    assert record["slices"] == {"fit": 60, "folds": 3}
    assert [entry["epoch"] for entry in record["history"]] == [1]  # four batches an epoch, four steps
    assert record["network"]["steps"] == 4
    assert record["cross_fitting"]["steps"] == 9  # three batches an epoch in each fold
    assert all(0 <= entry["accuracy"] <= 1 for entry in record["history"])
    assert set(record["wide"]["selection_log_loss"]) == {"0.03", "0.1", "0.3", "1.0"}
    assert record["network"]["stopped"] is None
    assert record["sum"]["epoch"] in (0, 1)


def test_record_of_slices(tiny_texts, with_slices):
    record = fit(*tiny_texts, QUICK).record
    assert record["slices"] == {"fit": 40, "selection": 10, "calibration": 10}
    assert record["network"]["steps"] == 4
    best = min(record["history"], key=lambda entry: entry["log_loss"])
    assert record["sum"]["epoch"] == best["epoch"]


def test_validation_takes_the_place_of_the_selection_slice(tiny_texts, monkeypatch):
    monkeypatch.setattr("textlattice.training.slices.slice_sizes", lambda num_rows: 10)
    texts, labels = tiny_texts
    validation = ([*texts[:8], "", "unheard of"], [*labels[:8], "good", "neither"])
    record = fit(texts, labels, QUICK, validation=validation).record
    assert record["slices"] == {"fit": 50, "selection": 8, "calibration": 10}


@pytest.mark.parametrize(("num_rows", "calibration"), [(60, 12), (3, 1)])
def test_validation_of_a_small_table(tiny_texts, num_rows, calibration):
    texts, labels = tiny_texts
    record = fit(texts[:num_rows], labels[:num_rows], QUICK, validation=(texts[:8], labels[:8])).record
    assert record["slices"] == {"fit": num_rows - calibration, "selection": 8, "calibration": calibration}


def test_patience(tiny_texts, with_slices, monkeypatch):
    losses = iter([0.5, 0.4, 0.6, 0.7, 0.8, 0.1])

    def sum_of(judge, wide, deep):
        figures = dict.fromkeys(("accuracy", "deep_log_loss", "deep_accuracy", "wide_accuracy"), 0.5)
        return Mixture(a=1.0, b=1.0), figures | {"log_loss": next(losses), "a": 1.0, "b": 1.0}

    monkeypatch.setattr(Judge, "sum_of", sum_of)
    config = QUICK.with_settings({"train.steps": None, "train.epochs": 6, "train.patience": 2})
    record = fit(*tiny_texts, config).record
    assert [entry["log_loss"] for entry in record["history"]] == [0.5, 0.4, 0.6, 0.7, 0.8]
    assert record["sum"]["epoch"] == 2  # epochs of the first half do not count against it


def test_both_branches_stand_in_the_model_on_their_common_scale(tiny_texts):
    texts, labels = tiny_texts
    fitting = Fitting(QUICK, Task(labels=("bad", "good"), priors=(0.5, 0.5)), Progress())
    corpus, rows = fitting.corpus(read_texts(texts, TextReader(config=QUICK.text), Progress()), labels, None)
    assert rows.tolist() == list(range(60))
    regressions = fitting.objective.regressions(corpus.targets, np.ones(60))
    wide = WideFitter(corpus.ngrams, regressions).fit(0.3, Progress())
    model, collator = fitting.build(corpus, wide)
    deep = network_logits(model.eval(), collator, corpus.documents)
    joined = fitting.join(model, collator, Candidate(mixture=Mixture(a=2.0, b=0.5)), wide)
    assert joined is collator
    found = TorchBackend(model)
    batch = collator.collate(corpus.documents)
    logits = found.classify(batch, found.encode_forms(batch.forms))
    expected = 2 * wide.logits(read_keys(corpus.documents, QUICK.text, Progress())[1]) + 0.5 * deep
    np.testing.assert_allclose(logits, expected, atol=1e-4)


# What is asked for.


def test_balanced_classes_and_weights_reach_the_wide_branch(tiny_texts):
    texts, labels = tiny_texts
    kept = [row for row in range(60) if labels[row] == "good" or row < 20]  # 30 good, 10 bad
    texts, labels = [texts[row] for row in kept], [labels[row] for row in kept]

    def lean(config, sample_weight=None):
        trained = fit(texts, labels, config, sample_weight=sample_weight)
        bias = trained.model.wide.bias
        return float(bias[1] - bias[0]) / trained.record["sum"]["a"]

    plain = lean(QUICK)
    assert lean(QUICK.with_settings({"train.class_weight": "balanced"})) < plain
    assert lean(QUICK, [3.0 if label == "bad" else 1.0 for label in labels]) < plain


def test_groups_stay_on_one_side(tiny_texts, monkeypatch):
    texts, labels = tiny_texts
    groups = [str(row // 4) for row in range(60)]
    seen = []

    def folds(names, num_folds, *, seed, groups):
        seen.append(groups)
        return original(names, num_folds, seed=seed, groups=groups)

    from textlattice.data.splits import stratified_folds as original

    monkeypatch.setattr("textlattice.training.cross_fit.stratified_folds", folds)
    fit(
        [*texts[:5], "", *texts[5:]],
        [*labels[:5], "bad", *labels[5:]],
        QUICK,
        groups=[*groups[:5], "x", *groups[5:]],
    )
    assert seen == [groups]  # the group of the empty text went with it


# What cannot be learned.


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ([], [], "rows of two or more labels, got no rows"),
        (
            ["a", "b"],
            ["x", "x"],
            "rows of two or more labels, got only 'x' in 2 rows; check the label column",
        ),
        (["a", "b"], ["x"], "one label .* a text, got 2 texts, 1 labels and no weights"),
        (["a", "b", ""], ["x", "y", "x"], "at least 3 texts with a token, got 2; check the text column"),
        (["", " \t"], ["x", "y"], "at least one text with a token, got none; check the text column"),
    ],
)
def test_no_rows_to_learn_from(texts, labels, message):
    with pytest.raises(DataError, match=message):
        fit(texts, labels, QUICK)


def test_one_weight_a_text():
    with pytest.raises(DataError, match="got 2 texts, 2 labels and 1 weights"):
        fit(["a", "b"], ["x", "y"], QUICK, sample_weight=[1.0])


def test_a_label_seen_once_has_its_place(tiny_texts):
    texts, labels = tiny_texts
    trained = fit([*texts, "quite another thing"], [*labels, "rare"], QUICK)
    assert trained.task.labels == ("bad", "good", "rare")
    assert trained.task.priors[2] == pytest.approx(1 / 61)
    probabilities = predictor_of(trained).probabilities(texts)
    assert np.isfinite(probabilities).all()


@pytest.mark.parametrize("num_rows", [3, 4, 7])
def test_a_handful_of_rows(num_rows):
    texts = ["good day", "bad night", "so good", "so bad", "good", "bad", "a good one"][:num_rows]
    labels = (["good", "bad"] * 4)[:num_rows]
    trained = fit(texts, labels, QUICK)
    assert np.isfinite(predictor_of(trained).probabilities(texts)).all()


def test_rows_of_the_same_text_and_different_labels():
    trained = fit(["same"] * 12, ["a", "b"] * 6, QUICK)
    np.testing.assert_allclose(predictor_of(trained).probabilities(["same"]), [[0.5, 0.5]], atol=0.15)


@pytest.mark.parametrize("slices", [False, True])
def test_a_loss_that_is_not_a_number_leaves_what_was_good(tiny_texts, monkeypatch, request, slices):
    if slices:
        request.getfixturevalue("with_slices")
    calls = []
    original = objectives.cross_entropy

    def spoilt(*arguments, **options):
        calls.append(None)
        return original(*arguments, **options) * (math.nan if len(calls) >= 4 else 1)

    monkeypatch.setattr(objectives, "cross_entropy", spoilt)
    trained = fit(*tiny_texts, QUICK.with_settings({"train.steps": 9}))
    assert "the loss or its gradient was not finite at step" in trained.record["network"]["stopped"]
    assert trained.record["network"]["diverged"]
    assert all(value.isfinite().all() for value in trained.model.state_dict().values())
    answers = predictor_of(trained).predict(tiny_texts[0])
    assert np.mean([a == b for a, b in zip(answers, tiny_texts[1], strict=True)]) > 0.8
    if not slices:  # no network was chosen, so the wide branch answers alone
        assert trained.record["sum"]["b"] == 0


def test_a_budget_is_kept(tiny_texts):
    trained = fit(*tiny_texts, QUICK.with_settings({"train.steps": 100_000, "train.max_minutes": 0.05}))
    assert trained.record["seconds"] < 15
    assert np.isfinite(predictor_of(trained).probabilities(tiny_texts[0])).all()


@pytest.mark.parametrize("num_rows", [31, 49, 60])
def test_folds_of_any_size_choose_an_epoch_that_all_of_them_reached(tiny_texts, num_rows):
    texts, labels = tiny_texts
    config = QUICK.with_settings({"train.steps": None, "train.epochs": 5, "train.batch_size": 16})
    record = fit(texts[:num_rows], labels[:num_rows], config).record
    epochs = [entry["epoch"] for entry in record["history"]]
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) >= 4
    assert record["network"]["steps"] == record["sum"]["epoch"] * -(-num_rows // 16)


def test_cross_fitting_within_a_budget_keeps_the_network(tiny_texts, monkeypatch):
    reads = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: 0.005 * next(reads), strftime=time.strftime, gmtime=time.gmtime)
    for module in (fitting, network):  # the same time passes however busy the machine is
        monkeypatch.setattr(module, "time", clock)
    config = QUICK.with_settings({"train.steps": None, "train.epochs": 10_000, "train.max_minutes": 0.1})
    record = fit(*tiny_texts, config).record
    assert record["sum"]["b"] > 0
    assert record["network"]["steps"] > 0
    assert record["seconds"] < 1.2 * 6


@pytest.mark.parametrize("seed", [2**24, 20261120, 2**32 - 1])
def test_any_seed_will_do(tiny_texts, seed):
    trained = fit(*tiny_texts, QUICK.with_settings({"train.seed": seed}))
    assert trained.record["network"]["steps"] == 4


def test_validation_labels_that_training_has_not_seen_are_told(tiny_texts):
    class Notes(Progress):
        def __init__(self):
            self.notes = []

        def note(self, message):
            self.notes.append(message)

    texts, labels = tiny_texts
    notes = Notes()
    fit(texts, labels, QUICK, validation=(texts[:4], [*labels[:3], "other"]), progress=notes)
    assert "validation: 1 of 4 rows left out, for no training row has their label ('other')" in notes.notes
    with pytest.raises(DataError, match="got only others, such as 'other'; check the label column"):
        fit(texts, labels, QUICK, validation=(texts[:2], ["other", "other"]))


def test_a_label_may_end_in_any_character(tiny_texts):
    texts, labels = tiny_texts
    trained = fit(texts, [label + "\0" for label in labels], QUICK)
    assert trained.task.labels == ("bad\0", "good\0")
    assert trained.record["slices"]["fit"] == 60


def test_settings_are_checked_before_anything_is_read():
    with pytest.raises(ConfigError, match=r"train\.steps must be positive, got 0"):
        QUICK.with_settings({"train.steps": 0})


# Odd texts.

ODD_TEXTS = [
    "",
    "   \n\t",
    "\x00\x01\x1b[31m\x7f",
    "\u202eright to left\u202c مرحبا بالعالم",
    "👩‍👩‍👧‍👦" * 40,
    "\ud800 lone surrogate \udfff",
    "one",
    "?",
    "word " * 3_000,
    "x" * 20_000,
    "\u200b\ufeff",
    "e\u0301" * 50,
    "中文没有空格" * 20,
]


def test_odd_texts_train_and_predict():
    texts = [*ODD_TEXTS, *ODD_TEXTS]
    labels = ["a"] * len(ODD_TEXTS) + ["b"] * len(ODD_TEXTS)
    trained = fit(texts, labels, QUICK)
    answers = list(predictor_of(trained).answers(ODD_TEXTS))
    empty = [place for place, answer in enumerate(answers) if answer.status == "empty"]
    assert empty == [0, 1, 10] or empty == [0, 1, 2, 10]
    for answer in answers:
        assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answers[0].probabilities == {"a": 0.5, "b": 0.5}
