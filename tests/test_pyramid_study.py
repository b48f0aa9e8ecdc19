"""The benchmark of the pyramid: other networks that learn, edges that stay in their document, one row, the page."""

import numpy as np
import pytest
import torch

from benchmark_scripts import accuracy, neural, pyramid_study, records, rows, run, sets
from encoders.models import write_bert
from textlattice.config import TextConfig
from textlattice.encoders.language_model import open_encoder
from textlattice.presets import preset
from textlattice.text.document import TextReader

READER = TextReader(config=TextConfig())


@pytest.fixture(scope="module")
def parts():
    (fit_texts, fit_labels), (texts, labels) = rows(240, 0), rows(60, 1)
    return neural.Parts(
        fit_texts=fit_texts,
        fit_targets=np.array([int(label == "good") for label in fit_labels]),
        selection_texts=texts,
        selection_targets=np.array([int(label == "good") for label in labels]),
        num_labels=2,
    )


@pytest.mark.parametrize("name", neural.NETWORKS)
def test_a_network_learns_and_pads_nothing_into_its_answers(name, parts, monkeypatch):
    monkeypatch.setattr(neural, "LEAST_STEPS", 50)
    learned = neural.train_network(name, parts, READER, seed=0)
    probabilities = learned.probabilities
    assert 1 <= learned.chosen["pass"] <= learned.chosen["of"] == 13  # of four steps each
    found = probabilities(parts.selection_texts)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    assert (found.argmax(1) == parts.selection_targets).mean() > 0.9
    alone = probabilities(["good film was lovely"])
    beside = probabilities(["good film was lovely", "the film was seen by us and it was very dull", ""])
    np.testing.assert_allclose(alone[0], beside[0], atol=1e-5)
    assert np.isfinite(beside).all()


def test_edges_stay_in_their_document():
    edges = neural.window_edges(torch.tensor([0, 0, 1, 1, 1, 2]))
    assert {tuple(edge) for edge in edges.T.tolist()} == {
        *((0, 1), (1, 0), (2, 3), (3, 2), (3, 4), (4, 3), (2, 4), (4, 2))
    }
    assert neural.window_edges(torch.zeros(0, dtype=torch.int64)).shape == (2, 0)


@pytest.mark.parametrize(
    ("hidden", "penalty", "choices"), [(None, "C", "STRENGTHS"), (64, "alpha", "DECAYS")]
)
def test_classifiers_over_a_frozen_language_model(hidden, penalty, choices, tmp_path):
    encoder = open_encoder(write_bert(tmp_path), "bert", num_layers=2)
    texts = ["a film film .", "a hopeless hope ."] * 60
    targets = np.array([1, 0] * 60)
    parts = neural.Parts(
        fit_texts=texts,
        fit_targets=targets,
        selection_texts=texts[:10],
        selection_targets=targets[:10],
        num_labels=2,
    )
    reader = TextReader(config=TextConfig(), cut=encoder.tokenizer)
    learned = neural.over_frozen_states(parts, encoder, reader, seed=0, hidden=hidden)
    assert (learned.probabilities(texts).argmax(1) == targets).all()
    assert np.isfinite(learned.probabilities([""])).all()
    assert learned.chosen[penalty] in getattr(neural, choices)
    assert learned.read_seconds > 0
    alone = np.concatenate([learned.probabilities([text]) for text in (*texts[:2], "hope a film")])
    np.testing.assert_allclose(
        learned.probabilities([*texts[:2], "hope a film"]), alone, atol=1e-3
    )  # of states in float16


def test_settings_of_every_row():
    made = [
        (preset(row.preset).with_settings(row.settings), row.reads) for row in pyramid_study.OURS.values()
    ]
    assert len({repr(one) for one in made}) == len(made)


def test_every_row_can_be_run_and_stands_in_a_table_with_the_pyramid():
    runnable = {*pyramid_study.OURS, *pyramid_study.LINEAR, *neural.NETWORKS, *pyramid_study.FROZEN}
    runnable.add(pyramid_study.FINE_TUNED)
    uneven = pyramid_study.UNEVEN
    assert runnable - {*pyramid_study.WEIGHED} | {*uneven} == {*pyramid_study.ROWS}
    assert {name for name, _ in uneven.values()} <= runnable
    assert all("pyramid" in names for names in pyramid_study.GROUPS.values())
    assert pyramid_study.GROUPS.keys() == pyramid_study.TITLES.keys()


def test_uneven_classes():
    part = sets.Part(texts=[str(row) for row in range(80)], labels=["c", "a", "d", "b"] * 20)
    assert sets.thinned_labels(part.labels) == ["c", "d"]
    assert sets.thinned_labels(["b", "a", "c"]) == ["c"]
    assert sets.uneven(part, 1) == part
    kept = {ratio: sets.uneven(part, ratio) for ratio in (2, 5, 10, 100)}
    for ratio, stays in ((2, 10), (5, 4), (10, 2), (100, 1)):
        thin = kept[ratio]
        assert [thin.labels.count(label) for label in "abcd"] == [20, 20, stays, stays]
        assert thin.texts == sorted(thin.texts, key=int)
        assert thin.labels == [part.labels[int(text)] for text in thin.texts]
        assert thin == sets.uneven(part, ratio)
    assert {*kept[100].texts} < {*kept[10].texts} < {*kept[5].texts} < {*kept[2].texts}


@pytest.fixture
def run_study(small_sets, tmp_path, monkeypatch):
    """Runs rows of the study in three steps each; gives its entries."""
    monkeypatch.setattr(neural, "LEAST_STEPS", 1)
    steps = {"train.steps": 3, "train.least_steps": 1}
    monkeypatch.setattr(pyramid_study, "preset", lambda name: preset(name).with_settings(steps))
    results = tmp_path / "results"
    arguments = [
        "pyramid",
        "--set",
        "imdb",
        "--data",
        small_sets,
        "--threads",
        "1",
        "--results",
        str(results),
    ]
    arguments += ["--tables", str(tmp_path / "tables"), "--model", str(write_bert(tmp_path / "bert"))]

    def run_rows(*chosen):
        run.main([*arguments, *chosen])
        return records.entries("pyramid", results)

    return run_rows


@pytest.mark.parametrize(
    "row",
    [
        "graph, no top-down path",
        "a document node too",
        "tfidf_lr",
        "GCN",
        "frozen MiniLM + LR",
        "frozen MiniLM + perceptron",
        "pyramid without n-grams",
        "fine-tuned MiniLM, 256 tokens",
        "pyramid, language model tuned by LoRA",
        "pyramid over our own encoder",
    ],
)
def test_a_row_from_the_command_line(row, run_study, capsys):
    run_study("--row", row)
    assert "accuracy" in capsys.readouterr().out
    page = pyramid_study.page(run_study("--row", row))
    assert "is there already" in capsys.readouterr().err
    assert "60 rows to train, 20 to test." in page
    assert f"| {row} | 1 | " in page
    assert "machine |" not in page


def test_states_are_read_before_the_clock_runs(run_study, monkeypatch):
    fit = accuracy.fit

    def reading_nothing(*inputs, encoder, **more):
        encoder.read = lambda texts: pytest.fail("texts are read") if texts else []
        trained = fit(*inputs, encoder=encoder, **more)
        del encoder.read
        return trained

    monkeypatch.setattr(accuracy, "fit", reading_nothing)
    first, second = run_study("--row", "pyramid")[0], run_study("--row", "graph, no top-down path")[1]
    assert first["read_seconds"] > 0
    assert second["read_seconds"] > 0  # of states that are kept, which takes less
    assert first["threads"] == 1
    page = pyramid_study.page([first | {"read_seconds": 90.0}, second])
    assert "The states of the training rows are read in 1.5 min.\n" in page


@pytest.mark.parametrize("row", ["tfidf_lr, classes 1:5", "pyramid, focal loss, classes 1:10"])
def test_a_row_of_uneven_classes(row, run_study):
    (entry,) = run_study("--row", row)
    ratio = int(row.rpartition(":")[2])
    labels = rows(60, 0)[1]
    assert entry["num_train"] == labels.count("bad") + labels.count("good") // ratio
    assert entry["num_test"] == 20
    right = records.unpack(entry["models"]["ours"]["correct"], 20)
    good = np.array(rows(20, 1)[1]) == "good"
    assert entry["models"]["ours"]["thinned_recall"] == pytest.approx(right[good].mean())
    assert f"| {100 * right[good].mean():.2f} |\n" in pyramid_study.page([entry])


def test_a_group_from_the_command_line(run_study, monkeypatch, capsys):
    monkeypatch.setitem(pyramid_study.GROUPS, "others", ("majority", "nb_ngrams"))
    found = run_study("--group", "others")
    assert [entry["key"]["row"] for entry in found] == ["majority", "nb_ngrams"]
    with pytest.raises(SystemExit):
        run_study("--group", "others", "--row", "majority")
    assert "not allowed with argument" in capsys.readouterr().err


def entry(row, right, seed=0, cpu="one", **more):
    judged = {"accuracy": np.mean(right), "macro_f1": 0.5, "ece": 0.1, "thinned_recall": 0.25}
    judged["correct"] = records.pack(np.array(right, bool))
    return {
        "key": {"row": row, "set": "imdb", "fold": None, "limit": 8, "seed": seed},
        "num_train": 8,
        "num_test": 4,
        "train_seconds": 60.0,
        "read_seconds": 0.0,
        "machine": {"cpu": cpu, "cores": 2},
        "models": {"ours": judged},
    } | more


def test_the_page_compares_with_the_pyramid():
    page = pyramid_study.page([entry("GCN", [1, 1, 0, 0]), entry("pyramid", [1, 1, 1, 0])])
    assert "| pyramid | 1 | 75.00 | – | – | – | 50.00 | – | – | – | 0.1000 | 1.0 min |" in page
    assert "| GCN | 1 | 50.00 | – | -25.00 (-75.00 to +0.00) | – | 50.00 |" in page
    assert "being made" in pyramid_study.page([])


def test_rows_judged_by_training_rows_stand_apart():
    held = entry("pyramid", [1, 0, 0, 0])
    held["key"] |= {"held_out": 4}
    page = pyramid_study.page([entry("pyramid", [1, 1, 1, 0]), held, entry("one scale", [1, 1, 0, 0])])
    assert "## imdb, training rows alone\n\n8 rows to train, 4 further training rows to judge by." in page
    page = pyramid_study.page([entry("one scale", [1, 1, 0, 0]), held])
    assert "| one scale | 1 | 50.00 | – | – |" in page  # they have no row in common to compare


def test_settings_can_be_judged_without_test_rows(run_study, small_sets):
    (found,) = run_study("--row", "majority", "--limit", "40", "--held-out", "10")
    assert (found["key"]["held_out"], found["num_train"], found["num_test"]) == (10, 40, 10)
    for row in ("majority", "base"):
        entries = run_study("--row", row, "--limit", "40", "--held-out", "10", "--both", "--force")
        tested, held = sorted(
            [entry for entry in entries if entry["key"]["row"] == row],
            key=lambda entry: "held_out" in entry["key"],
        )
        assert held["key"] == tested["key"] | {"held_out": 10}
        assert (held["num_test"], tested["num_test"]) == (10, 20)
        assert held["train_seconds"] == tested["train_seconds"]
    with pytest.raises(SystemExit, match="got no --held-out"):
        run_study("--row", "majority", "--limit", "40", "--both")
    (before,) = run_study("--row", "tfidf_lr", "--limit", "40")[-1:]
    added = run_study("--row", "tfidf_lr", "--limit", "40", "--held-out", "10", "--both")
    assert before in added  # what is there is not measured again
    assert added[-1]["key"] == before["key"] | {"held_out": 10}
    whole = sets.read_dataset("imdb", small_sets)
    held = sets.read_dataset("imdb", small_sets, limit=40, held_out=10)
    assert not {*held.test.texts} & {*whole.test.texts}
    assert held.train == sets.read_dataset("imdb", small_sets, limit=40).train
    with pytest.raises(SystemExit, match="--held-out 10 needs a --limit of at most"):
        sets.read_dataset("imdb", small_sets, held_out=10)


def test_the_page_has_a_table_a_group_and_the_spread_of_seeds():
    runs = [entry("pyramid", [1, 1, 1, 0]), entry("pyramid", [1, 1, 1, 1], seed=1)]
    runs += [entry("pyramid-graph", [1, 1, 0, 0]), entry("graph, no top-down path", [1, 0, 0, 0])]
    assert pyramid_study.page(runs).count("### ") == 1  # no table of rows that it shares with others alone
    runs += [entry("pyramid, six scales", [1, 0, 0, 0]), entry("pyramid, classes 1:5", [1, 1, 0, 0])]
    page = pyramid_study.page(runs)
    ablations, sensitivity, imbalance = page.split("### ")[1:]
    for table in (sensitivity, imbalance):
        assert "| pyramid | 2 | 87.50 | 17.68 | – |" in table
    assert "| pyramid-graph | 1 | 50.00 | – | – |" in ablations
    assert "| pyramid | 2 | 87.50 | 17.68 | +25.00 (" in ablations
    assert "| graph, no top-down path | 1 | 25.00 | – | -25.00 (" in ablations
    assert "| graph, no top-down path | 1 | 25.00 | – | -50.00 (" in sensitivity
    assert "| pyramid, six scales | 1 | 25.00 |" in sensitivity
    assert "| pyramid-graph |" not in imbalance
    assert "| pyramid, classes 1:5 | 1 | 50.00 |" in imbalance
    assert imbalance.count("| 25.00 |") == 2


def test_the_page_says_which_goals_are_met():
    runs = [
        entry("pyramid", [1, 1, 1, 0], read_seconds=30.0),
        entry("frozen MiniLM + LR", [1, 1, 0, 0]),
        entry(pyramid_study.FINE_TUNED, [1, 1, 1, 1], train_seconds=900.0),
        entry("pyramid over our own encoder", [1, 1, 1, 0]),
        entry("base", [0, 0, 1, 0]),
    ]
    runs[0]["models"]["deep"] = runs[1]["models"]["ours"]
    page = pyramid_study.page(runs)
    assert "- The pyramid less the regression over frozen states: +25.00 (" in page
    assert "- The same, its network alone: +0.00 (" in page
    assert "- The pyramid less the fine-tuned language model: -25.00 (" in page
    assert "- With our own encoder, less `base`: +50.00 (" in page
    assert (
        "- Of the gap of 50.00 points between frozen and fine-tuned, the pyramid closes 50 % (its network alone 0 %), "
        "in 10 % of the time that fine-tuning takes (1 seed)." in page
    )
    runs[2] = entry(pyramid_study.FINE_TUNED, [1, 0, 0, 0])
    assert "Of the gap" not in pyramid_study.page(runs)  # there is none
    assert "- " not in pyramid_study.page(runs[:1]).split("### ")[0].split("## imdb")[1]


def test_times_of_other_machines_are_told_apart():
    runs = [entry("pyramid", [1, 1, 1, 0], read_seconds=30.0), entry("frozen MiniLM + LR", [1, 1, 0, 0])]
    runs += [entry(pyramid_study.FINE_TUNED, [1, 1, 1, 1], cpu="two")]
    page = pyramid_study.page(runs)
    assert "training | machine |" in page
    assert "1.0 min | two, 2 cores |" in page
    assert "closes 50 %, in an unknown share (other machines) of the time" in page
    assert "read in 0.5 min (one, 2 cores)." in page
    runs[2]["machine"] = runs[0]["machine"]
    runs += [
        entry("graph, no top-down path", [1, 1, 1, 0], read_seconds=60.0)
    ]  # the row that read most came first
    page = pyramid_study.page(runs)
    assert "closes 50 %, in 200 % of the time" in page
    assert "read in 1.0 min." in page
    others = ("pyramid, one layer of the language model", "frozen MiniLM + LR, 256 tokens")
    runs += [entry(row, [1, 1, 1, 0], read_seconds=90.0) for row in others]  # they read other states
    runs += [entry("pyramid, 64 channels", [1, 1, 1, 0], read_seconds=66.0)]
    runs[-1]["key"]["held_out"] = 2  # the training rows are the same
    page = pyramid_study.page(runs)
    assert "closes 50 %, in 210 % of the time" in page
    assert page.count("read in 1.1 min.") == 2


def test_folds_are_put_together():
    runs = [entry("pyramid", [1, 1, 1, 0]), entry("GCN", [1, 1, 0, 0])]
    others = [entry("pyramid", [1, 1, 1, 1]), entry("GCN", [1, 1, 1, 1])]
    for other in others:
        other["key"]["fold"] = 1
    page = pyramid_study.page([*runs, *others])
    assert "| GCN | 2 | 75.00 | 35.36 | -12.50 (" in page


def test_a_time_that_holds_the_reading_of_states_is_marked():
    old = entry("pyramid", [1, 1, 1, 0])
    del old["read_seconds"]
    page = pyramid_study.page([old, entry("graph, no top-down path", [1, 1, 0, 0])])
    assert page.count("| ≤ 1.0 min |") == 1
    linear = entry("tfidf_lr", [1, 1, 0, 0])
    del linear["read_seconds"]
    assert "≤ 1.0" not in pyramid_study.page([linear, entry("pyramid", [1, 1, 1, 0])])


def test_a_part_of_a_set_stands_beside_the_whole():
    whole = entry("pyramid", [1, 1, 1, 0])
    whole["key"]["limit"] = None
    assert pyramid_study.page([whole, entry("GCN", [1, 1, 0, 0])]).count("## imdb") == 2


def test_margins_have_no_calibration(run_study):
    (entry,) = run_study("--row", "tfidf_svm")
    assert entry["models"]["ours"]["ece"] is None
