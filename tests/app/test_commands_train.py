import csv
import json

import pytest

from textlattice import load
from textlattice.runtime.token_table import write_token_table

METRICS = """num_rows num_rejected accuracy macro_precision macro_recall macro_f1 weighted_precision
weighted_recall weighted_f1 macro_auc log_loss ece intervals per_class confusion_matrix"""
QUICK = ("--preset", "tiny", "--epochs", "1", "--threads", "1")


@pytest.fixture
def table(tmp_path, tiny_texts):
    """Sixty rows, then a short row, one that is not UTF-8, and one without a label."""
    path = tmp_path / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([("text", "label"), *zip(*tiny_texts, strict=True)])
    with path.open("ab") as stream:
        stream.write(b"short\ncaf\xe9,good\nno label,\n")
    return path


def test_a_table_becomes_a_folder_that_predicts(cli, table, tmp_path):
    ran = cli("train", table, "-o", tmp_path / "model", *QUICK, "--seed", "3")
    assert ran.code == 0
    assert load(tmp_path / "model").predict(["we stayed: a film"])[0] in ("good", "bad")
    assert "3 rows rejected: 1 ragged_row, 1 invalid_utf8, 1 missing_label" in ran.err
    assert "row 61 (line 62): ragged_row: expected 2 fields, got 1" in ran.err
    assert "epoch 1: held-out log loss" in ran.err
    assert "accuracy on held-out rows" in ran.out
    assert f"textlattice evaluate {tmp_path / 'model'} TEST.csv" in ran.out
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    source = record["source"]
    assert (source["name"], source["num_rows"], source["num_rejected"]) == (str(table), 60, 3)
    assert source["rejects_by_reason"] == {"ragged_row": 1, "invalid_utf8": 1, "missing_label": 1}
    assert source["rejects"][0] == {"row": 61, "line": 62, "reason": "ragged_row"}
    assert len(source["digest"]) == 64
    assert record["settings"]["train"]["epochs"] == 1
    assert record["settings"]["train"]["seed"] == 3


def test_json_is_all_that_stands_on_stdout(cli, table, tmp_path):
    ran = cli("train", table, "-o", tmp_path / "model", *QUICK, "--json")
    assert ran.code == 0
    result = json.loads(ran.out)
    assert result["folder"] == str(tmp_path / "model")
    assert result["source"]["num_rejected"] == 3
    assert result["network"]["total_steps"] > 0


def test_rows_for_validation_choose_in_place_of_a_slice(cli, table, tmp_path):
    rows = table.read_bytes().splitlines(keepends=True)
    many = tmp_path / "many.csv"
    many.write_bytes(rows[0] + b"".join(rows[1:61]) * 5)
    ran = cli("train", many, "-o", tmp_path / "model", *QUICK, "--validation", table, "--json")
    assert ran.code == 0
    result = json.loads(ran.out)
    assert (result["source"]["num_rows"], result["source"]["validation"]["num_rows"]) == (300, 60)
    assert result["slices"]["selection"] == 60


def test_options_of_their_own_win_over_set(cli, table, tmp_path):
    ran = cli(
        "train", table, "-o", tmp_path / "m", *QUICK, "--set", "train.epochs=9", "--steps", "2", "--json"
    )
    assert json.loads(ran.out)["network"]["total_steps"] <= 4
    settings = json.loads((tmp_path / "m" / "training.json").read_text())["settings"]["train"]
    assert (settings["epochs"], settings["steps"]) == (1, 2)


def test_a_token_table_becomes_part_of_the_model(cli, tmp_path, kindred):
    rows = "".join(f"{text},{label}\n" for text, label in zip(kindred.texts, kindred.labels, strict=True))
    (tmp_path / "rows.csv").write_text("text,label\n" + rows)
    write_token_table(kindred.table, tmp_path / "words.safetensors")
    words = ("train", tmp_path / "rows.csv", "-o", tmp_path / "model", *QUICK, "--token-table")
    ran = cli(*words, tmp_path / "words.safetensors")
    assert ran.code == 0
    assert "240 words, 0.0 MB, 50.0 % of the tokens" in ran.out
    assert "token table: 240 vectors of 5 numbers" in ran.err
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    assert record["source"]["token_table"] == {"file": str(tmp_path / "words.safetensors")}
    assert record["settings"]["model"]["injected_channels"] == 5
    info = json.loads(cli("info", tmp_path / "model", "--json").out)
    assert (info["num_injected"], info["training"]["token_table"]["num_words"]) == (240, 240)
    ran = cli(*words, tmp_path / "nowhere.safetensors")
    assert ran.code == 1
    assert "nowhere.safetensors: expected a file, got: No such file or directory" in ran.err


def test_a_foreign_folder_is_refused_before_the_work(cli, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    ran = cli("train", "nowhere.csv", "-o", tmp_path / "home")
    assert ran.code == 1
    assert "holds files that textlattice did not write (letter.txt)" in ran.err


def test_a_loss_that_is_not_finite_writes_the_folder_and_fails(cli, table, tmp_path, monkeypatch):
    from textlattice.training import fit as module

    honest = module.fit

    def stopped(*values, **options):
        trained = honest(*values, **options)
        reason = "the loss or its gradient was not finite at step 3"
        trained.record["network"] |= {"stopped": reason, "diverged": True}
        return trained

    monkeypatch.setattr(module, "fit", stopped)
    ran = cli("train", table, "-o", tmp_path / "model", *QUICK)
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith(
        "textlattice: training stopped early: the loss or its gradient was not finite at step 3"
    )
    assert load(tmp_path / "model")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "training needs rows of two or more labels, got no rows"),
        ("a,good\nb,good\n", "training needs rows of two or more labels, got only"),
    ],
)
def test_rows_that_teach_nothing_are_refused(cli, tmp_path, rows, message):
    table = tmp_path / "few.csv"
    table.write_text("text,label\n" + rows)
    ran = cli("train", table, "-o", tmp_path / "model", *QUICK)
    assert ran.code == 1
    assert message in ran.err
    assert not (tmp_path / "model").exists()


def test_evaluate_gives_every_metric_as_json(cli, tiny_folder, table):
    with table.open("a") as stream:
        stream.write('a film,odd\n"",good\n')
    ran = cli("evaluate", tiny_folder, table, "--json")
    assert ran.code == 0
    result = json.loads(ran.out)
    assert set(METRICS.split()) <= set(result)
    assert (result["num_rows"], result["num_rejected"], result["num_unknown_labels"]) == (62, 3, 1)
    assert result["unknown_labels"] == {"odd": 1}
    assert "1 rows with labels that the model does not know: odd (1)" in ran.err
    predicted = load(tiny_folder).predict([row["text"] for row in read(table)])
    hits = sum(a == row["label"] for a, row in zip(predicted, read(table), strict=True))
    assert result["accuracy"] == pytest.approx(hits / 62)


def read(table):
    """The rows that can be used, by another reader."""
    lines = [line for line in table.read_bytes().splitlines() if line.isascii()]
    rows = list(csv.DictReader(line.decode() for line in lines))
    return [row for row in rows if row["label"]]


def test_evaluate_prints_a_table(cli, tiny_folder, table):
    ran = cli("evaluate", tiny_folder, table)
    assert ran.code == 0
    for words in ("accuracy", "95 % interval", "precision", "rows rejected"):
        assert words in ran.out
    assert "\x1b" not in ran.out


def test_evaluate_needs_rows_and_the_right_columns(cli, tiny_folder, table, tmp_path):
    ran = cli("evaluate", tiny_folder, table, "--label", "topic")
    assert (ran.code, ran.out) == (1, "")
    assert "expected a column 'topic', found text, label; name the text column with --text" in ran.err
    empty = tmp_path / "none.csv"
    empty.write_text("text,label\n")
    assert "expected rows to evaluate on, got none" in cli("evaluate", tiny_folder, empty).err
