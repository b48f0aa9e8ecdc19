import json
import warnings
from functools import partial

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from benchmark_scripts import accuracy, plot, records, reliability, rows, run, sets, speed
from textlattice.baselines.linear import fitting_baselines
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.text.document import read_document
from textlattice.training.fit import fit
from textlattice.training.network import network_logits
from textlattice.training.save import predictor_of
from textlattice.training.wide import read_keys

KEY = {
    "set": "imdb",
    "variant": "full",
    "seed": 0,
    "fold": None,
    "preset": "base",
    "settings": {},
    "limit": None,
}


# Data sets.


def test_a_fold_is_tested_on_and_the_others_trained_on(small_sets):
    sizes = [
        (len(part.train.texts), len(part.test.texts))
        for part in (sets.read_dataset("rt2k", small_sets, fold=fold) for fold in (0, 9))
    ]
    assert sizes == [(17, 3), (19, 1)]


def test_a_limit_takes_the_same_rows_every_time(small_sets, monkeypatch):
    monkeypatch.setenv("TEXTLATTICE_DATA", small_sets)
    first, second = (sets.read_dataset("imdb", None, limit=7) for _ in range(2))
    assert first == second
    assert (len(first.train.texts), len(first.test.labels)) == (7, 7)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": "mnist"}, "unknown data set 'mnist'"),
        ({"name": "imdb"}, "where are the data sets"),
        ({"name": "imdb", "folder": "nowhere"}, "nowhere.*train.parquet is missing"),
        ({"name": "imdb", "fold": 1}, "--fold is for rt2k alone"),
        ({"name": "rt2k"}, "rt2k needs it"),
        ({"name": "rt2k", "fold": 10}, "must lie in 0..9, got 10"),
    ],
)
def test_data_set_errors(arguments, expected, monkeypatch):
    monkeypatch.delenv("TEXTLATTICE_DATA", raising=False)
    with pytest.raises(SystemExit, match=expected):
        sets.read_dataset(**({"folder": None} | arguments))


# Records.


def test_no_entry_says_where_a_file_lies(tmp_path):
    figures = {
        "source": "/home/me/models/small",
        "texts": [{"sources": ["/data/plain/a.parquet", "b.csv", ""]}],
        "word": "/",
    }
    records.add("graph", {"seed": 0}, figures, tmp_path)
    (entry,) = records.entries("graph", tmp_path)
    assert entry["source"] == "models/small"
    assert entry["texts"] == [{"sources": ["plain/a.parquet", "b.csv", ""]}]
    assert (entry["key"], entry["word"]) == ({"seed": 0}, "/")


def test_results_say_nothing_of_where_a_file_lies():
    for path in records.RESULTS.glob("*.json"):
        record = json.loads(path.read_text())
        assert records.without_paths(record) == record, path.name


@pytest.mark.parametrize("num_rows", [0, 1, 8, 21])
def test_packed_rows_come_back(num_rows):
    correct = np.random.default_rng(0).random(num_rows) < 0.5
    np.testing.assert_array_equal(records.unpack(records.pack(correct), num_rows), correct)


def test_an_entry_is_added_found_and_replaced(tmp_path):
    assert records.entries("accuracy", tmp_path) == []
    assert records.find("accuracy", KEY, tmp_path) is None
    for seed, value in [(0, 1), (1, 2), (0, 3)]:
        path = records.add("accuracy", KEY | {"seed": seed}, {"value": value}, tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    assert records.find("accuracy", KEY, tmp_path)["value"] == 3
    found = records.entries("accuracy", tmp_path)
    assert sorted(entry["value"] for entry in found) == [2, 3]
    assert found[0]["machine"]["cores"] >= 1
    assert set(found[0]["versions"]) >= {"python", "torch", "textlattice"}


def test_a_large_file_is_followed_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LARGE", 0)
    keys = [KEY | {"seed": seed} for seed in range(3)]
    paths = [records.add("accuracy", key, {"value": key["seed"]}, tmp_path) for key in keys]
    first = paths[0].stem
    assert [path.stem for path in paths] == [first, f"{first}_02", f"{first}_03"]
    assert records.add("accuracy", keys[1], {"value": 7}, tmp_path) == paths[1]
    assert [records.find("accuracy", key, tmp_path)["value"] for key in keys] == [0, 7, 2]
    assert sorted(entry["value"] for entry in records.entries("accuracy", tmp_path)) == [0, 2, 7]
    monkeypatch.undo()
    assert records.add("accuracy", KEY | {"seed": 3}, {}, tmp_path) == paths[2]


def test_no_file_of_results_is_large():
    assert max(path.stat().st_size for path in records.RESULTS.glob("*.json")) < 1_000_000


def test_of_two_machines_the_newest_run_counts(tmp_path):
    for name, finished in [("a", "2024-01-02"), ("b", "2024-01-01")]:
        entry = {"key": KEY, "finished": finished, "value": name}
        record = {"what": "accuracy", "machine": {}, "entries": [entry]}
        (tmp_path / f"accuracy_{name}_2024-01-01.json").write_text(json.dumps(record))
    assert [entry["value"] for entry in records.entries("accuracy", tmp_path)] == ["a"]


# Runs.


def test_accuracy_from_the_command_line(small_sets, tmp_path, capsys):
    words = [
        "accuracy",
        "--set",
        "imdb",
        "--data",
        small_sets,
        "--results",
        str(tmp_path),
        "--preset",
        "tiny",
    ]
    run.main([*words, "--variant", "full", "--settings", "train.epochs=1"])
    run.main([*words, "--variant", "linear"])
    (full,) = (entry for entry in records.entries("accuracy", tmp_path) if entry["key"]["variant"] == "full")
    assert full["config"]["train"]["epochs"] == 1
    assert full["parameters"] > full["active_parameters"] > full["dense_parameters"] > 0
    assert full["predicted_docs_per_second"] > 0
    assert full["mean_flops"] > 0
    for figures in full["models"].values():
        if figures is not None:
            assert records.unpack(figures["correct"], 20).mean() == figures["accuracy"]
    for name in fitting_baselines("single", ["words of English"]):
        (entry,) = (e for e in records.entries("accuracy", tmp_path) if e["key"]["variant"] == name)
        assert set(entry["models"]) == {"all_rows", "fit_rows"}
        assert entry["slices"] == {"fit": 48, "selection": 12, "more": 0}
        assert (entry["models"]["all_rows"]["log_loss"] is None) == (name == "tfidf_svm")
    capsys.readouterr()
    run.main([*words, "--variant", "full", "--settings", "train.epochs=1"])
    assert "is there already" in capsys.readouterr().err


@pytest.fixture(scope="module")
def other_data(tmp_path_factory):
    """Two sets of other kinds, made up: emotions by words, grades by adverbs."""
    folder, draw = tmp_path_factory.mktemp("other"), np.random.default_rng(5)
    words = {"joy": "laugh smile", "fear": "scream dread", "anger": "shout rage"}
    for part, num_rows in (("train", 60), ("test", 20)):
        chosen = [[name for name in words if draw.random() < 0.5] for _ in range(num_rows)]
        grades = [sets.ORDERS["sst5"][place] for place in draw.integers(0, 5, num_rows)]
        tables = {
            "goemotions_multilabel": (
                ["they " + " ".join(words[name] for name in names) for names in chosen],
                chosen,
            ),
            "sst5": ([f"a {grade} film" for grade in grades], grades),
        }
        for name, (texts, labels) in tables.items():
            (folder / name).mkdir(exist_ok=True)
            columns = pyarrow.table({"text": texts, "label_name": labels})
            pyarrow.parquet.write_table(columns, folder / name / f"{part}.parquet")
    return str(folder)


def test_labels_of_other_kinds_from_the_command_line(other_data, tmp_path, monkeypatch):
    words = ["accuracy", "--data", other_data, "--results", str(tmp_path), "--settings", "train.epochs=1"]
    for name, variants in (("goemotions_multilabel", ["full"]), ("sst5", ["full", "plain"])):
        for variant in [*variants, "majority", "tfidf_lr"]:
            run.main([*words, "--set", name, "--variant", variant])
    for entry in records.entries("accuracy", tmp_path):
        assert entry["task"] == sets.TASKS[entry["key"]["set"]]
        for model, figures in entry["models"].items():
            (outcome,) = plot.outcomes([entry], model)
            assert records.unpack(figures["correct"], 20).tolist() == outcome.correct.tolist()
            assert outcome.figures == pytest.approx({name: figures[name] for name in outcome.figures})
    runs = [
        entry | {"key": entry["key"] | {"settings": {}}} for entry in records.entries("accuracy", tmp_path)
    ]
    multi, ordinal = (
        dict(zip(plot.OTHER_COLUMNS, plot.other_row(name, runs), strict=True)) for name in sets.TASKS
    )
    assert (multi["labels"], multi["measure"]) == ("3, any number", "macro F1")
    assert multi["best linear"].startswith("100.00 tfidf_lr")
    assert multi["without the order"] == plot.NONE
    assert (ordinal["labels"], ordinal["measure"]) == ("5, in an order", "quadratic weighted kappa")
    assert ordinal["difference to it"] != plot.NONE
    (path,) = tmp_path.glob("accuracy_*.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"entries": [{**run, "machine": None} for run in runs]}))
    short, page = plot.tables(tmp_path)
    assert "| SST-5 | 5, in an order | 60 / 20 |" in short
    assert "| SST-5 | plain |" in page


def test_plain_is_for_an_order(small_sets, tmp_path):
    with pytest.raises(SystemExit, match="--variant plain is for labels in an order, got --set imdb"):
        run.main(
            [
                "accuracy",
                "--set",
                "imdb",
                "--variant",
                "plain",
                "--data",
                small_sets,
                "--results",
                str(tmp_path),
            ]
        )


def test_packed_places_come_back():
    for values in (np.array([[True, False, True]] * 3), np.array([4, 0, -1]), np.zeros((0, 2), bool)):
        np.testing.assert_array_equal(records.unpack_places(records.pack_places(values)), values)


def test_a_setting_that_is_none_is_refused_in_words(small_sets, tmp_path):
    words = [
        "accuracy",
        "--set",
        "imdb",
        "--variant",
        "full",
        "--data",
        small_sets,
        "--results",
        str(tmp_path),
    ]
    with pytest.raises(SystemExit, match=r"unknown setting model.width"):
        run.main([*words, "--settings", "model.width=3"])


def test_branches_add_up_to_the_sum():
    texts, labels = rows(60, 0)
    trained = fit(texts, labels, preset("tiny").with_settings({"train.epochs": 1}))
    trained.record["sum"]["b"] = 1.0
    new = [*rows(9, 1)[0], ""]
    documents = [read_document(text, trained.config.text) for text in new]
    total = predictor_of(trained).logits(new)
    ngrams = read_keys(documents, trained.config.text, Progress())[1]
    wide, deep = accuracy.branches(trained, total, documents, ngrams)
    alone = network_logits(trained.model, trained.collator, documents[:-1])
    np.testing.assert_allclose(deep[:-1], alone, atol=1e-5)
    np.testing.assert_allclose(wide[:-1] + alone, total[:-1], atol=1e-5)
    np.testing.assert_array_equal(wide[-1], total[-1])
    trained.record["sum"]["b"] = 0.0
    assert accuracy.branches(trained, total, documents, ngrams)[1] is None


def test_length_figures(monkeypatch):
    monkeypatch.setattr(speed, "SHORT", 10)
    monkeypatch.setattr(speed, "_child", lambda arguments: speed.measure(**arguments))
    figures = speed.run_length([10, 20, 40], 1, 0, "tiny")
    assert [point["num_tokens"] for point in figures["points"]] == [10, 20, 40]
    assert figures["short"]["num_documents"] == 4
    assert figures["ratio"] > 0
    for point in figures["points"]:  # the kernel counts resident pages by thread, so a few may be missing
        assert point["peak_mib"] > 0.95 * point["peak_mib_before"] > 0


def test_attention_figures():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyG's own
        figures = speed.run_attention(1, 0, "tiny")
    assert set(figures["seconds"]) == {"closed_form", "autograd", "pyg_gatv2conv"}
    assert all(value > 0 for times in figures["seconds"].values() for value in times.values())


def test_families_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "_SAMPLE", 2_000)
    small = partial(speed.run_families, kinds=[(3, 12)])
    monkeypatch.setattr(run, "run_families", small)
    words = [
        "speed",
        "--benchmark",
        "families",
        "--repeats",
        "2",
        "--threads",
        "1",
        "--results",
        str(tmp_path),
    ]
    run.main(words)
    assert "texts a second, 3 x 12" in capsys.readouterr().out
    (entry,) = records.entries("speed", tmp_path)
    assert entry["key"] == {"benchmark": "families", "threads": 1, "repeats": 2}
    assert [(kind["num_documents"], kind["num_tokens"]) for kind in entry["kinds"]] == [(3, 12)]
    for kind in entry["kinds"]:
        assert list(kind["models"]) == ["base", "paper", "pyramid", "pyramid-graph", "tfidf_lr"]
        for name, model in kind["models"].items():
            parts = {"predicted", "trained"} & set(model)
            assert parts == ({"predicted"} if name == "tfidf_lr" else {"predicted", "trained"})
            for part in parts:
                assert len(model[part]["seconds"]) == 2
                assert model[part]["best"] >= model[part]["median"] > 0
            assert model["parameters"] > 0
        assert kind["models"]["base"]["trained"]["to_first"] == 1.0
        paper = kind["models"]["paper"]
        assert (paper["flops_per_char"], paper["flops_per_token"]) == (81_920, 317_696)
        assert paper["flops_per_doc"] == 65_536 + 128 * 2
    run.main(words)
    assert "is there already" in capsys.readouterr().err
    assert "Speed of the families" in plot.tables(tmp_path)[1]


def test_rates_of_repeats():
    rate = speed._rate(8, [2.0, 4.0, 1.0], [1.0, 1.0, 1.0])
    assert rate == {"seconds": [2.0, 4.0, 1.0], "best": 8.0, "median": 4.0, "to_first": 0.5}


@pytest.mark.parametrize(("y", "expected"), [([1, 2, 3], 1.0), ([1, 0, 1], 0.0)])
def test_r2_of_a_line(y, expected):
    assert speed._r2([1, 2, 3], y) == pytest.approx(expected)
    assert speed._r2([1, 2], [1, 2]) is None


@pytest.mark.parametrize(
    ("tried", "failed", "expected"), [(300, 0, 0.01), (1, 0, 1.0), (0, 0, None), (9, 1, None)]
)
def test_bound_of_a_rate(tried, failed, expected):
    assert reliability.bound(tried, failed) == expected


def test_reliability_from_the_command_line(tmp_path, capsys):
    words = ["reliability", "--figure", "R1", "--number", "12", "--results", str(tmp_path)]
    run.main(words)
    (entry,) = records.entries("reliability", tmp_path)
    assert entry["key"] == {"figure": "R1", "number": 12}
    assert entry["counts"].startswith("generated texts through four doors; a failure is ")
    doors = ["Python", "estimator", "textlattice train", "textlattice predict"]
    assert [(part["part"], part["tried"], part["failed"]) for part in entry["parts"]] == [
        (door, 12, 0) for door in doors
    ]
    assert "textlattice train: tried 12, failed 0, below 0.25 at 95 %" in capsys.readouterr().out
    run.main(words)
    assert "is there already" in capsys.readouterr().err


def test_a_door_that_fails_is_counted_and_told(tmp_path, monkeypatch):
    def broken(arguments):
        return 1

    monkeypatch.setattr(reliability, "command_line", broken)
    words = ["reliability", "--figure", "R1", "--number", "12", "--results", str(tmp_path)]
    with pytest.raises(SystemExit, match="1"):
        run.main(words)
    parts = {part["part"]: part for part in records.entries("reliability", tmp_path)[0]["parts"]}
    assert [part["failed"] for part in parts.values()] == [0, 0, 12, 12]
    assert parts["textlattice train"]["bound"] is None
    assert "textlattice train ended with 1" in parts["textlattice train"]["said"]


def test_rows_that_are_wrong():
    good = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert reliability._wrong_rows(good, good) == 0
    assert reliability._wrong_rows(good[:1], good) == 1
    assert reliability._wrong_rows(np.array([[0.5, 0.5], [np.nan, 0.75]]), good) == 1
    assert reliability._wrong_rows(good[::-1], good) == 2
    assert reliability._wrong_rows(np.array([[0.5, 0.4]]), None, num_rows=1) == 1


def test_neighbours_are_tried():
    predictor = reliability.load(reliability.GOLDEN)
    for part in (reliability._pairs(predictor, "x", 30), reliability._poisoned(predictor, "x", 3)):
        assert (part["tried"] > 0, part["failed"]) == (True, 0)


@pytest.mark.parametrize("work", ["read_document", "predict"])
def test_cost_by_length(work):
    points = reliability.measure(kind="naughty", work=work, lengths=[100, 2_000], repeats=1)
    assert [point["length"] for point in points] == [100, 2_000]
    assert all(point["seconds"] > 0 for point in points)
    assert len(reliability.made_text("words", 1_234)) == 1_234


def test_large_tables_are_counted(monkeypatch):
    peaks = {("train", 1): 500.0, ("train", 9): 1_100.5, ("predict", 1): 400.0, ("predict", 9): 420.0}

    def child(function, *, command, megabytes):
        return {"rows": megabytes, "lost": int(command == "predict"), "peak_mib": peaks[command, megabytes]}

    monkeypatch.setattr(reliability, "_child", child)
    train, predict = reliability.larger_than_memory(9)
    assert (train["part"], train["tried"], train["failed"]) == ("textlattice train, 9 MB of text", 9, 1)
    assert (predict["tried"], predict["failed"], predict["mib"]) == (9, 1, 20.0)


@pytest.mark.parametrize("command", ["train", "predict"])
def test_rows_of_a_large_table_are_counted(tmp_path, monkeypatch, command):
    rows = list(reliability.made_rows(150_000))
    assert 150_000 <= sum(len(text) for text, _ in rows) < 152_000
    assert {label for _, label in rows} == {"low", "high"}
    monkeypatch.setattr(reliability, "made_rows", lambda num_bytes: rows[:30])
    assert reliability._run_on(command, tmp_path, 1) == (30, 0)


# Tables.


def entry(variant, bits, *, seed=0, fold=None, name="imdb", **models):
    correct = {model: np.array(part, bool) for model, part in (bits | models).items()}
    figures = {
        model: {
            "accuracy": part.mean(),
            "macro_f1": 0.5,
            "log_loss": 0.3,
            "ece": None,
            "correct": records.pack(part),
        }
        for model, part in correct.items()
    }
    speeds = ["trained_docs_per_second", "predicted_docs_per_second"]
    names = ["train_seconds", "tune_seconds", *speeds, "parameters", "active_parameters", "mean_flops"]
    return {
        "key": KEY | {"set": name, "variant": variant, "seed": seed, "fold": fold},
        "finished": "2024-01-01",
        "machine": {"cpu": "A Processor", "cores": 2},
        "commit": "0123456789",
        "threads": 1,
        "num_train": 100,
        "num_test": len(next(iter(correct.values()))),
        "C": 0.3,
        "models": figures,
        **dict.fromkeys(names, 1e6),
    }


def test_seeds_are_averaged_row_by_row_and_folds_pooled():
    runs = [
        entry("full", {"ours": [1, 1, 0]}, seed=0, fold=0, name="rt2k"),
        entry("full", {"ours": [1, 0, 0]}, seed=1, fold=0, name="rt2k"),
        entry("full", {"ours": [1]}, seed=0, fold=4, name="rt2k"),
    ]
    correct = plot.correctness(runs, "ours")
    np.testing.assert_array_equal(correct[0], [1, 0.5, 0])
    np.testing.assert_array_equal(correct[4], [1])
    assert plot.correctness(runs, "deep") == {}
    interval = plot.difference(correct, {0: np.array([0.0, 0.5, 0.5])})
    assert interval.difference == pytest.approx(100 / 6)
    assert interval.low == pytest.approx(-50)
    assert interval.high == pytest.approx(100)


def test_the_best_linear_row_is_the_better_training_of_the_better_baseline():
    ours = {0: np.array([1.0, 1, 1, 0])}
    runs = [
        entry("tfidf_lr", {"all_rows": [1, 0, 0, 0], "fit_rows": [1, 1, 1, 0]}),
        entry("nb_ngrams", {"all_rows": [1, 1, 0, 0], "fit_rows": [1, 0, 0, 0]}),
    ]
    best = plot.best_linear(runs, ours)
    assert (best.name, best.runs) == ("tfidf_lr (fit rows)", runs[:1])
    np.testing.assert_array_equal(best.correct[0], [1, 1, 1, 0])
    assert plot.best_linear(runs, {0: ours[0], 3: ours[0]}) is None  # fold 3 was never run


def test_cells_of_a_data_set():
    runs = [
        entry("full", {"ours": [1, 1, 1, 0], "wide": [1, 1, 0, 0], "deep": [0, 0, 0, 0]}),
        entry("no_graph", {"ours": [1, 1, 0, 0]}),
        entry("tfidf_lr", {"all_rows": [1, 1, 1, 0], "fit_rows": [1, 0, 0, 0]}),
    ]
    row = dict(zip(plot.MAIN_COLUMNS, plot.main_row("imdb", runs), strict=True))
    assert row["data"] == "IMDB"
    assert row["rows (train / test)"] == "100 / 4"
    assert row["textlattice"] == "75.00"
    assert row["best linear"] == "75.00 tfidf_lr"
    assert row["difference"] == "+0.00 (+0.00 to +0.00)"
    assert (row["wide alone"], row["deep alone"], row["no graph"]) == ("50.00", "0.00", "50.00")
    assert row["graph minus none"] == "+25.00 (+0.00 to +75.00)"
    assert plot.main_row("ag_news", runs) is None
    alone = dict(zip(plot.MAIN_COLUMNS, plot.main_row("imdb", runs[:1]), strict=True))
    assert alone["best linear"] == alone["no graph"] == alone["difference"] == "–"


def test_pages_from_files(tmp_path):
    assert plot.tables(tmp_path)[0] == plot.NOTHING
    runs = [
        entry("full", {"ours": [1, 0], "wide": [1, 1]}),
        entry("tfidf_lr", {"all_rows": [1, 1], "fit_rows": [1, 0]}),
    ]
    trial = entry("full", {"ours": [0, 0]}, seed=9)
    trial["key"]["limit"] = 2
    record = {"machine": runs[0]["machine"], "entries": [*runs, trial]}
    (tmp_path / "accuracy_x_2024-01-01.json").write_text(json.dumps(record))
    point = {"num_documents": 1, "num_tokens": 2000, "seconds": 2.0, "seconds_per_token": 1e-3}
    point |= {"peak_mib": 2048.0, "threads": 1}
    length = {
        "key": {"benchmark": "length", "preset": "base", "repeats": 5}, "finished": "x", "points": [point],
        "short": point | {"num_tokens": 1000}, "ratio": 1.05, "seconds_r2": 0.999, "memory_r2": None,
    }  # fmt: skip
    record = {"machine": runs[0]["machine"], "entries": [length]}
    (tmp_path / "speed_x_2024-01-01.json").write_text(json.dumps(record))
    short, page = plot.tables(tmp_path)
    assert (
        "| IMDB | 100 / 2 | 50.00 | 100.00 tfidf_lr | -50.00 (-100.00 to +0.00) | 100.00 | – | – |" in short
    )
    assert "One document of 2,000 tokens takes 1.05 times as long a token" in short
    assert "2.0 GiB of memory (A Processor, 2 cores, 1 thread)" in short
    assert "| IMDB | full | 0 |" in page
    assert "| IMDB | tfidf_lr | 0 | 0.3 | 100.00, 50.00 |" in page
    assert "| 9 |" not in page  # a trial is in no table


def test_the_page_of_the_families(tmp_path):
    rate = {"seconds": [1.0], "best": 2_528.4, "median": 2_400.0, "to_first": 0.456}
    cost = {"parameters": 6_320_000, "active_parameters": 140_000, "mean_flops": 12.4e6}
    flops = {"flops_per_char": 81_920, "flops_per_token": 317_696, "flops_per_doc": 65_792}
    models = {
        "paper": {"predicted": rate, "trained": rate | {"best": 832.0}, **cost, **flops},
        "tfidf_lr": {"predicted": rate, "parameters": 1_473_844},
    }
    families = {
        "key": {"benchmark": "families", "threads": 1, "repeats": 5}, "finished": "x", "threads": 1, "batch_size": 32,
        "kinds": [{"num_documents": 512, "num_tokens": 50, "models": models}],
    }  # fmt: skip
    record = {"machine": {"cpu": "A Processor", "cores": 2}, "entries": [families]}
    (tmp_path / "speed_x_2024-01-01.json").write_text(json.dumps(record))
    page = plot.tables(tmp_path)[1]
    assert (
        "Speed of the families (A Processor, 2 cores; threads 1, batches of 32 in training; best of 5" in page
    )
    assert "| 512 x 50 | paper | 2,528 (2,400) | 0.46 | 832 (2,400) | 0.46 | 6.32 M / 0.14 M | 12 |" in page
    assert "| 512 x 50 | tfidf_lr | 2,528 (2,400) | 0.46 | – | – | 1.47 M / – | – |" in page
    assert "`paper` computes 81,920 FLOPs a character, 317,696 a token and 65,792 a text." in page


def test_the_table_goes_between_the_markers():
    page = "# Top\n<!-- results -->\nold\n<!-- /results -->\nend\n"
    once = plot.filled(page, "new")
    assert once == "# Top\n<!-- results -->\nnew\n<!-- /results -->\nend\n"
    assert plot.filled(once, "new") == once
    with pytest.raises(SystemExit, match="expected the markers"):
        plot.filled("# Top\n", "new")


def test_check_fails_where_a_page_is_old(tmp_path, monkeypatch):
    monkeypatch.setattr(plot, "ROOT", tmp_path)
    monkeypatch.setattr(plot, "RESULTS", tmp_path / "results")
    (tmp_path / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    with pytest.raises(SystemExit, match="differs from benchmarks/results; run: make docs"):
        plot.main(["--check"])
    plot.main([])
    plot.main(["--check"])
    assert plot.NOTHING in (tmp_path / "docs" / "results.md").read_text()


@pytest.mark.parametrize("limit", ["0", "-3", "many"])
def test_numbers_of_the_command_line_are_positive(limit, capsys):
    with pytest.raises(SystemExit):
        run.main(["accuracy", "--set", "imdb", "--variant", "linear", "--limit", limit])
    assert f"argument --limit: expected a whole number of 1 or more, got '{limit}'" in capsys.readouterr().err
