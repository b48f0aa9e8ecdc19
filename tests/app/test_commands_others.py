import csv
import json

import pytest

import textlattice
from textlattice.config import TextConfig
from textlattice.graph.stats import null_model
from textlattice.text.document import read_document


def test_graph_gives_the_figures_of_the_paper_setting(cli):
    ran = cli("graph", "--random", "uniform", "--json")
    assert ran.code == 0
    result = json.loads(ran.out)
    assert result["lattice_offsets"] == [2, 4, 6, 8, 10, 12, 14, 16]
    assert 0.0549 <= result["density"] <= 0.0554
    assert result["diameter"] == 4
    assert 0.459 <= result["average_clustering"] <= 0.469
    assert 2.539 <= result["average_shortest_path"] <= 2.561
    null = null_model(360, result["num_edges"], 0)
    assert result["null_model"]["average_clustering"] == pytest.approx(null.average_clustering)


def test_graph_prints_both_graphs(cli):
    ran = cli("graph", "--tokens", "40", "--lattice-edges", "2", "--random-edges", "1", "--seed", "5")
    assert ran.out.startswith("40 tokens, distances 2, 4, 1 random (affine)\n")
    for words in ("small world", "random graph", "density", "diameter", "average clustering"):
        assert words in ran.out


@pytest.mark.parametrize("tokens", [0, 1, 2])
def test_graph_of_hardly_any_tokens(cli, tokens):
    ran = cli("graph", "--tokens", tokens, "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["num_tokens"] == tokens
    assert cli("graph", "--tokens", tokens).code == 0


def test_info_of_a_preset(cli):
    result = json.loads(cli("info", "--preset", "tiny", "--num-classes", "4", "--json").out)
    for name in ("parameters", "flops_per_char", "flops_per_token", "flops_per_doc"):
        assert result[name] > 0
    wider = json.loads(cli("info", "--preset", "tiny", "--set", "model.channels=32", "--json").out)
    assert wider["parameters"] > result["parameters"]
    assert "FLOPs a token" in cli("info", "--preset", "tiny").out


def test_info_of_a_folder(cli, tiny_folder):
    result = json.loads(cli("info", tiny_folder, "--json").out)
    assert result["labels"] == ["bad", "good"]
    assert result["engine"] == "torch"
    assert result["training"]["num_rows"] == 60
    ran = cli("info", tiny_folder)
    assert "bad, good" in ran.out
    assert "60 rows of reviews" in ran.out


def test_explain_names_the_tokens_of_the_text(cli, tiny_folder, tmp_path):
    text = "we left: the film was hopeless\x1b[31m"
    ran = cli("explain", tiny_folder, "--text", text, "--json", "--html", tmp_path / "page.html")
    assert ran.code == 0
    result = json.loads(ran.out)
    assert result["label"] == textlattice.load(tiny_folder).predict([text])[0]
    assert all(text[token["start"] : token["end"]] == token["text"] for token in result["tokens"])
    assert {edge["kind"] for edge in result["kept_edges"]} <= {"self", "all", "lattice", "random"}
    words = set(read_document(text, TextConfig()).forms())
    assert all(edge["neighbour_text"] in words for edge in result["kept_edges"])
    assert "hopeless" in (tmp_path / "page.html").read_text()
    ran = cli("explain", tiny_folder, "--text", text)
    assert ran.code == 0
    assert "hopeless" in ran.out
    assert "\x1b" not in ran.out


def test_explain_looks_at_the_place_of_its_page_first(cli, tmp_path):
    ran = cli("explain", tmp_path / "no_model", "--text", "a", "--html", tmp_path / "missing" / "page.html")
    assert ran.code == 1
    assert "page.html lies in a folder that does not exist" in ran.err


def test_explain_of_nothing(cli, tiny_folder):
    ran = cli("explain", tiny_folder, "--text", " \u200b")
    assert ran.code == 0
    assert "Nothing is left of the text" in ran.out
    assert json.loads(cli("explain", tiny_folder, "--text", "", "--json").out)["kept_edges"] == []


def test_export_calls_one_function(cli, monkeypatch):
    calls = []
    monkeypatch.setattr("textlattice.export.onnx.export_folder", lambda *paths: calls.append(paths))
    ran = cli("export", "model", "-o", "other")
    assert (ran.code, ran.out) == (0, "written to other\n")
    assert json.loads(cli("export", "model", "-o", "other", "--json").out) == {"folder": "other"}
    assert [[path.name for path in call] for call in calls] == [["model", "other"]] * 2


def test_export_needs_a_folder(cli, tmp_path):
    ran = cli("export", tmp_path / "nowhere", "-o", tmp_path / "other")
    assert ran.code == 1
    assert "expected a model folder, got nothing" in ran.err


def test_compare_prints_rows_and_advice(cli, tiny_texts, tmp_path):
    table = tmp_path / "rows.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows(zip(*tiny_texts, strict=True))
    ran = cli("compare", table, "--preset", "tiny", "--set", "train.epochs=1", "--seed", "4")
    assert ran.code == 0
    for name in ("textlattice", "majority", "tfidf_lr", "tfidf_svm", "nb_ngrams"):
        assert name in ran.out
    told = cli("compare", table, "--test", table, "--preset", "tiny", "--set", "train.epochs=1", "--json")
    result = json.loads(told.out)
    assert result["num_test"] == len(tiny_texts[0])
    assert result["rows"][0]["ours_minus_it"] is None
    assert result["advice"]
