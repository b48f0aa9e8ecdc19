import dataclasses

import numpy as np
import pytest

from textlattice.batch.collate import Collator
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.presets import preset
from textlattice.runtime.cost import document_cost, model_cost
from textlattice.text.document import read_document
from textlattice.text.vocabulary import Vocabulary, known_words, word_keys


@pytest.mark.parametrize("name", ["tiny", "base"])
@pytest.mark.parametrize("graph_attention", [True, False])
@pytest.mark.parametrize("num_injected", [0, 9])
def test_parameters_are_those_of_the_model(name, graph_attention, num_injected):
    config = preset(name).with_settings(
        {"model.graph_attention": graph_attention, "model.injected_channels": 5 * (num_injected > 0)}
    )
    words, ngrams, injected = (np.arange(size, dtype=np.uint64) for size in (7, 5, num_injected))
    vocabulary = Vocabulary(words=words, ngrams=ngrams, injected=injected)
    model = CnnGnnClassifier(config, num_outputs=3, num_words=7, num_ngrams=5, num_injected=num_injected)
    stored = sum(value.numel() for value in model.state_dict().values())
    assert model_cost(config, vocabulary, 3)["parameters"] == stored


def test_without_graph_the_parameters_are_equal_within_a_percent():
    full = model_cost(preset("base"), None, 2)["dense_parameters"]
    without = preset("base").with_settings({"model.graph_attention": False})
    assert model_cost(without, None, 2)["dense_parameters"] == pytest.approx(full, rel=0.01)


def test_base_is_small():
    assert model_cost(preset("base"), None, 4)["dense_parameters"] < 200_000


def test_a_document_costs_its_distinct_rows():
    config = preset("tiny")
    document = read_document("aa bb aa", config.text)
    words = known_words([document.forms()], config.text)  # `aa` alone is seen twice
    collator = Collator(
        text=config.text,
        graph=config.graph,
        vocabulary=Vocabulary(words=words, ngrams=np.sort(word_keys(["aa"], config.text))),
    )
    stored = model_cost(config, collator.vocabulary, 2)
    cost = document_cost(collator, config, 2, [document, read_document("", config.text)])
    num_subwords = len(np.unique(collator.forms(["aa", "bb"]).subwords))
    # two characters, the sub-words, one word, and two rows of two outputs: a known n-gram (as key) and the bias
    known = collator.collate([document]).ngrams.row
    active = stored["dense_parameters"] + 2 * 8 + (num_subwords + 1) * 16 + (len(known) + 1) * 2
    assert cost["active_parameters"] == active
    assert cost["mean_flops"] == (
        4 * stored["flops_per_char"]
        + 2 * stored["flops_per_form"]
        + 3 * stored["flops_per_token"]
        + stored["flops_per_doc"]
        + len(known) * 2
    )
    assert document_cost(collator, config, 2, []) == {}


def test_a_document_costs_its_distinct_injected_rows():
    config = preset("tiny").with_settings({"model.injected_channels": 5})
    none = np.empty(0, np.uint64)
    plain = Collator(text=config.text, graph=config.graph, vocabulary=Vocabulary(words=none, ngrams=none))
    known = np.sort(word_keys(["aa", "bb", "dd"], config.text))
    vocabulary = dataclasses.replace(plain.vocabulary, injected=known)
    documents = [read_document("aa bb aa cc", config.text)]
    costs = [
        document_cost(dataclasses.replace(plain, vocabulary=each), config, 2, documents)
        for each in (plain.vocabulary, vocabulary)
    ]
    assert costs[1]["active_parameters"] - costs[0]["active_parameters"] == 2 * 5
    stored = [model_cost(each, None, 2) for each in (preset("tiny"), config)]
    assert stored[1]["flops_per_token"] - stored[0]["flops_per_token"] == 2 * 5 * 16 + 2 * 3 * 16 * 16


@pytest.mark.parametrize("num_outputs", [2, 4, 31, 1000])
def test_a_base_folder_stays_below_forty_megabytes(num_outputs):
    from textlattice.text.vocabulary import MOST_WORDS
    from textlattice.training.wide import MOST_BYTES

    num_ngrams = MOST_BYTES // (8 + 4 * num_outputs)
    vocabulary = Vocabulary(
        words=np.arange(MOST_WORDS, dtype=np.uint64), ngrams=np.arange(num_ngrams, dtype=np.uint64)
    )
    numbers = model_cost(preset("base"), vocabulary, num_outputs)["parameters"]
    assert 4 * numbers + 8 * (MOST_WORDS + num_ngrams) < 40e6
