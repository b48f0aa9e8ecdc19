import dataclasses

import numpy as np
import pytest
import torch

from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.errors import ArtefactError
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.models.weights import WEIGHTS, engine_files, load_model
from textlattice.presets import preset
from textlattice.text.vocabulary import Vocabulary

TINY = preset("tiny")
VOCABULARY = Vocabulary(words=np.array([3, 9], np.uint64), ngrams=np.array([5], np.uint64))


@pytest.fixture
def model():
    return CnnGnnClassifier(TINY, num_outputs=3, num_words=2, num_ngrams=1)


def test_round_trip(model):
    loaded = load_model(engine_files(model), TINY, 3, VOCABULARY)
    assert not loaded.training
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())


def test_round_trip_with_a_token_table():
    config = TINY.with_settings({"model.injected_channels": 4})
    vocabulary = dataclasses.replace(VOCABULARY, injected=np.array([1, 2, 3], np.uint64))
    model = CnnGnnClassifier(config, num_outputs=3, num_words=2, num_ngrams=1, num_injected=3)
    model.fill_injected(torch.ones(3, 4))
    loaded = load_model(engine_files(model), config, 3, vocabulary)
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    with pytest.raises(ArtefactError, match=r"does not fit config\.json: .*vectors"):
        load_model(
            engine_files(model), config, 3, dataclasses.replace(vocabulary, injected=np.zeros(1, np.uint64))
        )


def test_loading_leaves_the_global_generator_alone(model):
    files, before = engine_files(model), torch.get_rng_state()
    load_model(files, TINY, 3, VOCABULARY)
    assert torch.equal(before, torch.get_rng_state())


def test_no_weights():
    with pytest.raises(ArtefactError, match=r"has no model\.safetensors; copy or save the model again"):
        load_model({}, TINY, 3, VOCABULARY)


@pytest.mark.parametrize("case", ["outputs", "missing", "extra"])
def test_weights_that_do_not_fit(model, case):
    arrays = unpack_tensors(engine_files(model)[WEIGHTS])
    if case == "missing":
        del arrays["readout.score.weight"]
    if case == "extra":
        arrays["spare"] = np.zeros(1, np.float32)
    files = {WEIGHTS: pack_tensors(arrays)}
    with pytest.raises(
        ArtefactError,
        match=r"model\.safetensors does not fit config\.json: .*; copy the folder again, or train",
    ):
        load_model(files, TINY, 2 if case == "outputs" else 3, VOCABULARY)
