"""The benchmark of the pyramid: other networks that learn, edges that stay in their document, one row, the page."""

import numpy as np
import pytest
import torch

from benchmark_scripts import neural, pyramid_study, records, rows, run
from encoders.models import write_bert
from textlattice.config import TextConfig, preset
from textlattice.encoders.language_model import open_encoder
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
def test_a_network_learns_and_pads_nothing_into_its_answers(name, parts):
    probabilities = neural.train_network(name, parts, READER, seed=0)
    found = probabilities(parts.selection_texts)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    assert (found.argmax(1) == parts.selection_targets).mean() > 0.9
    alone = probabilities(["good film was lovely"])
    beside = probabilities(["good film was lovely", "the film was seen by us and it was very dull", ""])
    if name != "TextCNN":  # which pads as it was published
        np.testing.assert_allclose(alone[0], beside[0], atol=1e-5)
    assert np.isfinite(beside).all()


def test_edges_stay_in_their_document():
    edges = neural.window_edges(torch.tensor([0, 0, 1, 1, 1, 2]))
    assert {tuple(edge) for edge in edges.T.tolist()} == {
        *((0, 1), (1, 0), (2, 3), (3, 2), (3, 4), (4, 3), (2, 4), (4, 2))
    }
    assert neural.window_edges(torch.zeros(0, dtype=torch.int64)).shape == (2, 0)


def test_regression_over_a_frozen_language_model(tmp_path):
    encoder = open_encoder(write_bert(tmp_path), "bert", num_layers=1)
    texts = ["a film film .", "a hopeless hope ."] * 20
    targets = np.array([1, 0] * 20)
    parts = neural.Parts(
        fit_texts=texts,
        fit_targets=targets,
        selection_texts=texts[:10],
        selection_targets=targets[:10],
        num_labels=2,
    )
    reader = TextReader(config=TextConfig(), cut=encoder.tokenizer)
    probabilities = neural.frozen_regression(parts, encoder, reader)
    assert (probabilities(texts).argmax(1) == targets).all()
    assert np.isfinite(probabilities([""])).all()
    short = neural.frozen_regression(parts, encoder, reader, most_tokens=2)
    np.testing.assert_allclose(short(["a film hope"]), short(["a film"]), atol=0.2)


def test_settings_of_every_row():
    made = [
        (preset(row.preset).with_settings(row.settings), row.reads) for row in pyramid_study.OURS.values()
    ]
    assert len({repr(one) for one in made}) == len(made)


@pytest.mark.parametrize(
    "row", ["no graph", "tfidf_lr", "GCN", "frozen MiniLM + LR", "pyramid over our own encoder"]
)
def test_a_row_from_the_command_line(row, small_sets, tmp_path, capsys, monkeypatch):
    steps = {"train.steps": 3, "train.least_steps": 1}
    monkeypatch.setattr(pyramid_study, "preset", lambda name: preset(name).with_settings(steps))
    arguments = ["pyramid", "--set", "imdb", "--row", row, "--data", small_sets, "--threads", "1"]
    arguments += ["--results", str(tmp_path / "results"), "--tables", str(tmp_path / "tables")]
    arguments += ["--model", str(write_bert(tmp_path / "bert"))]
    run.main(arguments)
    assert "accuracy" in capsys.readouterr().out
    run.main(arguments)
    assert "is there already" in capsys.readouterr().err
    page = pyramid_study.page(records.entries("pyramid", tmp_path / "results"))
    assert "60 rows to train, 20 to test." in page
    assert f"| {row} | 1 | " in page


def test_the_page_compares_with_the_pyramid():
    def entry(row, right):
        judged = {"accuracy": np.mean(right), "macro_f1": 0.5, "ece": 0.1}
        judged["correct"] = records.pack(np.array(right, bool))
        return {
            "key": {"row": row, "set": "imdb", "limit": 8, "seed": 0},
            "num_train": 8,
            "num_test": 4,
            "train_seconds": 60.0,
            "models": {"ours": judged},
        }

    page = pyramid_study.page([entry("GCN", [1, 1, 0, 0]), entry("pyramid", [1, 1, 1, 0])])
    assert "| pyramid | 1 | 75.00 | – | – | 50.00 | – | – | – | 0.1000 | 1.0 min |" in page
    assert "| GCN | 1 | 50.00 | -25.00 (-75.00 to +0.00) | – | 50.00 |" in page
    assert "being made" in pyramid_study.page([])
