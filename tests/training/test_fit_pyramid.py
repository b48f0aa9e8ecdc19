"""The pyramid through training, folder and prediction, as any family."""

import json

import numpy as np
import pytest
import torch

from conftest import make_stars, make_topics
from textlattice import load
from textlattice.app.commands.explain import scale_weights
from textlattice.evaluation.answers import evaluate_answers
from textlattice.presets import preset
from textlattice.runtime.token_table import token_table
from textlattice.training.fit import fit
from textlattice.training.save import predictor_of, save_trained

SMALL = {
    **{"model.channels": 16, "train.steps": 40, "train.batch_size": 16, "train.threads": 1},
    **{"train.learning_rate": 5e-3},
}
OF_FORM = {"model.word_channels": 8, "model.char_channels": 8, "text.num_subwords": 64}


def config(**settings):
    own = {} if "model.encoder" in settings else OF_FORM
    return preset("pyramid").with_settings(SMALL | own | settings)


ALL_PARTS = {"model.top_down": "sum", "model.num_layers": 2}
ALL_EDGES = ALL_PARTS | {"model.edges": ["adjacent", "tree", "similar", "small_world", "document"]}


@pytest.mark.parametrize("settings", [{}, ALL_PARTS, ALL_EDGES])
def test_from_texts_to_a_folder_that_answers_the_same(settings, tiny_texts, tmp_path):
    trained = fit(*tiny_texts, config(**settings))
    assert trained.record["cost"]["mean_flops"] > 0
    expected = predictor_of(trained).probabilities(tiny_texts[0][:9])
    save_trained(trained, tmp_path / "model", source={"name": "reviews"})
    assert (
        json.loads((tmp_path / "model" / "config.json").read_text())["config"]["model"]["family"] == "pyramid"
    )
    again = load(tmp_path / "model")
    np.testing.assert_allclose(again.probabilities(tiny_texts[0][:9]), expected, atol=1e-6)
    weights = scale_weights(again, tiny_texts[0][0])
    assert len(weights) == 4
    assert sum(weights) == pytest.approx(1)
    assert scale_weights(again, "") == []
    assert again.probabilities([""]).sum() == pytest.approx(1)


@pytest.mark.parametrize("parts", [{}, ALL_PARTS])
def test_the_network_alone_learns(parts, tiny_texts):
    settings = parts | {"train.wide": "none", "train.steps": 200, "train.patience": 100}
    trained = fit(*tiny_texts, config(**settings), validation=tiny_texts)
    answers = predictor_of(trained).predict(tiny_texts[0])
    assert np.mean(np.array(answers) == np.array(tiny_texts[1])) > 0.9


@pytest.mark.parametrize(
    ("make", "kind", "measure"),
    [(make_topics, "multi", "macro_f1"), (make_stars, "ordinal", "quadratic_weighted_kappa")],
)
def test_the_network_alone_learns_other_kinds_of_labels(make, kind, measure, tmp_path):
    texts, labels = make(120)
    settings = {"train.wide": "none", "train.steps": 120, "train.patience": 100}
    settings |= {"train.focal": 2.0, "train.class_weight": "balanced"}
    trained = fit(texts, labels, config(**settings), task=kind, label_order=None, validation=(texts, labels))
    predictor = predictor_of(trained)
    found = evaluate_answers(trained.task, predictor.probabilities(texts), labels, num_bootstrap=0)
    assert found[measure] > 0.8
    save_trained(trained, tmp_path / "model", source={"name": "rows"})
    np.testing.assert_allclose(
        load(tmp_path / "model").probabilities(texts[:5]), predictor.probabilities(texts[:5]), atol=1e-6
    )


def test_a_token_table_alone_is_an_encoder(tiny_texts):
    words = sorted({word for text in tiny_texts[0] for word in text.lower().split()})
    generator = np.random.default_rng(0)
    table = token_table(words, generator.normal(size=(len(words), 6)).astype(np.float32), config().text)
    trained = fit(*tiny_texts, config(**{"model.encoder": "table"}), token_table=table)
    assert trained.config.model.injected_channels == 6
    assert len(trained.collator.vocabulary.words) == 0
    assert predictor_of(trained).probabilities(tiny_texts[0]).shape == (len(tiny_texts[0]), 2)


def test_a_training_that_is_cut_ends_with_the_same_bits(cut_training):
    expected, found = cut_training(config(**ALL_EDGES), moves=15)
    wanted = expected.model.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in found.model.state_dict().items())
