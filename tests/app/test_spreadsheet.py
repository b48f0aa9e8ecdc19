import csv
import json

import pytest

from reliability.cells import PLAIN, formula_cases
from textlattice.app.spreadsheet import harmless


@pytest.mark.parametrize(("name", "cell"), list(formula_cases()))
def test_every_formula_becomes_text(name, cell):
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", PLAIN)
def test_what_is_no_formula_stays(cell):
    assert harmless(cell) == cell


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_predict_makes_cells_and_columns_harmless_where_asked(cli, tiny_folder, tmp_path, suffix):
    rows = [{"text": cell, "=name": cell, "number": -1, "list": ["=1"]} for _, cell in formula_cases()]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source, target = tmp_path / "rows.jsonl", tmp_path / f"a{suffix}"
    read = []
    for words in ((), ("--safe-csv",)):
        assert cli("predict", tiny_folder, source, "-o", target, *words).code == 0
        with target.open(encoding="utf-8", newline="") as stream:
            read.append(list(csv.reader(stream, delimiter="\t" if suffix == ".tsv" else ",")))
    (columns, *plain), (safe_columns, *safe) = read
    assert columns == ["text", "=name", "number", "list", "label", "probability", "status", "error"]
    assert safe_columns == ["text", "'=name", *columns[2:]]
    for row, before, after in zip(rows, plain, safe, strict=True):
        assert before[:2] == [row["text"]] * 2
        assert after[:2] == [f"'{row['text']}"] * 2
        assert after[2:] == before[2:]
        assert after[2] == "-1"


def test_labels_are_made_harmless(cli, tmp_path):
    from textlattice.presets import preset
    from textlattice.training.fit import fit
    from textlattice.training.save import save_trained

    config = preset("tiny").with_settings({"train.epochs": 1, "train.threads": 1})
    texts = [f"{word} day {place}" for place in range(30) for word in ("good", "bad")]
    save_trained(fit(texts, ["=good()", "@bad"] * 30, config), tmp_path / "m", source={"name": "rows"})
    (tmp_path / "rows.csv").write_text("text\na good day\n")
    words = ("predict", tmp_path / "m", tmp_path / "rows.csv", "-o", tmp_path / "a.csv", "--safe-csv")
    assert cli(*words).code == 0
    with (tmp_path / "a.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["label"] in ("'=good()", "'@bad")
    assert 0 < float(row["probability"]) <= 1


@pytest.mark.parametrize("output", [(), ("-o", "a.jsonl"), ("-o", "a.parquet"), ("-o", "/dev/null")])
def test_it_is_refused_where_it_does_nothing(cli, tmp_path, output):
    ran = cli("predict", "model", "rows.csv", *output, "--safe-csv")
    assert ran.code == 2
    assert "'--safe-csv': goes with -o FILE.csv or -o FILE.tsv alone" in ran.err
