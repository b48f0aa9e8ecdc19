"""The benchmark of the published tables: settings of every row, tables of vectors, one row run, the page."""

import dataclasses

import numpy as np
import pytest

from benchmark_scripts import records, reproduction, run
from tables.models import vocabulary, word_piece, write_model
from textlattice.config import preset

ROWS = [(number, name) for number, table in reproduction.TABLES.items() for name in table.rows]


@pytest.mark.parametrize(("number", "name"), ROWS)
def test_settings_of_every_row(number, name):
    row = reproduction.TABLES[number].rows[name]
    config = reproduction.settings_of(row, "rt2k", epochs=None, seed=3)
    assert config.train == dataclasses.replace(preset("paper").train, seed=3, batch_size=100)
    short = reproduction.settings_of(row, "rt2k", epochs=8, seed=0).train
    assert (short.epochs, short.batch_size) == (8, 32)
    assert (config.model.injected_channels == 0) == (row.vectors == "none")


def test_rows_that_tables_share_have_the_same_settings():
    shared = [(number, name) for number, name in ROWS if reproduction.TABLES[number].rows[name].same_as]
    assert len(shared) == 5
    for number, name in shared:
        row = reproduction.TABLES[number].rows[name]
        other, name_there = reproduction.run_of(number, name)
        there = reproduction.TABLES[other].rows[name_there]
        assert (row.settings, row.vectors, there.same_as) == (there.settings, there.vectors, None)


def test_rows_of_a_table_are_different_settings():
    for number, table in reproduction.TABLES.items():
        made = [
            (reproduction.settings_of(row, "imdb", epochs=2, seed=0), row.vectors)
            for row in table.rows.values()
        ]
        assert len({repr(one) for one in made}) == len(made), number


def test_published_figures():
    found = {
        number: [row.published for row in table.rows.values()]
        for number, table in reproduction.TABLES.items()
    }
    assert found == {
        2: [67.26, 63.52, 69.85, 82.61],
        3: [81.96, 76.38],
        4: [81.96, 84.04, None, None, None, None],
        5: [83.30, 84.36, 85.15, 82.38, 85.00, 84.18, 85.78, 85.53],
        6: [84.04, 85.78, 85.24, 86.71],
        7: [90.9, 90.89],
        10: [93.08],
        11: [90.62],
        12: [87.13],
    }


@pytest.fixture
def model(tmp_path):
    tokenizer = word_piece()
    return write_model(tmp_path / "model", tokenizer, len(vocabulary(tokenizer)))


def test_a_row_from_the_command_line(small_sets, model, tmp_path, capsys):
    arguments = [
        "reproduce",
        "--table",
        "2",
        "--row",
        "none",
        "--set",
        "imdb",
        "--epochs",
        "1",
        "--data",
        small_sets,
    ]
    arguments += ["--model", str(model), "--threads", "1", "--results", str(tmp_path / "results")]
    run.main(arguments)
    assert "accuracy" in capsys.readouterr().out
    run.main(arguments)
    assert "is there already" in capsys.readouterr().err
    page = reproduction.page(records.entries("reproduction", tmp_path / "results"))
    assert "## Table 2: Normalisation" in page
    assert "imdb: 60 rows to train, 20 to test, seed 0." in page
    assert "| none | 67.26 | " in page
    assert "| a token | 69.85 | not run | – | – | – |" in page
    with pytest.raises(SystemExit, match="--row must be one of none, a document"):
        run.main([*arguments[:4], "other"])


def test_the_page_compares_with_the_first_row():
    def entry(name, correct):
        key = {"table": 3, "row": name, "set": "imdb", "fold": None, "limit": None, "epochs": 8, "seed": 0}
        return {
            "key": key,
            "num_train": 8,
            "num_test": 4,
            "train_seconds": 120.0,
            "models": {"ours": {"correct": records.pack(np.array(correct, bool))}},
            "record": {"sum": {"epoch": 5}},
            "config": {"train": {"epochs": 8}},
        }

    shared = entry("a feature over all tokens", [1, 1, 1, 0])
    shared["key"]["table"] = 2
    page = reproduction.page([shared, entry("depth-wise", [1, 0, 0, 0])])
    assert "| a feature over all tokens | 82.61 | 75.00 ± 42.44 | – | 2 min | 5 of 8 |" in page
    assert "| full | 81.96 | 75.00 ± 42.44 | – | 2 min | 5 of 8 |" in page
    assert "| depth-wise | 76.38 | 25.00 ± 42.44 | -50.00 (-100.00 to +0.00) | 2 min | 5 of 8 |" in page
    assert "being made" in reproduction.page([])
