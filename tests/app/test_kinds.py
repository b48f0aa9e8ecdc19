"""Texts with any number of labels, and labels in an order, through every command but `train`."""

import csv
import json

import numpy as np
import pytest

import textlattice
from conftest import make_stars, make_topics

pyarrow = pytest.importorskip("pyarrow")


def write_rows(path, texts, labels):
    rows = [
        json.dumps({"text": text, "label": label if isinstance(label, str) else list(label)})
        for text, label in zip(texts, labels, strict=True)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


# predict


def test_answers_in_json_lines_hold_lists(cli, topics_folder, tmp_path):
    texts = [*make_topics(8, seed=9)[0], ""]
    source = write_rows(tmp_path / "rows.jsonl", texts, ["x"] * 9)
    ran = cli("predict", topics_folder, source)
    answers = [json.loads(line) for line in ran.out.splitlines()]
    expected = textlattice.load(topics_folder).predict(texts)
    assert [tuple(answer["labels"]) for answer in answers] == expected
    assert list(answers[0]["probabilities"]) == ["art", "sea", "war"]
    assert answers[-1]["status"] == "empty"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_answers_in_tables_stand_in_one_cell(cli, topics_folder, tmp_path, suffix):
    texts = make_topics(8, seed=9)[0]
    source = write_rows(tmp_path / "rows.jsonl", texts, ["x"] * 8)
    output = tmp_path / f"answers{suffix}"
    assert cli("predict", topics_folder, source, "-o", output, "--label-separator", ";").code == 0
    if suffix == ".csv":
        rows = list(csv.DictReader(output.read_text(encoding="utf-8").splitlines()))
    else:
        rows = pyarrow.parquet.read_table(output).to_pylist()
    assert list(rows[0]) == ["text", "label", "labels", "probabilities", "status", "error"]
    answers = list(textlattice.load(topics_folder).answers(texts))
    for row, answer in zip(rows, answers, strict=True):
        assert row["labels"] == ";".join(answer.label)
        shown = [float(share) for share in row["probabilities"].split(";") if share]
        assert shown == pytest.approx([answer.probabilities[name] for name in answer.label], rel=1e-4)


def test_a_separator_that_stands_in_a_label_is_refused_for_tables_alone(cli, topics_folder, tmp_path):
    source = write_rows(tmp_path / "rows.jsonl", ["a"], ["x"])
    ran = cli("predict", topics_folder, source, "-o", tmp_path / "a.csv", "--label-separator", "e")
    assert ran.code == 1
    assert "expected a text that stands in no label, got 'e', and the label 'sea'; choose another" in ran.err
    assert cli("predict", topics_folder, source, "--label-separator", "e").code == 0
    assert cli("predict", topics_folder, source, "-o", tmp_path / "a.csv", "--label-separator", "").code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_ordered_labels_are_answered_as_single_ones(cli, stars_folder, tmp_path):
    texts = make_stars(6, seed=9)[0]
    source = write_rows(tmp_path / "rows.jsonl", texts, ["x"] * 6)
    answers = [json.loads(line) for line in cli("predict", stars_folder, source).out.splitlines()]
    assert [answer["label"] for answer in answers] == textlattice.load(stars_folder).predict(texts)
    for answer in answers:
        assert list(answer["probabilities"]) == ["1", "2", "3", "4", "5"]
        assert sum(answer["probabilities"].values()) == pytest.approx(1)


# evaluate


def test_figures_of_any_number_of_labels(cli, topics_folder, tmp_path):
    texts, labels = make_topics(40, seed=9)
    labels[3] = (*labels[3], "moon", "mars")
    source = write_rows(tmp_path / "test.jsonl", texts, labels)
    ran = cli("evaluate", topics_folder, source, "--json")
    result = json.loads(ran.out)
    assert result["task"] == "multi"
    assert result["num_unknown_labels"] == 2
    assert result["unknown_labels"] == {"moon": 1, "mars": 1} or result["unknown_labels"] == {
        "mars": 1,
        "moon": 1,
    }
    assert "2 labels that the model does not know" in ran.err
    assert 0.8 < result["micro_f1"] <= 1
    shown = cli("evaluate", topics_folder, source).out
    for words in ("subset accuracy", "micro f1", "macro f1", "lrap", "macro AUC", "calibration error", "sea"):
        assert words in shown


def test_labels_in_one_cell_are_parted(cli, topics_folder, tmp_path):
    texts, labels = make_topics(20, seed=9)
    with (tmp_path / "test.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text", "label"], *zip(texts, map("|".join, labels), strict=True)])
    ran = cli("evaluate", topics_folder, tmp_path / "test.csv", "--label-separator", "|", "--json")
    result = json.loads(ran.out)
    known = sum(map(bool, labels))
    assert result["num_rows"] + result["num_rejected"] == 20
    assert result["num_rows"] >= known
    assert result["num_unknown_labels"] == 0


def test_figures_of_an_order(cli, stars_folder, tmp_path):
    texts, labels = make_stars(60, seed=9)
    source = write_rows(tmp_path / "test.jsonl", texts, [*labels[:-1], "6"])
    result = json.loads(cli("evaluate", stars_folder, source, "--json").out)
    assert result["num_unknown_labels"] == 1
    assert result["quadratic_weighted_kappa"] > 0.5
    assert 0 < result["mae"] < 1.2
    assert result["intervals"]["quadratic_weighted_kappa"][0] < result["quadratic_weighted_kappa"]
    shown = cli("evaluate", stars_folder, source).out
    for words in ("quadratic weighted kappa", "mean distance in classes", "rows: label, columns: answer"):
        assert words in shown


def test_lists_of_labels_are_no_test_of_an_order(cli, stars_folder, tmp_path):
    source = write_rows(tmp_path / "test.jsonl", ["a"], [("1", "2")])
    ran = cli("evaluate", stars_folder, source)
    assert ran.code == 1
    assert "row 1 of" in ran.err
    assert "has a list of labels, expected one label a row" in ran.err


def test_rows_that_the_model_was_trained_on_are_told(cli, stars_folder, tmp_path):
    texts, labels = make_stars(90)
    new_texts, new_labels = make_stars(10, seed=9)
    source = write_rows(tmp_path / "test.jsonl", [*texts[:4], *new_texts], [*labels[:4], *new_labels])
    ran = cli("evaluate", stars_folder, source, "--json")
    assert json.loads(ran.out)["num_seen_in_training"] == 4
    assert "4 of 14 rows have a text that the model was trained on; they flatter it." in ran.err
    clean = cli("evaluate", stars_folder, write_rows(tmp_path / "new.jsonl", new_texts, new_labels), "--json")
    assert json.loads(clean.out)["num_seen_in_training"] == 0
    assert "trained on" not in clean.err


# explain, info, export


def test_a_label_of_any_number_is_explained(cli, topics_folder, tmp_path):
    text = "page 3 tells of waves salt and more"
    result = json.loads(cli("explain", topics_folder, "--text", text, "--json").out)
    assert result["answer"] == ["sea"]
    assert result["label"] == "sea"
    heaviest = max(result["tokens"], key=lambda token: token["weight"])["text"]
    assert heaviest in ("waves", "salt")
    other = json.loads(cli("explain", topics_folder, "--text", text, "--label", "war", "--json").out)
    assert other["label"] == "war"
    assert other["probability"] < 0.5
    shown = cli("explain", topics_folder, "--text", text, "--label", "war", "--html", tmp_path / "page.html")
    assert shown.out.startswith("answer: sea\nwar (")
    assert "answer: no label" in cli("explain", topics_folder, "--text", "page 1 tells of and more").out
    wrong = cli("explain", topics_folder, "--text", text, "--label", "moon")
    assert "label must be one that the model knows (art, sea, war), got 'moon'" in wrong.err


def test_weights_are_log_odds_of_the_label(topics_folder):
    from textlattice.explain.occlusion import explain

    predictor = textlattice.load(topics_folder)
    result = explain(predictor, "waves cannon", label="sea")
    odds = [np.log(p / (1 - p)) for p in predictor.probabilities(["waves cannon", "cannon", "waves"])[:, 1]]
    assert [token.weight for token in result.tokens] == pytest.approx(
        [odds[0] - odds[1], odds[0] - odds[2]], abs=1e-4
    )


def test_an_answer_of_an_order_is_explained(cli, stars_folder):
    result = json.loads(cli("explain", stars_folder, "--text", "evening 1: superb and radiant", "--json").out)
    assert result["answer"] == result["label"]
    assert [token["text"] for token in result["tokens"]][-3:] == ["superb", "and", "radiant"]


@pytest.mark.parametrize("kind", ["topics", "stars"])
def test_info_names_the_kind(cli, request, kind):
    folder = request.getfixturevalue(f"{kind}_folder")
    result = json.loads(cli("info", folder, "--json").out)
    shown = cli("info", folder).out
    if kind == "topics":
        assert (result["task"], len(result["thresholds"]), result["cut_points"]) == ("multi", 3, [])
        assert "3 labels, any number a text" in shown
        assert "micro F1 on held-out training rows" in shown or "none" in shown or "trained on" in shown
    else:
        assert (result["task"], result["thresholds"], len(result["cut_points"])) == ("ordinal", [], 4)
        assert "5 labels in an order" in shown


# compare


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (make_topics, [], ["rows all right", "macro F1", "micro F1", "has a macro F1 of"]),
        (
            make_stars,
            ["--task", "ordinal"],
            ["accuracy", "kappa", "tfidf_ridge", "quadratic weighted kappa of"],
        ),
    ],
)
def test_compare_shows_what_fits(cli, tmp_path, make, options, words):
    source = write_rows(tmp_path / "rows.jsonl", *make(60))
    quick = ["--preset", "tiny", "--set", "train.steps=4"]
    ran = cli("compare", source, *quick, *options)
    assert ran.code == 0
    for part in words:
        assert part in ran.out
    assert "p value" not in ran.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "ordinal", "--label-order", "1,2,3"], "expected every label of the training rows"),
        (["--label-order", "1,2,3"], "an order of labels is for the task ordinal, got it for single"),
        (["--task", "multi", "--label-order", "1,2"], "got it for multi"),
    ],
)
def test_an_order_that_does_not_fit(cli, tmp_path, options, message):
    source = write_rows(tmp_path / "rows.jsonl", *make_stars(30))
    ran = cli("compare", source, "--preset", "tiny", *options)
    assert ran.code == 1
    assert message in ran.err


def test_lists_of_labels_for_one_label(cli, tmp_path):
    source = write_rows(tmp_path / "rows.jsonl", *make_topics(30))
    ran = cli("compare", source, "--preset", "tiny", "--task", "single")
    assert (
        "has a list of labels, expected one label a row; a model for lists of labels is trained with --task multi"
        in ran.err
    )
