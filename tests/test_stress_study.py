"""The benchmark of models under noise: wrong labels, runs from the command line, the page, the picture."""

import numpy as np
import pytest

from benchmark_scripts import pictures, pyramid_study, records, run, stress_study
from encoders.models import write_bert
from textlattice.presets import preset
from textlattice.stress.area import area_interval
from textlattice.text.noise import FAMILIES

LABELS = ["a", "b", "c"] * 40


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 1.0])
def test_so_many_labels_are_wrong(share):
    flipped = stress_study.flip_labels(LABELS, share, 0)
    assert flipped == stress_study.flip_labels(LABELS, share, 0)
    assert sum(a != b for a, b in zip(flipped, LABELS, strict=True)) == round(share * len(LABELS))
    assert set(flipped) == set(LABELS)


def test_what_few_wrong_labels_flip_more_flip_too():
    few, many = (stress_study.flip_labels(LABELS, share, 3) for share in (0.1, 0.3))
    assert all(b == c for a, b, c in zip(LABELS, few, many, strict=True) if a != b)
    assert few != stress_study.flip_labels(LABELS, 0.1, 4)


def test_settings_of_every_model():
    rows = [row for row in stress_study.MODELS.values() if row is not None]
    assert len({repr((row.config(seed=1, threads=1), row.reads)) for row in rows}) == len(rows)
    both = stress_study.MODELS["base, both"].config(seed=0, threads=1)
    assert (both.train.noise, both.text.fold_confusables) == (0.3, True)
    assert set(stress_study.LABEL_NOISE_MODELS) < set(stress_study.MODELS)


@pytest.fixture
def stress(small_sets, tmp_path, monkeypatch):
    """Runs `stress` on IMDB in a few rows, and gives the entries so far."""
    steps = {"train.steps": 3, "train.least_steps": 1}
    monkeypatch.setattr(pyramid_study, "preset", lambda name: preset(name).with_settings(steps))
    bert = str(write_bert(tmp_path / "bert"))

    def run_stress(*words):
        arguments = ["stress", "--set", "imdb", "--data", small_sets, "--threads", "1", "--test-rows", "6"]
        arguments += ["--draws", "1", "--attack", "2", "--budget", "9", "--language-model", bert]
        arguments += ["--results", str(tmp_path / "results"), "--tables", str(tmp_path / "tables")]
        run.main([*arguments, *words])
        return records.entries("stress", tmp_path / "results")

    return run_stress


@pytest.mark.parametrize(
    "model",
    [
        "base, both",
        "pyramid, both",
        "char_svm",
        "tfidf_lr, texts normalised",
        "frozen MiniLM + LR, 256 tokens",
    ],
)
def test_a_model_from_the_command_line(model, stress, capsys, tmp_path):
    stress("--model", model)
    assert "relative_area" in capsys.readouterr().out
    (entry,) = stress("--model", model)
    assert "is there already" in capsys.readouterr().err
    assert entry["key"] == {
        **{"model": model, "set": "imdb", "limit": None, "test_rows": 6, "label_noise": None},
        **{"draws": 1, "attacked": 2, "budget": 9, "seed": 0},
    }
    assert (entry["num_train"], entry["num_test"], entry["levels"][-1]) == (60, 6, 0.2)
    assert set(entry["families"]) == set(FAMILIES)
    for curve in entry["families"].values():
        assert all(len(curve[figure]) == 6 for figure in stress_study._CURVES)
        assert curve["accuracy"][0] == pytest.approx(entry["clean"]["accuracy"], abs=1e-4)
    shares = stress_study._shares([entry])
    curves = [curve["accuracy"] for curve in entry["families"].values()]
    np.testing.assert_allclose(shares.mean(2), curves, atol=1e-5)  # the rows that were right, in their order
    chance = entry["chance"]
    area = area_interval(shares, np.array(entry["levels"]), chance).difference
    assert area == pytest.approx(entry["relative_area"], abs=1e-5)
    if model == "tfidf_lr, texts normalised":
        assert entry["families"]["invisible"]["flip_rate"] == [0.0] * 6
    assert entry["attack"]["num_rows"] == 2
    page = stress_study.page([entry])
    assert "60 rows to train, 6 to test, 1 draws of each noise, 2 texts attacked with 9 queries each." in page
    assert f"| {model} | 1 | " in page
    states = [*(tmp_path / "tables" / "states").rglob("*.safetensors")]
    assert len(states) <= 60 + 6  # no spoiled text is kept


def test_wrong_labels_from_the_command_line(stress):
    for share in ("0", "0.3"):
        entries = stress("--model", "tfidf_lr", "--label-noise", share, "--limit", "15")
    assert "families" not in entries[0]
    assert entries[0]["num_test"] == 20  # all of them, for clean answers are cheap
    page = stress_study.page(entries)
    assert "| model | seeds | 0 % | 30 % |" in page
    with pytest.raises(SystemExit, match=r"--label-noise must lie in \[0, 1\), got 1.5"):
        stress("--label-noise", "1.5")


def entry(model, accuracy, *, seed=0, label_noise=None, name="imdb", area=0.8):
    key = {"model": model, "set": name, "limit": 8, "test_rows": 4, "label_noise": label_noise}
    key |= {"draws": 2, "attacked": 4, "budget": 9, "seed": seed}
    run = {"key": key, "num_train": 8, "num_test": 4, "train_seconds": 90.0, "clean": {"accuracy": accuracy}}
    if label_noise is not None:
        return run
    families = {
        family: {
            "relative_area": area - 0.05 * place,
            "accuracy": [accuracy, accuracy - 0.1],
            **{
                "macro_f1": [0.5, 0.4],
                "ece": [0.01, 0.25],
                "flip_rate": [0.0, 0.125],
                "deviation": [0.0, 0.02],
            },
        }
        for place, family in enumerate(FAMILIES)
    }
    found = {"num_rows": 4, "accuracy": 1.0, "accuracy_under_attack": 0.25}
    right = np.zeros((len(FAMILIES), 2, 4), int)
    right[:, 0] = 2
    right[:, 1, : round(4 * accuracy)] = 1  # of two draws
    run |= {"levels": [0.0, 0.2], "chance": 0.0, "right": records.pack_places(right)}
    return run | {"relative_area": area, "families": families, "attack": found}


RUNS = [
    entry("tfidf_lr", 0.5),
    entry("base", 0.75),
    entry("base", 0.25, seed=1, area=0.6),
    entry("base", 0.5, name="ag_news"),
    *(entry("base", 0.5, label_noise=0.1), entry("base", 0.25, label_noise=0.1, seed=1)),
    *(entry("tfidf_lr", 0.5, label_noise=0.0), entry("tfidf_lr", 0.25, label_noise=0.3)),
]


def test_the_page():
    page = stress_study.page(RUNS)
    assert (
        "| base | 2 | 50.00 | 27.50 | 0.500 | 0.512 | 0.475 | +0.062 (+0.000 to +0.188) | – | truncation | 0.700 | "
        "0.650 | 0.600 | 0.550 | 0.500 | 0.450 | 0.400 | 0.350 | 0.300 | 25.0 ± 42.4 of 100.00 | 1.5 min |"
        in page
    )
    assert page.index("## ag_news") < page.index("## imdb")
    assert page.index("| base | 2 |") < page.index("| tfidf_lr | 1 |")
    assert "](stress_imdb.svg)" in page
    assert "| model | seeds | 0 % | 10 % | 30 % |" in page
    assert "| base | 2 | – | 37.50 | – |" in page
    assert "| tfidf_lr | 1 | 50.00 | – | 25.00 |" in page
    assert "being made" in stress_study.page([])


def test_figures_at_the_highest_level():
    page = stress_study.page([entry("base", 0.75), entry("base", 0.25, seed=1)])
    assert "At 20 %, means over kinds:" in page
    assert "| base | 40.00 | 40.00 | 0.2500 | 12.50 | 2.00 |" in page
    once = entry("base", 0.75)
    once["key"]["draws"] = 1
    assert "| base | 65.00 | 40.00 | 0.2500 | 12.50 | – |" in stress_study.page([once])


def test_goals_are_answered_where_both_were_run():
    page = stress_study.page([entry("pyramid", 0.75), entry("tfidf_lr", 0.5), entry("base", 0.5)])
    assert "- The relative area of `pyramid` less that of tfidf_lr: +0.062 (" in page
    assert "fine-tuned MiniLM, 256 tokens: " not in page
    assert "- The relative area" not in stress_study.page(RUNS)


def test_models_without_a_seed_in_common_are_not_compared():
    page = stress_study.page([entry("tfidf_lr", 0.5), entry("base", 0.75, seed=1)])
    assert "| base | 1 | 75.00 | 45.00 | 0.600 | 0.613 | 0.575 | – | – |" in page


def test_accuracy_under_noise_counts_from_chance():
    page = stress_study.page([entry("base", 0.75) | {"chance": 0.5}])
    assert "| base | 1 | 75.00 | 65.00 | 0.600 |" in page


def test_each_way_of_measuring_has_its_section():
    other = entry("base", 0.5)
    other["key"]["draws"] = 5
    assert list(stress_study.sections([*RUNS, other])) == [
        "stress_ag_news.svg",
        "stress_imdb.svg",
        "stress_imdb_2.svg",
    ]


def test_the_picture(tmp_path):
    curves = stress_study.curves_of(stress_study.sections(RUNS)["stress_imdb.svg"])
    np.testing.assert_allclose(curves["base"]["typo"], [50, 40])
    for name in ("first", "second"):
        pictures.draw_noise(curves, [0.0, 0.2], tmp_path / name)
    drawn = (tmp_path / "first").read_text()
    assert drawn == (tmp_path / "second").read_text()
    assert all(word in drawn for word in (*FAMILIES, "tfidf_lr"))
