"""The benchmark of the published tables: settings of every row, tables of vectors, one row run, the page."""

import dataclasses

import numpy as np
import pytest

from benchmark_scripts import records, reproduction, run
from tables.models import vocabulary, word_piece, write_model
from textlattice.presets import preset

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
    page = reproduction.page(records.entries("reproduction", tmp_path / "results"), [])
    assert "## Table 2: Normalisation" in page
    assert "imdb: 60 rows to train, 20 to test, 1 epoch." in page
    assert "| none | 67.26 | " in page
    assert "| a token | 69.85 | not run | – | – | – | – |" in page
    with pytest.raises(SystemExit, match="--row must be one of none, a document"):
        run.main([*arguments[:4], "other"])


def made_run(table, row, correct, *, name="imdb", fold=None, limit=None, seed=0, epoch=5):
    key = {"table": table, "row": row, "set": name, "fold": fold, "limit": limit, "epochs": 8}
    return {
        "key": key | {"max_minutes": None, "seed": seed},
        "num_train": 8,
        "num_test": len(correct),
        "train_seconds": 120.0,
        "predicted_docs_per_second": 345.6,
        "parameters": 2_555_000,
        "active_parameters": 194_000,
        "mean_flops": 189_385_373,
        "models": {"ours": {"correct": records.pack(np.array(correct, bool))}},
        "record": {"sum": {"epoch": epoch}},
        "config": {"train": {"epochs": 8}},
    }


def made_other(variant, *, name="imdb", fold=None, seed=0, num_test=4, parts, **figures):
    return {
        "key": {"set": name, "variant": variant, "seed": seed, "fold": fold},
        "num_test": num_test,
        "models": {part: {"correct": records.pack(np.array(bits, bool))} for part, bits in parts.items()},
        **figures,
    }


def test_the_page_compares_with_the_first_row():
    shared = made_run(2, "a feature over all tokens", [1, 1, 1, 0], limit=4)
    page = reproduction.page([shared, made_run(3, "depth-wise", [1, 0, 0, 0], limit=4)], [])
    assert "imdb: 8 rows to train, 4 to test, 8 epochs." in page
    assert "| a feature over all tokens | 82.61 | 75.00 ± 42.44 | 1 | – | 2 min | 5 of 8 |" in page
    assert "| full | 81.96 | 75.00 ± 42.44 | 1 | – | 2 min | 5 of 8 |" in page
    assert "| depth-wise | 76.38 | 25.00 ± 42.44 | 1 | -50.00 (-100.00 to +0.00) | 2 min | 5 of 8 |" in page
    assert "being made" in reproduction.page([], [])


def test_seeds_of_a_row_are_averaged_and_their_spread_told():
    runs = [
        made_run(5, "nowhere", [1, 0, 0, 0]),
        made_run(5, "1", [1, 1, 1, 0], seed=0),
        made_run(5, "1", [1, 0, 0, 0], seed=1, epoch=7),
    ]
    page = reproduction.page(runs, [])
    assert page.count("## Table 5") == 1
    # 1, .5, .5, 0 of the seeds are right on the four rows
    expected = (
        "| 1 | 84.36 | 50.00 ± 34.65 | 2 (25.00 to 75.00) | +25.00 (+0.00 to +50.00) | 2 min | 5, 7 of 8 |"
    )
    assert expected in page


def test_runs_that_differ_in_more_than_the_seed_have_tables_of_their_own():
    runs = [made_run(5, "1", [1, 0]), made_run(5, "1", [1, 1], limit=2), made_run(5, "1", [1, 1])]
    runs[2]["key"]["max_minutes"] = 90.0
    page = reproduction.page(runs, [])
    assert page.count("## Table 5") == 3
    assert "imdb: 8 rows to train, 2 to test, 8 epochs, 90 minutes at most." in page


def test_folds_are_put_together():
    runs = [made_run(12, "final model", [1, 0], name="rt2k", fold=fold) for fold in (0, 3)]
    assert "rt2k, 2 of 10 folds: " in reproduction.page(runs, [])
    one = reproduction.page(runs[1:], [])
    assert "rt2k, fold 4 of 10: 8 rows" in one
    assert "| final model | 87.13 | 50.00 ± 69.30 | 1 | – | 2 min | 5 of 8 |" in one


def test_the_final_model_stands_beside_ours():
    costs = {
        "train_seconds": 330.0,
        "predicted_docs_per_second": 456.0,
        "parameters": 6_560_000,
        "active_parameters": 210_000,
        "mean_flops": 64e6,
    }
    linear = {"train_seconds": 20.0, "tune_seconds": 40.0, "predicted_docs_per_second": 2_962.4}
    others = [
        made_other("full", parts={"ours": [1, 1, 1, 0]}, **costs),
        made_other("full", parts={"ours": [1, 0, 1, 0]}, seed=1, **costs),
        made_other("full", parts={"ours": [0, 0]}, num_test=2, name="ag_news", **costs),
        made_other(
            "nb_ngrams", parts={"all_rows": [1, 1, 1, 1], "fit_rows": [0] * 4}, parameters=1_050_000, **linear
        ),
        made_other(
            "tfidf_lr", parts={"all_rows": [0, 0, 0, 1], "fit_rows": [0] * 4}, parameters=900_000, **linear
        ),
    ]
    page = reproduction.page([made_run(11, "final model", [1, 1, 0, 0])], others)
    assert "| `paper` here | 50.00 ± 49.00 | – | 2.56 M / 0.19 M | 189 | 2.0 min | 346 |" in page
    assert (
        "| `base` | 62.50 ± 40.63 | -12.50 (-75.00 to +37.50) | 6.56 M / 0.21 M | 64 | 5.5 min | 456 |"
        in page
    )
    assert (
        "| best linear, nb_ngrams | 100.00 ± 0.00 | -50.00 (-100.00 to +0.00) | 1.05 M / – | – | 1.0 min | 2,962 |"
        in page
    )
    assert "| as published | 90.62 | – | 1.31 M / – | 241 | – | – |" in page


def test_what_was_not_run_on_the_same_rows_is_a_dash():
    other = made_other("full", name="rt2k", fold=1, parts={"ours": [1, 1]}, num_test=2, parameters=1)
    runs = [made_run(12, "final model", [1, 0], name="rt2k", fold=fold) for fold in (0, 1)]
    page = reproduction.page(runs, [other])
    assert "| `base` | – | – | – | – | – | – |" in page
    assert "| best linear | – | – | – | – | – | – |" in page
    part = reproduction.page([made_run(11, "final model", [1, 0], limit=2)], [other])
    assert "`base`" not in part  # other test rows
