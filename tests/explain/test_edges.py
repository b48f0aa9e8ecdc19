"""Kept edges: those that block 2 heard, with their kind."""

import numpy as np
import pytest
import torch

from textlattice import load
from textlattice.batch.collate import Collator
from textlattice.batch.published_collate import PublishedCollator
from textlattice.batch.text_batch import map_arrays
from textlattice.explain.edges import kept_edges
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.models.published import PublishedClassifier
from textlattice.presets import preset
from textlattice.text.document import read_document
from textlattice.text.vocabulary import Vocabulary

LONG = "the film was good and the long plot was dark and the scene was short"


def parts(**settings):
    """A model with random weights and its collator."""
    config = preset("tiny").with_settings(
        {name.replace("__", "."): value for name, value in settings.items()} | {"graph.num_kept_edges": 2}
    )
    keys = np.empty(0, np.uint64)
    collator = Collator(text=config.text, graph=config.graph, vocabulary=Vocabulary(words=keys, ngrams=keys))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CnnGnnClassifier(config, num_outputs=2, num_words=0, num_ngrams=0).eval()
        if config.model.graph_attention:  # far edges are kept as gladly as near ones
            torch.nn.init.zeros_(model.blocks.block1.attention.slot_bias)
    return model, collator, lambda text: read_document(text, config.text)


def test_edges_are_those_that_the_second_block_hears():
    model, collator, read = parts()
    document = read(LONG)
    edges = kept_edges(model, collator, document)
    batch = map_arrays(collator.collate([document]), torch.from_numpy)
    heard = []
    hook = model.blocks.block2.register_forward_hook(lambda _, inputs, __: heard.append(inputs[2:4]))
    with torch.inference_mode():
        model(batch)
    hook.remove()
    (neighbours, gate), degree2 = heard[0], batch.graph2.neighbours.shape[1]
    for edge in edges:
        row = neighbours[edge.token, degree2:].tolist()
        width = gate[edge.token, degree2:].tolist()[row.index(edge.neighbour)]
        is_new = not (
            (batch.graph2.neighbours[edge.token] == edge.neighbour) & batch.graph2.mask[edge.token]
        ).any()
        assert width == pytest.approx(edge.openness * is_new)
    num_open = sum(1 for edge in edges if edge.openness > 0)
    assert num_open == len(edges) > document.num_tokens / 2
    assert int((gate[:, degree2:] > 0).sum()) <= len(edges)


def test_kinds_follow_the_slots():
    model, collator, read = parts()
    document = read(LONG)
    num_tokens = document.num_tokens
    edges = kept_edges(model, collator, document)
    for edge in edges:
        distance = (edge.neighbour - edge.token) % num_tokens
        is_near = distance in (1, 2, num_tokens - 1, num_tokens - 2)
        assert edge.kind == ("self" if distance == 0 else "lattice" if is_near else "random")
    assert {edge.kind for edge in edges} == {"self", "lattice", "random"}
    assert [edge.token for edge in edges] == sorted(edge.token for edge in edges)


def test_short_documents():
    model, collator, read = parts()
    assert kept_edges(model, collator, read("")) == []
    assert {edge.kind for edge in kept_edges(model, collator, read("one"))} <= {"self"}
    assert {edge.kind for edge in kept_edges(model, collator, read("one two three"))} <= {"self", "all"}
    for edge in kept_edges(model, collator, read("one two three")):
        assert (edge.kind == "self") == (edge.token == edge.neighbour)


def test_a_model_without_graph_keeps_none():
    model, collator, read = parts(model__graph_attention=False)
    assert kept_edges(model, collator, read(LONG)) == []


def test_a_model_with_a_token_table(injected_folder, kindred):
    predictor = load(injected_folder)
    document = predictor.reader.read(" ".join(kindred.test_texts[:5]))
    edges = kept_edges(predictor.engine.backend.model, predictor.engine.collator, document)
    assert {edge.token for edge in edges} <= set(range(document.num_tokens))
    assert edges


def published_parts(**graph):
    """The published model, small, with random weights, and its collator."""
    settings = {"model.channels": 16, "model.num_heads": 2, "model.head_channels": 8} | {
        f"graph.{name}": value for name, value in graph.items()
    }
    config = preset("paper").with_settings(settings)
    keys = np.empty(0, np.uint64)
    vocabulary = Vocabulary(words=keys, ngrams=keys)
    collator = PublishedCollator(
        text=config.text, graph=config.graph, edge_sampling="none", vocabulary=vocabulary
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PublishedClassifier(config, num_outputs=2).eval()
    return model, collator, lambda text: read_document(text, config.text)


def test_the_published_model_keeps_edges_between_words():
    model, collator, read = published_parts(lattice_offsets=((1, 2), (3,)), num_random_edges=(2, 2))
    document = read(LONG)
    edges = kept_edges(model, collator, document)
    heard = []
    hook = model.block2.register_forward_hook(lambda _, inputs, __: heard.append(inputs[3:5]))
    batch = map_arrays(collator.collate([document]), torch.from_numpy)
    with torch.inference_mode():
        model(batch)
    hook.remove()
    (neighbours, gate), degree2 = heard[0], batch.graph2.neighbours.shape[1]
    num_nodes = document.num_tokens + 1  # the end token is one more, and the ring is one longer
    for edge in edges:
        assert edge.openness == 1
        assert max(edge.token, edge.neighbour) < document.num_tokens
        distance = (edge.neighbour - edge.token) % num_nodes
        assert edge.kind == ("lattice" if distance in (1, 2, num_nodes - 1, num_nodes - 2) else "random")
        row = neighbours[edge.token, degree2:].tolist()
        is_known = (batch.graph2.neighbours[edge.token] == edge.neighbour) & batch.graph2.mask[edge.token]
        assert gate[edge.token, degree2 + row.index(edge.neighbour)] == float(not is_known.any())
    with_end = model.num_kept * num_nodes - len(edges)
    assert model.num_kept <= with_end < 4 * model.num_kept + 4  # its own, and the few that hear it
    assert {edge.kind for edge in edges} == {"lattice", "random"}


def test_short_documents_of_the_published_model():
    model, collator, read = published_parts()
    assert kept_edges(model, collator, read("")) == []
    assert kept_edges(model, collator, read("one")) == []  # it hears the end token alone
    edges = kept_edges(model, collator, read("one two three"))
    assert {edge.kind for edge in edges} == {"all"}
    assert all(edge.token != edge.neighbour for edge in edges)
    model, collator, read = published_parts(num_kept_edges=0)
    assert kept_edges(model, collator, read(LONG)) == []
