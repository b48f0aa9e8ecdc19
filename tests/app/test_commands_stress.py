"""`textlattice stress`, its page, and a baseline beside it."""

import json

import numpy as np
import pytest

from conftest import make_stars, make_topics
from textlattice.baselines.answering import answering_baseline
from textlattice.errors import ConfigError
from textlattice.task import Task


@pytest.fixture
def reviews(tmp_path, tiny_texts):
    path = tmp_path / "reviews.jsonl"
    rows = (json.dumps({"text": text, "label": label}) for text, label in zip(*tiny_texts, strict=True))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


SHORT = ("--limit", "20", "--draws", "1", "--family", "typo", "--family", "invisible")


def test_figures_of_a_model_and_of_a_baseline(cli, tiny_folder, reviews, tmp_path):
    page = tmp_path / "noise.html"
    words = ("stress", tiny_folder, reviews, *SHORT, "--train", reviews, "--attack", "3", "--html", page)
    ran = cli(*words)
    assert ran.code == 0, ran.err
    assert "tfidf_lr" in ran.out
    assert "under attack" in ran.out
    assert f"written to {page}" in ran.err
    content = page.read_text()
    assert content.count("<svg") == 2
    assert content.count("<polyline") == 4
    assert "<script" not in content
    assert content.count("20 % spoiled</h2>") == 2
    assert "Attacked, character by character" in content
    result = json.loads(cli(*words, "--json").out)
    names = [model["name"] for model in result["models"]]
    assert names == [str(tiny_folder), "tfidf_lr"]
    ours = result["models"][0]
    assert ours["num_rows"] == 20
    assert [*ours["families"]] == ["typo", "invisible"]
    unseen = ours["families"]["invisible"]  # what cannot be seen is not read
    assert unseen["relative_area"] == pytest.approx(1, abs=1e-12)
    assert {(point["accuracy"], point["flip_rate"]) for point in unseen["points"]} == {
        (ours["clean"]["accuracy"], 0)
    }
    low, high = ours["interval"]
    assert low <= ours["relative_area"] <= high <= 1.2
    assert f"({low:.3f} to {high:.3f})" in content
    assert 0 <= ours["attack"]["accuracy_under_attack"] <= ours["attack"]["accuracy"] <= 1
    for name in ("accuracy", "accuracy_under_attack"):
        assert f'<td class="number">{100 * ours["attack"][name]:.1f} %</td>' in content
    strongest = ours["families"]["typo"]["points"][-1]
    row = content[content.index("<tr><td><bdi>typo</bdi></td>") :]
    row = row[: row.index("</tr>")]
    for name in ("accuracy", "macro_f1", "flip_rate", "always_right"):
        assert f">{100 * strongest[name]:.1f} %<" in row
    assert f">{strongest['ece']:.4f}<" in row


def test_a_bound_that_is_missed_fails(cli, tiny_folder, reviews):
    ran = cli("stress", tiny_folder, reviews, *SHORT, "--min-relative-auc", "1")
    assert ran.code == 1
    assert "expected a mean relative area of at least 1.0, got" in ran.err
    assert "typo" in ran.out  # the figures are told all the same
    assert cli("stress", tiny_folder, reviews, "--min-relative-auc", "90").code == 2
    assert cli("stress", tiny_folder, reviews, *SHORT, "--min-relative-auc", "0").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--family", "rain"), "unknown family of noise 'rain'"),
        (("--html", "nowhere/noise.html"), "nowhere/noise.html lies in a folder that does not exist"),
        (("--baseline", "none", "--train", "REVIEWS"), "unknown baseline 'none': expected one of majority"),
    ],
)
def test_wrong_arguments(cli, tiny_folder, reviews, arguments, message):
    arguments = [str(reviews) if word == "REVIEWS" else word for word in arguments]
    ran = cli("stress", tiny_folder, reviews, "--limit", "5", *arguments)
    assert ran.code == 1
    assert message in ran.err


def test_a_kind_of_noise_that_touches_no_text_is_told(cli, tiny_folder, tmp_path):
    path, page = tmp_path / "rows.jsonl", tmp_path / "noise.html"
    rows = [{"text": "很好吃 下次还来", "label": "good"}, {"text": "味道一般 太慢了", "label": "bad"}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    words = ("stress", tiny_folder, path, "--draws", "1", "--attack", "5")
    ran = cli(*words, "--family", "case", "--family", "truncation", "--html", page)
    assert ran.code == 0, ran.err
    assert "touches no text" in ran.out
    assert "case (touches no text)" in page.read_text()
    assert "2 rows are there to be attacked, --attack asks for 5" in ran.err
    ran = cli(*words, "--family", "case")
    assert ran.code == 1
    assert "no noise of case changes any of these 2 texts" in ran.err


def test_rows_that_flatter_or_wrong_the_model_are_told(cli, tiny_folder, reviews, tiny_texts, tmp_path):
    ran = cli("stress", tiny_folder, reviews, *SHORT)
    assert ran.code == 0, ran.err
    assert f"{reviews}: 20 of 20 rows have a text that the model was trained on; they flatter it." in ran.err
    path = tmp_path / "odd.jsonl"
    labels = ["good", "odd", "bad"]
    rows = [
        {"text": f"new {text}", "label": label} for text, label in zip(tiny_texts[0], labels, strict=False)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    ran = cli("stress", tiny_folder, path, *SHORT)
    assert f"{path}: 1 rows with labels that the model does not know: odd (1)" in ran.err
    assert "trained on" not in ran.err
    ran = cli("stress", tiny_folder, reviews, *SHORT, "--train", path)
    assert (
        f"{path}: 1 rows with labels that the model does not know: odd (1); tfidf_lr is trained without them"
        in ran.err
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--budget", "50"), "goes with --attack alone"),
        (("--baseline", "majority"), "goes with --train alone"),
    ],
)
def test_options_that_would_do_nothing_are_refused(cli, tiny_folder, reviews, words, message):
    ran = cli("stress", tiny_folder, reviews, *words)
    assert ran.code == 2
    assert message in ran.err


def test_a_family_given_twice_counts_once(cli, tiny_folder, reviews):
    once, twice = (
        json.loads(cli("stress", tiny_folder, reviews, *SHORT, *more, "--json").out)
        for more in ((), ("--family", "typo"))
    )
    assert once == twice


def test_a_model_that_knows_nothing_has_nothing_to_lose(cli, tiny_folder, reviews, tiny_texts, tmp_path):
    path = tmp_path / "turned.jsonl"
    turned = {"good": "bad", "bad": "good"}
    rows = [{"text": text, "label": turned[label]} for text, label in zip(*tiny_texts, strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    ran = cli("stress", tiny_folder, path, *SHORT, "--min-relative-auc", "0.1")
    assert ran.code == 1
    assert "no better than always the same answer" in ran.err


@pytest.mark.parametrize(
    ("kind", "made", "measure"),
    [("topics", make_topics, "macro_f1"), ("stars", make_stars, "quadratic_weighted_kappa")],
)
def test_other_kinds_of_labels(cli, kind, made, measure, request, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": text, "label": label} for text, label in zip(*made(90), strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    folder = request.getfixturevalue(f"{kind}_folder")
    result = json.loads(cli("stress", folder, path, *SHORT, "--train", path, "--json").out)
    for model in result["models"]:
        assert (model["measure"], model["chance"], model["interval"]) == (measure, 0, None)


def test_a_baseline_knows_the_labels_of_the_task_alone(tiny_texts):
    task = Task(labels=("bad", "good", "never"), priors=(0.5, 0.4, 0.1))
    texts, labels = tiny_texts
    probabilities, decides = answering_baseline("tfidf_lr", task, [*texts, "odd"], [*labels, "strange"])
    found = probabilities(texts)
    assert found.shape == (len(texts), 3)
    assert decides == task
    assert not found[:, 2].any()
    np.testing.assert_allclose(found.sum(1), 1)
    with pytest.raises(ConfigError, match="unknown baseline"):
        answering_baseline("none", task, texts, labels)
