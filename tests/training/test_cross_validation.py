import json

import numpy as np
import pytest

from conftest import make_reviews, make_stars, make_topics
from textlattice.errors import DataError
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.training import cross_validation
from textlattice.training.checkpoint import Checkpoint, training_run
from textlattice.training.cross_validation import FIGURES, cross_validate

QUICK = preset("tiny").with_settings({"train.steps": 2, "train.threads": 1})
MAKERS = {"single": make_reviews, "multi": make_topics, "ordinal": make_stars}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_row_is_tested_once(kind):
    texts, labels = MAKERS[kind](45)
    found = cross_validate(texts, labels, QUICK, num_folds=3, task=kind)
    assert (found["num_folds"], found["task"]) == (3, kind)
    assert [fold["num_test"] for fold in found["folds"]] == [15, 15, 15]
    assert [fold["num_train"] for fold in found["folds"]] == [30, 30, 30]
    assert found["all_rows"]["num_rows"] == 45
    measure = FIGURES[kind][0]
    figures = [fold[measure] for fold in found["folds"]]
    assert found["mean"][measure] == pytest.approx(np.mean(figures))
    assert found["spread"][measure] == pytest.approx(np.std(figures, ddof=1))
    assert found["all_rows"][measure] == pytest.approx(np.mean(figures))  # folds of one size
    assert found["all_rows"]["intervals"][measure][0] <= found["all_rows"][measure]
    json.dumps(found, allow_nan=False)


def test_a_fold_is_no_training_row_of_its_own_model(monkeypatch):
    texts, labels = make_reviews(30)
    texts = [f"{row} {text}" for row, text in enumerate(texts)]
    seen = []

    def fit(fold_texts, *arguments, **options):
        seen.append(set(fold_texts))
        return original(fold_texts, *arguments, **options)

    original = cross_validation.fit
    monkeypatch.setattr(cross_validation, "fit", fit)
    found = cross_validate(texts, labels, QUICK, num_folds=2)
    assert seen[0] | seen[1] == set(texts)
    assert not seen[0] & seen[1]
    assert sum(fold["num_seen"] for fold in found["folds"]) == 0
    doubled = cross_validate([*texts, *texts], [*labels, *labels], QUICK, num_folds=2)
    assert sum(fold["num_seen"] for fold in doubled["folds"]) > 0


def test_groups_are_kept_whole(monkeypatch):
    texts, labels = make_reviews(30)
    groups = [str(row // 3) for row in range(30)]
    given = []

    def fit(*arguments, groups, **options):
        given.append(set(groups))
        return original(*arguments, groups=groups, **options)

    original = cross_validation.fit
    monkeypatch.setattr(cross_validation, "fit", fit)
    cross_validate(texts, labels, QUICK, num_folds=2, groups=groups)
    assert not given[0] & given[1]
    assert given[0] | given[1] == set(groups)


def test_validation_rows_choose_for_every_fold(monkeypatch):
    texts, labels = make_reviews(40)
    chosen_by = texts[30:], labels[30:]
    given = []

    def fit(*arguments, validation, **options):
        given.append(validation)
        return original(*arguments, validation=validation, **options)

    original = cross_validation.fit
    monkeypatch.setattr(cross_validation, "fit", fit)
    cross_validate(texts[:30], labels[:30], QUICK, num_folds=2, validation=chosen_by)
    assert given == [chosen_by, chosen_by]


def test_a_label_that_a_model_has_not_seen_is_an_error():
    texts, labels = make_reviews(30)
    found = cross_validate([*texts, "odd one"], [*labels, "odd"], QUICK, num_folds=3)
    assert found["all_rows"]["per_class"]["odd"]["recall"] == 0
    assert found["all_rows"]["num_unknown_labels"] == 0  # the whole table knows it


@pytest.mark.parametrize(
    ("num_rows", "num_folds", "message"),
    [
        (4, 5, "number of folds must lie between 2 and the number of rows, got 5 folds for 4 rows"),
        (2, 2, "expected rows of two or more labels outside each fold, got 1"),
    ],
)
def test_too_few_rows(num_rows, num_folds, message):
    texts, labels = make_reviews(num_rows)
    with pytest.raises(DataError, match=message):
        cross_validate(texts, labels, QUICK, num_folds=num_folds)


def test_folds_of_a_checkpoint_are_not_trained_again(tmp_path, monkeypatch):
    texts, labels = make_topics(24)
    whole = cross_validate(texts, labels, QUICK, num_folds=3)
    original, calls = cross_validation.fit, []

    def fit(*arguments, **options):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(cross_validation, "fit", fit)
    run = training_run(QUICK, {"rows": [texts, labels]}, threads=1)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(
            texts, labels, QUICK, num_folds=3, checkpoint=Checkpoint(tmp_path / "model.checkpoint", run)
        )
    again = Checkpoint(tmp_path / "model.checkpoint", run)
    again.resume()
    assert cross_validate(texts, labels, QUICK, num_folds=3, checkpoint=again) == whole
    assert len(calls) == 4  # of the last fold alone


def test_progress_hears_of_each_fold():
    class Notes(Progress):
        notes = []  # noqa: RUF012

        def note(self, message):
            self.notes.append(message)

    cross_validate(*make_reviews(30), QUICK, num_folds=2, progress=Notes())
    assert [note for note in Notes.notes if note.startswith("fold ")] == ["fold 1 of 2", "fold 2 of 2"]
