"""The study of kept edges: figures of a small graph, the null model, shutting edges, the page and its pictures."""

import json

import numpy as np
import pytest

from benchmark_scripts import (
    ablation,
    graph_study,
    pictures,
    records,
    run,
    sets,
)
from textlattice.presets import preset
from textlattice.training.fit import fit
from textlattice.training.save import predictor_of

# 0 hears 1 and 2, 1 hears 2, 2 hears 1, nobody hears 0 or 3.
EDGES = graph_study.KeptGraph(
    num_tokens=4,
    listener=np.array([0, 0, 1, 2]),
    neighbour=np.array([1, 2, 2, 1]),
    is_random=np.array([False, True, False, False]),
    openness=np.ones(4),
    candidates=np.array([[1, 3, 2], [2, 0, 3], [1, 3, 0], [2, -1, 1]]),
    num_random=1,
)


def test_figures_of_a_small_graph():
    figures = graph_study.figures_of(EDGES)
    assert figures == {
        "degree": 1.0,
        "share_random": 0.25,
        "mean_length": 1.25,
        "in_degree_deviation": 1.0,
        "in_degree_most": 2.0,
        "in_degree_share": 0.5,
        "page_rank": pytest.approx(1.8095, abs=1e-4),
        "mutual": 0.5,
        "average_clustering": pytest.approx((1 + 0.5 + 0.5 + 0) / 4),
    }


def test_the_null_model_keeps_as_many_edges_of_those_that_a_token_had():
    for seed in range(20):
        drawn = EDGES.drawn(np.random.default_rng(seed))
        assert np.bincount(drawn.listener, minlength=4).tolist() == [2, 1, 1, 0]
        for listener, neighbour, is_random in zip(
            drawn.listener, drawn.neighbour, drawn.is_random, strict=True
        ):
            assert neighbour in EDGES.candidates[listener]
            assert is_random == (neighbour == EDGES.candidates[listener][2])
        assert len(set(zip(drawn.listener.tolist(), drawn.neighbour.tolist(), strict=True))) == 4


def test_every_edge_is_drawn_as_often():
    generator = np.random.default_rng(0)
    heard = [EDGES.drawn(generator).neighbour[2] for _ in range(3000)]  # of token 1
    np.testing.assert_allclose(np.bincount(heard, minlength=4) / 3000, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.03)


@pytest.fixture(scope="module")
def trained(tiny_texts):
    return fit(*tiny_texts, preset("tiny").with_settings({"train.steps": 30}))


@pytest.fixture(scope="module")
def judged(trained, tiny_texts):
    texts = [text * 5 for text in tiny_texts[0]]
    part = sets.Part(texts=texts, labels=list(tiny_texts[1]))
    documents = [trained.reader.read(text) for text in texts]
    return sets.Dataset(name="imdb", train=part, test=part), documents


def test_with_nothing_shut_the_answers_are_those_of_the_predictor(trained, judged):
    rows, documents = judged
    expected = trained.task.probabilities(predictor_of(trained).logits(rows.test.texts))
    found = graph_study._probabilities(trained, documents, "nothing")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_shutting_edges_changes_the_network_and_only_meanwhile(trained, judged):
    rows, documents = judged
    figures = graph_study.shut_figures(trained, rows, documents)
    assert list(figures) == list(graph_study.SHUT)
    assert figures["nothing"]["moved"] == figures["nothing"]["flipped"] == 0
    if trained.record["sum"]["b"] > 0:
        assert figures["all lattice edges"]["moved"] > 0
    parts = [figures[f"kept {kind}edges"]["moved"] for kind in ("", "random ", "lattice ")]
    assert parts[0] <= parts[1] + parts[2] + 1e-6
    again = graph_study._probabilities(trained, documents, "nothing")
    np.testing.assert_array_equal(again, graph_study._probabilities(trained, documents, "nothing"))


def test_kept_edges_are_those_that_explanations_tell(trained, judged):
    from textlattice.explain.edges import kept_edges

    for document in judged[1][:3]:
        graph = graph_study.kept_graph(trained, document)
        told = kept_edges(trained.model, trained.collator, document)
        expected = {(edge.token, edge.neighbour) for edge in told if edge.kind != "self"}
        assert set(zip(graph.listener.tolist(), graph.neighbour.tolist(), strict=True)) == expected


def test_a_study_from_the_command_line(small_sets, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "preset", lambda name: preset({"base": "tiny"}[name]))
    monkeypatch.setitem(ablation.ROWS, "imdb", ablation.Rows(num_fit=40, num_judged=20, by_block=True))
    monkeypatch.setattr(graph_study, "FEWEST_TOKENS", 3)
    monkeypatch.setattr(graph_study, "LEAST_SEEN", 2)
    arguments = ["graph", "--set", "imdb", "--data", small_sets, "--threads", "1"]
    arguments += ["--results", str(tmp_path / "results")]
    run.main(arguments)
    assert "accuracy with edges shut {'nothing': " in capsys.readouterr().out
    run.main(arguments)
    assert "is there already" in capsys.readouterr().err
    runs = records.entries("graph", tmp_path / "results")
    json.dumps(runs, allow_nan=False)
    page = graph_study.page(runs)
    assert "40 rows to train on; 20 documents of 3 tokens or more" in page
    assert "| share of them that are random edges | " in page
    assert "| kept random edges | " in page
    of_sets = graph_study.by_set(runs)
    pictures.draw_in_degrees(of_sets, tmp_path / "degrees.svg")
    pictures.draw_example(*runs[0]["example"].values(), tmp_path / "example.svg")
    for name in ("degrees", "example"):
        written = (tmp_path / f"{name}.svg").read_bytes()
        assert b"</svg>" in written
        assert len(written) < 200_000
    assert "sisters" in (tmp_path / "example.svg").read_text()
    assert "being made" in graph_study.page([])
