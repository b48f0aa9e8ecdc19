"""Training with a token table: what is learned from it, what is refused, what is said and saved of it."""

import json

import numpy as np
import pytest
import torch

from textlattice import load
from textlattice.config import TextConfig
from textlattice.errors import ConfigError, DataError
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.runtime.model_folder import read_model_folder
from textlattice.runtime.token_table import token_table
from textlattice.training.fit import fit
from textlattice.training.save import predictor_of, save_trained

QUICK = preset("tiny").with_settings({"train.steps": 4, "train.threads": 1})


def test_words_unseen_in_training_are_known_by_their_vectors(injected_folder, kindred):
    predictor = load(injected_folder)
    seen = {word for text in kindred.texts for word in text.split()}
    assert all(set(text.split()) & seen == {"the", "was"} for text in kindred.test_texts)
    assert len(predictor.engine.collator.vocabulary.words) == 2  # `the` and `was`
    assert predictor.predict(kindred.test_texts) == kindred.test_labels


def test_without_the_table_they_are_guessed(kindred):
    trained = fit(kindred.texts, kindred.labels, QUICK)
    assert "token_table" not in trained.record
    assert trained.config.model.injected_channels == 0
    answers = predictor_of(trained).predict(kindred.test_texts)
    assert np.mean(np.array(answers) == np.array(kindred.test_labels)) < 0.8


@pytest.fixture(scope="module")
def trained(kindred):
    return fit(kindred.texts, kindred.labels, QUICK, token_table=kindred.table)


def test_the_vectors_are_those_of_the_table_on_another_scale(trained, kindred):
    found = trained.model.word_input.vectors
    assert (found[0] == 0).all()
    scale = np.sqrt((kindred.table.vectors.astype(np.float64) ** 2).mean())
    np.testing.assert_allclose(found[1:].numpy() * scale, kindred.table.vectors, rtol=1e-5)
    assert np.array_equal(trained.collator.vocabulary.injected, kindred.table.keys)


def test_a_saved_model_answers_alike(trained, kindred, tmp_path):
    save_trained(trained, tmp_path / "model", source={})
    loaded, kept = load(tmp_path / "model"), predictor_of(trained)
    texts = [*kindred.test_texts, "", "neither of these"]
    np.testing.assert_array_equal(loaded.logits(texts), kept.logits(texts))
    assert read_model_folder(tmp_path / "model").config == trained.config
    assert read_model_folder(tmp_path / "model").config.model.injected_channels == 5
    state = loaded.engine.backend.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in trained.model.state_dict().items())


def test_record_card_and_progress_say_how_large_it_is(kindred, tmp_path):
    notes = []

    class Listener(Progress):
        def note(self, message):
            notes.append(message)

    trained = fit(kindred.texts, kindred.labels, QUICK, token_table=kindred.table, progress=Listener())
    expected = {"num_words": 240, "channels": 5, "bytes": 240 * 28, "known_token_share": 0.5}
    assert trained.record["token_table"] == expected
    words = "token table: 240 vectors of 5 numbers add 0.0 MB to the model; 50.0 % of the training tokens have one"
    assert words in notes
    save_trained(trained, tmp_path / "model", source={})
    assert json.loads((tmp_path / "model" / "training.json").read_text())["token_table"] == expected
    card = (tmp_path / "model" / "README.md").read_text()
    assert "vectors of 240 words that were not learned here, 5 numbers each, 0.0 MB; 50.0 %" in card
    assert trained.record["cost"]["parameters"] == sum(v.numel() for v in trained.model.state_dict().values())


def test_a_table_of_the_asked_width_is_taken_and_another_refused(kindred):
    asked = QUICK.with_settings({"model.injected_channels": 5})
    assert fit(kindred.texts, kindred.labels, asked, token_table=kindred.table).config == asked
    wrong = QUICK.with_settings({"model.injected_channels": 64})
    with pytest.raises(ConfigError, match="got 64 and a table of width 5; set it to 5"):
        fit(kindred.texts, kindred.labels, wrong, token_table=kindred.table)
    with pytest.raises(ConfigError, match="got 64 and no token table; give the table"):
        fit(kindred.texts, kindred.labels, wrong)


def test_a_table_of_other_words_is_refused(kindred):
    table = token_table(["Elsewhere"], np.ones((1, 3)), TextConfig())
    with pytest.raises(
        DataError, match="got 1 keys and none of 240 tokens among them; make it with the text"
    ):
        fit(kindred.texts, kindred.labels, QUICK, token_table=table)
