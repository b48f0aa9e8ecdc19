"""The published model through the whole pipeline: training, folder, answers, resumption."""

import dataclasses

import numpy as np
import pytest
import torch

from textlattice import load
from textlattice.config import Config, GraphConfig, PublishedConfig
from textlattice.config_json import from_dict, to_dict
from textlattice.errors import ArtefactError, ConfigError
from textlattice.models.published import PublishedClassifier
from textlattice.presets import preset
from textlattice.runtime.predictor import Predictor
from textlattice.runtime.token_table import TokenTable, token_table
from textlattice.text.vocabulary import word_keys
from textlattice.training.fit import fit
from textlattice.training.save import predictor_of, save_trained

WORDS = ["good", "fine", "bad", "awful", "the", "was"]
SMALL = Config(
    model=PublishedConfig(channels=16, num_heads=2, head_channels=8, injected_channels=0),
    graph=GraphConfig(lattice_offsets=((2, 4), (3,)), num_random_edges=(2, 2), random="uniform"),
    train=dataclasses.replace(preset("paper").train, epochs=3, batch_size=8, threads=1),
)


def sentiment_table(vectors=None):
    """Polarity and subjectivity of a few words, behind vectors if there are any."""
    scores = np.array([[1, 1], [0.5, 1], [-1, 1], [-0.9, 1], [0, 0], [0, 0]], np.float32)
    return token_table(
        WORDS,
        scores if vectors is None else np.hstack([vectors, scores]),
        SMALL.text,
        {"lexicon": {"sources": ["made"]}},
    )


@pytest.fixture(scope="module")
def trained(tiny_texts):
    return fit(*tiny_texts, SMALL)


def changed(**settings):
    return dataclasses.replace(SMALL, model=dataclasses.replace(SMALL.model, **settings))


# Training and folder.


def test_the_preset_is_the_published_model():
    config = preset("paper")
    model = PublishedClassifier(config, num_outputs=4)
    assert sum(value.numel() for value in model.parameters()) == 1_020_964
    assert config.train.learning_rate == 3.2e-3
    assert [round(70 * share) for share in config.train.halvings] == [15, 20, 30, 38, 40, 45, 50]


def test_settings_keep_their_family():
    again = from_dict(Config, to_dict(SMALL))
    assert again == SMALL
    assert from_dict(Config, {}).model.family == "cnn_gnn"
    with pytest.raises(
        ConfigError, match=r"config\.model\.family must be one of cnn_gnn, published, pyramid, got 'x'"
    ):
        from_dict(Config, {"model": {"family": "x"}})
    with pytest.raises(ConfigError, match=r"model\.family must be one of cnn_gnn, got 'published'"):
        preset("base").with_settings({"model.family": "published"})
    with pytest.raises(ConfigError, match=r"train\.wide must be none for the family published"):
        SMALL.with_settings({"train.wide": "ngrams"})


def test_a_saved_model_answers_alike(trained, tiny_texts, tmp_path):
    save_trained(trained, tmp_path / "model", source={})
    loaded = load(tmp_path / "model")
    texts = [*tiny_texts[0], "", "nothing known", "a" * 300]
    expected = predictor_of(trained)
    assert isinstance(loaded, Predictor)
    np.testing.assert_array_equal(loaded.probabilities(texts), expected.probabilities(texts))
    order = np.random.default_rng(0).permutation(len(texts))
    found = loaded.probabilities([texts[place] for place in order])
    np.testing.assert_allclose(found, expected.probabilities(texts)[order], atol=1e-5)


def test_the_record_speaks_of_one_branch(trained):
    entry = trained.record["history"][0]
    assert not [name for name in entry if name.startswith(("wide_", "deep_"))]
    assert trained.record["wide"]["num_ngrams"] == 0
    cost = trained.record["cost"]
    assert (
        cost["parameters"] == sum(value.numel() for value in trained.model.parameters()) + 2
    )  # row 0 of the table
    assert cost["mean_flops"] > cost["flops_per_doc"] > 0


def test_the_record_tells_how_many_kept_edges_a_rounding_changes(trained):
    assert 0 <= trained.record["flip_rate"] < 0.2


def test_it_learns(tiny_texts):
    config = dataclasses.replace(SMALL, train=dataclasses.replace(SMALL.train, epochs=25))
    texts, labels = tiny_texts
    answers = predictor_of(fit(texts, labels, config, validation=(texts, labels))).predict(texts)
    assert np.mean([a == b for a, b in zip(answers, labels, strict=True)]) > 0.8


def test_a_training_that_is_cut_ends_with_the_same_bits(cut_training):
    """Also the running averages of the norms, which no optimiser holds."""
    expected, found = cut_training(SMALL, moves=15)
    wanted = expected.model.state_dict()
    assert any("running_var" in name for name in wanted)
    assert all(torch.equal(value, wanted[name]) for name, value in found.model.state_dict().items())


# The token table.


def test_polarity_stands_behind_the_vectors(tiny_texts):
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 3)).astype(np.float32)
    for config, table, width, numbers in (
        (SMALL, sentiment_table(), 0, 2),
        (changed(channels=32), _wide(sentiment_table()), 16, 18),
        (changed(sentiment_positions=()), sentiment_table(_padded(vectors, 16)), 16, 16),
    ):
        trained = fit(*tiny_texts, config, token_table=table)
        assert trained.config.model.injected_channels == width
        found = trained.model.vectors
        assert found.shape == (len(WORDS) + 1, numbers)
        assert (found[0] == 0).all()
        np.testing.assert_array_equal(found[1:, width:].numpy(), table.vectors[:, width:numbers])
        given = table.vectors[:, :width]
        size = np.linalg.norm(given) / max(given.size, 1) ** 0.5
        np.testing.assert_allclose(size * found[1:, :width].numpy(), given, rtol=1e-5)


def test_a_table_without_a_lexicon_has_no_polarity(tiny_texts):
    vectors = np.ones((len(WORDS), 16), np.float32)
    trained = fit(*tiny_texts, SMALL, token_table=token_table(WORDS, vectors, SMALL.text))
    assert (trained.model.vectors[1:, :16] == 1).all()
    assert (trained.model.vectors[1:, 16:] == 0).all()


def test_a_lexicon_alone_is_nothing_where_polarity_is_off(tiny_texts):
    trained = fit(*tiny_texts, changed(sentiment_positions=()), token_table=sentiment_table())
    assert not len(trained.collator.vocabulary.injected)


def test_the_width_must_fit(tiny_texts):
    with pytest.raises(ConfigError, match="got 64 and no token table; give the table, or set it to 0"):
        fit(*tiny_texts, changed(injected_channels=64))
    with pytest.raises(ConfigError, match="got 16 and a table of width 0; set it to 0"):
        fit(*tiny_texts, changed(injected_channels=16), token_table=sentiment_table())


def _padded(vectors, width):
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))


def _wide(table):
    return TokenTable(
        keys=table.keys,
        vectors=np.hstack([np.ones((len(WORDS), 16), np.float32), table.vectors]),
        record=table.record,
    )


# Frequencies.


def test_frequencies_are_documents_of_the_fit_rows(tmp_path):
    texts = ["the good film", "the bad film", "the the plot", "a plot"] * 10
    config = changed(edge_sampling="sigmoid")
    trained = fit(texts, ["x", "y"] * 20, config)
    vocabulary = trained.collator.vocabulary
    found = dict(zip(vocabulary.words.tolist(), vocabulary.counts.tolist(), strict=True))
    keys = word_keys(["the", "film", "plot", "a", "good"], config.text).tolist()
    assert [found[key] for key in keys] == [30, 20, 20, 10, 10]
    save_trained(trained, tmp_path / "model", source={})
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.engine.collator.vocabulary.counts, vocabulary.counts)
    np.testing.assert_array_equal(loaded.logits(texts), predictor_of(trained).logits(texts))


def test_a_folder_without_its_frequencies_is_refused(tmp_path, monkeypatch):
    texts = ["the good film", "the bad film"] * 20
    trained = fit(texts, ["x", "y"] * 20, changed(edge_sampling="linear"))
    monkeypatch.setattr("textlattice.runtime.model_folder._OPTIONAL", ("injected",))
    save_trained(trained, tmp_path / "model", source={})
    with pytest.raises(ArtefactError, match=r"expected 4 frequencies under 'counts', float32"):
        load(tmp_path / "model")


# One branch in the product.


def test_the_product_without_its_wide_branch(tiny_texts, tmp_path):
    config = preset("tiny").with_settings({"train.wide": "none", "train.threads": 1})
    trained = fit(*tiny_texts, config)
    assert not len(trained.collator.vocabulary.ngrams)
    save_trained(trained, tmp_path / "model", source={})
    texts = tiny_texts[0][:5]
    np.testing.assert_array_equal(load(tmp_path / "model").logits(texts), predictor_of(trained).logits(texts))
