import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from textlattice.batch.collators import make_collator
from textlattice.batch.text_batch import map_arrays
from textlattice.config import Config, GraphConfig, PublishedConfig, TextConfig
from textlattice.errors import ConfigError
from textlattice.models.published import PublishedClassifier, flip_rate, strongest_edges
from textlattice.models.weights import engine_files, load_model
from textlattice.presets import preset
from textlattice.text.document import read_document
from textlattice.text.vocabulary import Vocabulary, word_keys

TEXT = TextConfig()
PAPER = preset("paper")
SMALL = Config(
    model=PublishedConfig(channels=16, num_heads=2, head_channels=8, injected_channels=8),
    graph=GraphConfig(lattice_offsets=((2, 4), (3,)), num_random_edges=(2, 2), random="uniform"),
    train=PAPER.train,
)
TEXTS = [
    "a",
    "good good good, good film!",  # repeated words tie
    "ein sehr langer Text, der nicht aufhört: " + "und weiter " * 30,
    "",
    "I don't know what this film wants of me. It is slow; then it is over.",
]
WORDS = ["film", "good", "slow", "und", "weiter"]
KEYS = np.sort(word_keys(WORDS, TEXT))
VOCABULARY = Vocabulary(
    words=KEYS,
    ngrams=KEYS[:0],
    injected=KEYS,
    counts=np.array([3.0, 40.0, 2.0, 300.0, 90.0], np.float32),
)
ABLATIONS = {
    "paper": {},
    "pair attention": {"attention": "pair"},
    "depth-wise": {"convolution": "depthwise"},
    "linear 1": {"sentiment": "linear1"},
    "linear 2": {"sentiment": "linear2"},
    "no sentiment": {"sentiment_positions": ()},
    "position 1": {"sentiment_positions": (1,)},
    "positions 2 and 3": {"sentiment_positions": (2, 3)},
    "no norm": {"norm": "none"},
    "document norm": {"norm": "document"},
    "token norm": {"norm": "token"},
    "positional encoding": {"positional_encoding": ("tokens", "block1", "injected")},
    "one virtual node": {"num_virtual_nodes": 1},
    "two virtual nodes": {"num_virtual_nodes": 2},
    "linear sampling": {"edge_sampling": "linear"},
    "sigmoid sampling": {"edge_sampling": "sigmoid"},
    "no injection": {"injected_channels": 0},
    "affine": {"random": "affine"},
    "no kept edges": {"num_kept_edges": 0},
}


def changed(config, **settings):
    """The settings of the model and of the graph with some replaced."""
    graph = {name: settings.pop(name) for name in ("random", "num_kept_edges") if name in settings}
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, **settings),
        graph=dataclasses.replace(config.graph, **graph),
    )


def make(config, num_outputs=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PublishedClassifier(config, num_outputs=num_outputs, num_injected=len(KEYS))
        model.fill_injected(torch.randn(len(KEYS), config.model.table_channels))
        for value in model.parameters():
            if value.dim() == 1:
                value.data.normal_(1, 0.3)  # biases and gains of 0 and 1 hide faults
    return model.eval()


def batch_of(config, texts, salt=0):
    documents = [read_document(text, TEXT) for text in texts]
    collator = make_collator(config, VOCABULARY)
    batch = collator.collate_for_training(documents, salt) if salt else collator.collate(documents)
    return map_arrays(batch, torch.from_numpy)


def logits(model, config, texts):
    with torch.no_grad():
        return model(batch_of(config, texts))


def num_parameters(model):
    return sum(value.numel() for value in model.parameters())


# The counts in print.


@pytest.mark.parametrize(("num_classes", "count"), [(4, 1_020_964), (2, 1_020_834)])
def test_parameters_as_published(num_classes, count):
    assert num_parameters(PublishedClassifier(PAPER, num_outputs=num_classes)) == count


def test_parameters_by_layer():
    model = PublishedClassifier(PAPER, num_outputs=4)
    found = {name: num_parameters(part) for name, part in model.named_children() if num_parameters(part)}
    assert found == {
        "reader": 12_288 * 64 + 2 * 20_544,
        "token_conv": 25_024,
        "sentiment2": 25_216,
        "sentiment3": 25_216,
        "block1": 10_464,
        "block2": 41_408,
        "expand": 33_024,
        "hidden": 32_832,
        "output": 260,
    }


@pytest.mark.parametrize("texts", [["a"], TEXTS, ["one text of some words " * 40] * 3])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_flops_to_the_last_digit(texts, num_classes):
    model = PublishedClassifier(PAPER, num_outputs=num_classes, num_injected=len(KEYS))
    model.eval().requires_grad_(False)  # a tensor without rows has no gradient to follow
    batch = batch_of(PAPER, texts)
    with FlopCounterMode(display=False) as counter:
        model(batch)
    chars, tokens = len(batch.characters), len(batch.documents.doc_index)
    expected = 81_920 * chars + 317_696 * tokens + (65_536 + 128 * num_classes) * len(texts)
    assert counter.get_total_flops() == expected


# What a text's answer may depend on.


@pytest.mark.parametrize("name", ABLATIONS)
def test_a_text_alone_is_the_same_text_in_any_company(name):
    config = changed(SMALL, **ABLATIONS[name])
    model = make(config)
    alone = torch.cat([logits(model, config, [text]) for text in TEXTS])
    assert alone.isfinite().all()
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(TEXTS)).tolist()
        found = logits(model, config, [TEXTS[place] for place in order])
        torch.testing.assert_close(found, alone[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ABLATIONS)
def test_weights_come_back_from_a_file(name):
    config = changed(SMALL, **ABLATIONS[name])
    model = make(config)
    again = load_model(engine_files(model), config, model.output.out_features, VOCABULARY)
    torch.testing.assert_close(logits(again, config, TEXTS), logits(model, config, TEXTS), rtol=0, atol=0)


def test_the_scale_of_vectors_is_no_matter_that_of_scores_is():
    model = make(SMALL)
    vectors = torch.randn(len(WORDS), SMALL.model.table_channels)
    model.fill_injected(vectors)
    expected = model.vectors.clone()
    own = SMALL.model.injected_channels
    assert expected[1:, :own].square().mean().sqrt() == pytest.approx(1, abs=1e-6)
    assert torch.equal(expected[1:, own:], vectors[:, own:])
    model.fill_injected(torch.cat([5 * vectors[:, :own], vectors[:, own:]], 1))
    torch.testing.assert_close(model.vectors, expected)


@pytest.mark.parametrize("name", ABLATIONS)
def test_in_evaluation_no_gradient_passes_from_document_to_document(name):
    config = changed(SMALL, **ABLATIONS[name])
    model = make(config)
    batch = batch_of(config, TEXTS)
    read = []
    model.reader.register_forward_hook(lambda module, given, result: read.append(result))
    found = model(batch)
    (gradient,) = torch.autograd.grad(found[2].sum(), read[0])
    other = batch.documents.doc_index != 2
    assert (gradient[other] == 0).all()
    assert (gradient[~other] != 0).any()


@pytest.mark.parametrize("name", ABLATIONS)
def test_a_planted_nan_stays_in_its_document(name):
    config = changed(SMALL, **ABLATIONS[name])
    model = make(config)
    with torch.no_grad():
        model.reader.characters.weight[ord("!")] = torch.nan
    found = logits(model, config, TEXTS)
    assert found[1].isnan().all()
    assert found[[0, 2, 3, 4]].isfinite().all()


def test_feature_norm_couples_documents_in_training_and_token_norm_does_not():
    for norm, coupled in (("feature", True), ("token", False), ("document", False), ("none", False)):
        config = changed(SMALL, norm=norm, dropout=0.0, sentiment_positions=(1,))
        model = make(config).train()
        first = model(batch_of(config, TEXTS))[0]
        alone = model(batch_of(config, TEXTS[:1]))[0]
        assert torch.allclose(first, alone, atol=1e-5) != coupled


# The parts are wired.


def test_every_ingredient_changes_the_answer():
    texts = [TEXTS[1], TEXTS[4]]
    base = make(SMALL)
    before = logits(base, SMALL, texts)
    for name in ("sentiment2", "sentiment3", "block1", "block2", "reader", "token_conv", "expand"):
        model = make(SMALL)
        with torch.no_grad():
            for value in getattr(model, name).parameters():
                value.mul_(1.5)
        assert not torch.allclose(logits(model, SMALL, texts), before, atol=1e-6), name
    without = make(SMALL)
    without.fill_injected(torch.zeros(len(KEYS), SMALL.model.table_channels))
    assert not torch.allclose(logits(without, SMALL, texts), before, atol=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in ABLATIONS if name not in ("paper", "affine", "no kept edges")]
)
def test_every_ablation_is_another_function(name):
    config = changed(SMALL, **ABLATIONS[name])
    theirs, ours = make(config), make(SMALL)
    same = {key: value for key, value in ours.state_dict().items() if key in theirs.state_dict()}
    same = {key: value for key, value in same.items() if value.shape == theirs.state_dict()[key].shape}
    theirs.load_state_dict(same, strict=False)
    texts = [TEXTS[1], TEXTS[4]]
    assert not torch.allclose(logits(theirs, config, texts), logits(ours, SMALL, texts), atol=1e-6)


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_parameter_learns(name):
    config = changed(SMALL, **ABLATIONS[name], dropout=0.0)
    model = make(config).train()
    batch = batch_of(config, TEXTS, salt=3)
    model(batch).square().sum().backward()
    still = {key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()}
    # A bias before a norm over all tokens moves nothing, and one node has no rival; no other may stand still.
    allowed = {"block1.attention.bias", "block2.attention.bias", "nodes", "sentiment2.conv_sentiment.bias"}
    allowed |= {"sentiment3.conv_sentiment.bias"}
    assert still <= allowed


def test_strongest_edges_literal():
    neighbours = torch.tensor([[4, 5, 6], [7, 8, 9], [3, 3, 3]])
    scores = torch.tensor([[[1.0, 1.0], [3.0, 0.0], [2.0, 2.5]], [[0.0, 0.0]] * 3, [[0.0, 0.0]] * 3])
    gate = torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    kept, has = strongest_edges(neighbours, scores, gate, 2)
    assert kept[0].tolist() == [6, 5]
    assert kept[1, 0] == 8
    assert has.tolist() == [[1, 1], [1, 0], [0, 0]]


def test_flip_rate():
    model = make(SMALL)
    batch = batch_of(SMALL, TEXTS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert 0 <= flip_rate(model, batch) < 0.2
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.output.weight.dtype == torch.float32
    with torch.no_grad():
        model.block1.attention.weight.zero_()  # all scores tie: roundings decide, and they agree
    assert flip_rate(model, batch) == 0


# Learning.


def test_forty_texts_are_learned_by_heart():
    draw = np.random.default_rng(0)
    words = ["hill", "river", "stone", "cloud", "fire", "snow", "wind", "leaf", "road", "bread"]
    texts = [" ".join(draw.choice(words, 9)) for _ in range(40)]
    targets = torch.from_numpy(draw.integers(0, 2, 40))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = make(SMALL, num_outputs=2).train()
        optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
        for step in range(120):
            loss = torch.nn.functional.cross_entropy(model(batch_of(SMALL, texts, salt=step + 1)), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert loss < 0.3


# Settings.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, r"model\.channels must be positive, got 0"),
        ({"num_heads": 3}, r"model\.num_heads must divide half of model\.channels.*got num_heads=3"),
        ({"injected_channels": -1}, r"model\.injected_channels must not be negative, got -1"),
        ({"injected_channels": 6}, "and a width of 70; try 4 and 64"),
        ({"num_kept_edges": 26}, r"graph\.num_kept_edges must lie in 0\.\.25 for this family, got 26"),
        ({"sentiment_positions": (1, 4)}, r"model\.sentiment_positions must be among 1, 2, 3, got \(1, 4\)"),
        ({"positional_encoding": ("end",)}, "must be among tokens, block1, injected, got"),
        ({"dropout": 1.0}, r"model\.dropout must lie in \[0, 1\), got 1.0"),
        (
            {"attention": "pair", "num_virtual_nodes": 1},
            "virtual nodes go with gatv2 alone, got attention='pair'",
        ),
    ],
)
def test_settings_that_cannot_be_used(settings, message):
    with pytest.raises(ConfigError, match=message):
        changed(PAPER, **settings)
