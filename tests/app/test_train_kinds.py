"""`train` with other kinds of labels, folds, groups."""

import csv
import json
import re

import pytest

from conftest import make_stars, make_topics
from textlattice import load
from textlattice.runtime.training_texts import read_training_texts

QUICK = ("--preset", "tiny", "--steps", "2", "--threads", "1")


@pytest.fixture
def stars(tmp_path):
    """A table of sixty rows with stars and authors."""
    return write(tmp_path / "stars.csv", *make_stars(60), [f"author {row % 12}" for row in range(60)])


def write(path, texts, labels, authors=None):
    names = ["text", "label"] + (["author"] if authors else [])
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = zip(texts, labels, *([authors] if authors else []), strict=True)
        csv.writer(stream).writerows([names, *rows])
    return path


def record_of(folder):
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))


def test_any_number_of_labels_in_a_cell(cli, tmp_path):
    texts, labels = make_topics(60)
    table = write(tmp_path / "topics.csv", texts, ["|".join(row) or "none" for row in labels])
    ran = cli("train", table, "-o", tmp_path / "model", *QUICK, "--label-separator", "|")
    assert ran.code == 0, ran.err
    assert "4 labels, any number a text" in ran.out
    assert "micro F1 on held-out rows" in ran.out
    assert "micro F1" in ran.err
    predictor = load(tmp_path / "model")
    assert predictor.task.labels == ("art", "none", "sea", "war")
    assert isinstance(predictor.predict(texts[:1])[0], tuple)
    assert record_of(tmp_path / "model")["task"] == "multi"


def test_stars_in_an_order(cli, stars, tmp_path):
    ran = cli("train", stars, "-o", tmp_path / "model", *QUICK, "--task", "ordinal")
    assert ran.code == 0, ran.err
    assert "5 labels in an order" in ran.out
    assert load(tmp_path / "model").task.kind == "ordinal"
    order = ("--task", "ordinal", "--label-order", "5,4, 3,2,1")
    assert cli("train", stars, "-o", tmp_path / "model", *QUICK, *order).code == 0
    assert load(tmp_path / "model").task.labels == ("5", "4", "3", "2", "1")


def test_whole_numbers_suggest_an_order(cli, stars, tmp_path):
    ran = cli("train", stars, "-o", tmp_path / "model", *QUICK)
    assert "--task ordinal makes use of it" in ran.err
    assert load(tmp_path / "model").task.kind == "single"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            ["--task", "ordinal", "--label-order", "1,2"],
            1,
            "--label-order: expected every label of the training rows",
        ),
        (["--label-order", "1,2,3,4,5"], 1, "an order of labels is for the task ordinal, got it for single"),
        (["--group", "writer"], 1, "expected a column 'writer' of groups, got none"),
        (["--folds", "1"], 2, "--folds.: Input should be greater than or equal to 2"),
        (["--no-final"], 2, "goes with --folds alone"),
        (
            ["--folds", "100"],
            1,
            "number of folds must lie between 2 and the number of rows, got 100 folds for 60",
        ),
    ],
)
def test_what_is_refused(cli, stars, tmp_path, options, code, message):
    ran = cli("train", stars, "-o", tmp_path / "model", *QUICK, *options)
    assert ran.code == code
    assert re.search(message, " ".join(ran.err.split()))


def test_a_folder_is_needed(cli, stars):
    ran = cli("train", stars, *QUICK)
    assert ran.code == 2
    assert "give the model folder; only --folds with --no-final needs none" in " ".join(ran.err.split())


def test_folds_are_tested_before_the_model_is_trained(cli, stars, tmp_path):
    ran = cli("train", stars, "-o", tmp_path / "model", *QUICK, "--task", "ordinal", "--folds", "2")
    assert ran.code == 0, ran.err
    kept = record_of(tmp_path / "model")["cross_validation"]
    assert [fold["num_test"] for fold in kept["folds"]] == [30, 30]
    assert kept["all_rows"]["num_rows"] == 60
    for words in ("2-fold cross-validation", "quadratic weighted kappa", "mean", "spread", "all rows"):
        assert words in ran.out
    assert load(tmp_path / "model").task.kind == "ordinal"
    assert not (tmp_path / "model.checkpoint").exists()


def test_folds_alone_write_nothing(cli, stars, tmp_path):
    ran = cli("train", stars, *QUICK, "--folds", "2", "--no-final", "--json")
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    assert set(result) == {"source", "cross_validation"}
    assert result["cross_validation"]["task"] == "single"
    assert [path.name for path in tmp_path.iterdir()] == ["stars.csv"]
    assert "2-fold cross-validation" in cli("train", stars, *QUICK, "--folds", "2", "--no-final").out


def test_groups_reach_slices_and_folds(cli, stars, tmp_path, monkeypatch):
    from textlattice.data.splits import stratified_folds as original

    given = []

    def folds(names, num_folds, *, seed, groups):
        given.append((num_folds, groups))
        return original(names, num_folds, seed=seed, groups=groups)

    for module in ("cross_fit", "cross_validation"):
        monkeypatch.setattr(f"textlattice.training.{module}.stratified_folds", folds)
    ran = cli("train", stars, "-o", tmp_path / "model", *QUICK, "--group", "author", "--folds", "2")
    assert ran.code == 0, ran.err
    assert [count for count, _ in given] == [2, 3, 3, 3]
    assert given[0][1] == [f"author {row % 12}" for row in range(60)]
    assert set(given[1][1]) & set(given[2][1]) == set()


def test_duplicates_are_told_and_kept(cli, tmp_path):
    texts, labels = make_stars(40)
    rows = write(tmp_path / "rows.csv", [*texts, *texts[:5]], [*labels, *labels[:5]])
    ran = cli("train", rows, "-o", tmp_path / "model", *QUICK)
    record = record_of(tmp_path / "model")["duplicates"]
    assert record["repeated_rows"] == 5
    assert f"duplicates: {record['across_folds']} rows have a text" in ran.err
    assert len(read_training_texts(tmp_path / "model")) == 40
    again = write(tmp_path / "again.csv", texts[:3], labels[:3])
    ran = cli("train", rows, "-o", tmp_path / "model", *QUICK, "--validation", again)
    assert "3 validation rows and " in ran.err or "2 validation rows and " in ran.err


def test_a_cut_training_with_folds_goes_on(cli, stars, tmp_path, monkeypatch):
    from textlattice.training import cross_validation

    options = ("--folds", "2", "--json")
    whole = json.loads(cli("train", stars, "-o", tmp_path / "whole", *QUICK, *options).out)
    original, calls = cross_validation.fit, []

    def fit(*arguments, **choices):
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments, **choices)

    monkeypatch.setattr(cross_validation, "fit", fit)
    assert cli("train", stars, "-o", tmp_path / "cut", *QUICK, *options).code != 0
    ran = cli("train", stars, "-o", tmp_path / "cut", *QUICK, *options, "--resume")
    assert ran.code == 0, ran.err
    assert len(calls) == 3
    assert json.loads(ran.out)["cross_validation"] == whole["cross_validation"]
    for name in ("model.safetensors", "vocabulary.safetensors", "config.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
