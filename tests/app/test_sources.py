"""Sources that are no plain table of one label a row, through the commands."""

import csv
import gzip
import json
import sys

import pytest

from textlattice import load

QUICK = ("--preset", "tiny", "--epochs", "1", "--threads", "1", "--task", "single")


@pytest.fixture
def reviews(tmp_path, tiny_texts):
    """Sixty reviews in fastText format, packed."""
    path = tmp_path / "reviews.txt.gz"
    lines = [f"__label__{label} {text}\n" for text, label in zip(*tiny_texts, strict=True)]
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def test_packed_text_in_fasttext_format_trains_and_is_measured(cli, reviews, tiny_folder, tmp_path):
    ran = cli("train", reviews, "-o", tmp_path / "model", *QUICK, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["source"]["num_rows"] == 60
    assert load(tmp_path / "model").task.labels == ("bad", "good")
    ran = cli("evaluate", tiny_folder, reviews, "--json")
    assert json.loads(ran.out)["num_rows"] == 60


def test_answers_to_packed_text_in_fasttext_format(cli, reviews, tiny_folder, tiny_texts, tmp_path):
    expected = load(tiny_folder).predict(tiny_texts[0])
    ran = cli("predict", tiny_folder, reviews)
    assert ran.code == 0
    assert [json.loads(line)["label"] for line in ran.out.splitlines()] == expected
    assert cli("predict", tiny_folder, reviews, "-o", tmp_path / "answers.csv").code == 0
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["text", "label", "predicted_label", "probability", "status", "error"]
    assert [row["label"] for row in rows] == tiny_texts[1]
    assert [row["predicted_label"] for row in rows] == expected


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_gzip_file_that_breaks_off_is_answered_up_to_there(cli, tiny_folder, tmp_path, suffix):
    source, target = tmp_path / "texts.csv.gz", tmp_path / f"answers{suffix}"
    source.write_bytes(gzip.compress(b"id,text\n1,a film\n2,a play\n3,a b") + gzip.compress(b"ook\n")[:12])
    ran = cli("predict", tiny_folder, source, "-o", target, "--strict")
    assert ran.code == 1
    assert ran.err == "3 rows, 1 not answered (1 corrupt_gzip)\n"
    if suffix == ".jsonl":
        assert json.loads(target.read_text().splitlines()[-1]) == {"row": 3, "error": "corrupt_gzip"}
    elif suffix == ".csv":
        assert [line.partition(",")[0] for line in target.read_text().splitlines()] == ["id", "1", "2", ""]


def test_lists_of_labels_are_refused_by_a_model_of_one_label_a_text(cli, tiny_folder, tmp_path):
    table = tmp_path / "lists.jsonl"
    table.write_text('{"text": "a", "label": "good"}\n{"text": "b", "label": ["good", "bad"]}\n')
    message = (
        f"row 2 of {table} has a list of labels, expected one label a row; a model for lists of labels is trained with "
        "--task multi"
    )
    for words in (["train", table, "-o", tmp_path / "model", *QUICK], ["evaluate", tiny_folder, table]):
        ran = cli(*words)
        assert ran.code == 1
        assert message in ran.err
        assert ran.out == ""
    assert not (tmp_path / "model").exists()
    assert cli("predict", tiny_folder, table).code == 0


def test_the_label_separator_makes_lists_of_texts(cli, tiny_folder, tmp_path):
    table = tmp_path / "lists.csv"
    table.write_text("text,label\na,good|bad\n")
    for words in (["train", table, "-o", tmp_path / "model", *QUICK], ["evaluate", tiny_folder, table]):
        assert "row 1 of" in cli(*words, "--label-separator", "|").err
    assert json.loads(cli("evaluate", tiny_folder, table, "--json").out)["unknown_labels"] == {"good|bad": 1}


def test_a_dataset_of_the_hub_that_cannot_be_had_is_one_line(cli, tiny_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    ran = cli("evaluate", tiny_folder, "hf:owner/name")
    assert ran.code == 1
    assert ran.err.startswith("textlattice: reading hf:owner/name needs the extra [hf]")
    assert ran.err.count("\n") == 1
