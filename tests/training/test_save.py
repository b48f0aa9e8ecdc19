import json

import numpy as np
import pytest

import textlattice
from textlattice.config_json import to_dict
from textlattice.errors import ArtefactError
from textlattice.presets import preset
from textlattice.runtime.model_folder import read_model_folder
from textlattice.training.fit import fit
from textlattice.training.save import predictor_of, save_trained


@pytest.fixture(scope="module")
def trained(tiny_texts):
    return fit(*tiny_texts, preset("tiny").with_settings({"train.steps": 4, "train.threads": 1}))


@pytest.fixture
def folder(trained, tmp_path):
    save_trained(trained, tmp_path / "model", source={"name": "reviews.csv", "digest": "abc"})
    return tmp_path / "model"


def test_a_saved_model_answers_alike(trained, folder, tiny_texts):
    texts = [*tiny_texts[0], "", "something unheard of 🌍"]
    kept, loaded = predictor_of(trained), textlattice.load(folder)
    np.testing.assert_array_equal(loaded.logits(texts), kept.logits(texts))
    np.testing.assert_array_equal(loaded.probabilities(texts), kept.probabilities(texts))
    assert loaded.task == trained.task
    assert loaded.reader == trained.reader
    assert read_model_folder(folder).config == trained.config


def test_the_record_says_where_the_model_comes_from(trained, folder):
    record = json.loads((folder / "training.json").read_text())
    assert record["source"] == {"name": "reviews.csv", "digest": "abc"}
    assert record["settings"] == to_dict(trained.config)
    assert record["history"] == trained.record["history"]
    assert record["num_rows"] == 60


def test_the_card_speaks_of_labels_rows_and_limits(folder):
    card = (folder / "README.md").read_text()
    for phrase in ("- `bad`: 50.0 %", "- `good`: 50.0 %", "60 rows of `reviews.csv`", "That is no test"):
        assert phrase in card
    assert "None" not in card


def test_saving_again_replaces_and_something_else_is_refused(trained, folder, tmp_path):
    save_trained(trained, folder, source={})
    assert "texts given in Python" in (folder / "README.md").read_text()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtefactError):
        save_trained(trained, tmp_path / "other", source={})
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years of work"
