"""The pyramid: a text's answer is its own, every part is heard, and without its parts it is a mean and two layers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from textlattice.batch.collators import make_collator
from textlattice.batch.text_batch import map_arrays
from textlattice.errors import ConfigError
from textlattice.models.pyramid import UnitLayer, present, states_of_scales
from textlattice.models.registry import cost_of, make_classifier, model_cost_of
from textlattice.models.weights import engine_files, load_model
from textlattice.presets import preset
from textlattice.text.document import read_document
from textlattice.text.vocabulary import Vocabulary, known_words, word_keys

SMALL = {"model.channels": 16}
OF_FORM = {"model.word_channels": 8, "model.char_channels": 8, "text.num_subwords": 64}
TEXTS = [
    "A slow first half , but then ! what an ending .",
    "good",
    "",
    "one two",
    "the film " * 150 + ". It is long . Very long !",
    "a b c",
]
SETTINGS = [
    {},
    {"model.units": "sentences", "model.top_down": "gate"},
    {"model.top_down": "none", "model.edges": ["tree"]},
    {"model.num_scales": 1, "model.edges": ["adjacent"]},
    {"model.num_scales": 6, "model.edges": ["similar"], "model.num_layers": 1},
    {"model.num_layers": 0},
    {"model.num_layers": 0, "model.top_down": "none"},
    {"model.encoder": "table", "model.injected_channels": 3},
    {"model.injected_channels": 3},
    {"model.edges": ["adjacent", "tree", "similar", "small_world"]},
    {"model.edges": ["tree", "similar", "document"]},
    {"model.edges": ["document", "small_world"], "model.units": "sentences", "graph.random": "uniform"},
    {"model.edges": ["adjacent", "document", "small_world"], "model.num_scales": 1},
    {"model.edges": ["adjacent", "tree", "similar", "small_world", "document"], "model.num_scales": 6},
]
ALL_EDGES = {"model.edges": ["adjacent", "tree", "similar", "small_world", "document"]}


def made(settings, *, num_outputs=2):
    own = {} if "model.encoder" in settings else OF_FORM
    config = preset("pyramid-graph").with_settings(SMALL | own | settings)
    documents = [read_document(text, config.text) for text in TEXTS]
    words = known_words([document.forms() for document in documents], config.text, min_count=1)
    injected = np.sort(word_keys(["film", "ending", "good"], config.text))
    has_table = config.model.injected_channels > 0
    vocabulary = Vocabulary(
        words=words if config.model.reads_words else words[:0],
        ngrams=np.sort(words)[:4],
        injected=injected if has_table else injected[:0],
    )
    torch.manual_seed(1)
    model = make_classifier(config, num_outputs=num_outputs, vocabulary=vocabulary)
    with torch.no_grad():
        model.wide.weight.normal_()
        if has_table:
            model.fill_injected(torch.randn(3, 3))
        for layer in layers_of(model):
            layer.scale.fill_(1)  # as if training had opened the graph
    return config, documents, model.eval(), make_collator(config, vocabulary)


def layers_of(model):
    return [module for module in model.modules() if isinstance(module, UnitLayer)]


def batch_of(collator, documents):
    return map_arrays(collator.collate(documents), torch.from_numpy)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_text_is_answered_as_if_it_were_alone(settings):
    _, documents, model, collator = made(settings)
    with torch.inference_mode():
        alone = torch.cat([model(batch_of(collator, [document])) for document in documents])
        for order in ([0, 1, 2, 3, 4, 5], [4, 2, 0, 5, 3, 1]):
            together = model(batch_of(collator, [documents[row] for row in order]))
            torch.testing.assert_close(together, alone[order], atol=1e-5, rtol=0)


def test_the_graph_begins_at_nothing():
    """A layer as it is made gives back what it was given, and yet its scale learns."""
    config, documents, model, collator = made({})
    batch = batch_of(collator, documents)
    (layer, _), (opened, _) = (
        layers_of(make_classifier(config, num_outputs=2, vocabulary=collator.vocabulary)),
        layers_of(model),
    )
    features = torch.randn(len(batch.units.mask), 16)
    heard = layer(features, batch.units)
    assert torch.equal(heard, features)
    assert not torch.allclose(opened(features, batch.units), features)
    (gradient,) = torch.autograd.grad(heard.square().sum(), layer.scale)
    assert (gradient != 0).all()


def test_each_type_of_edge_has_a_bias_of_its_own():
    """Shut by its bias, a type of edge is as if it were not there."""
    _, documents, model, collator = made({"model.edges": ["adjacent", "tree"]})
    _, _, without, fewer = made({"model.edges": ["adjacent"]})
    weights = model.state_dict()
    for name in [name for name in weights if "slot_bias" in name]:
        weights[name] = weights[name].normal_()[:5]  # itself and two on either side
    without.load_state_dict(weights)
    with torch.inference_mode():
        both = model.deep_logits(batch_of(collator, documents))
        for layer in layers_of(model):
            layer.attention.slot_bias[5:] = -1e9
        shut = model.deep_logits(batch_of(collator, documents))
        torch.testing.assert_close(shut, without.deep_logits(batch_of(fewer, documents)), atol=1e-5, rtol=0)
    assert not torch.allclose(both, shut, atol=1e-3)


@pytest.mark.parametrize("settings", SETTINGS)
def test_no_gradient_reaches_another_document(settings):
    _, documents, model, collator = made(settings)
    batch = batch_of(collator, documents)
    states = [state.detach().requires_grad_() for state in model.encoder(batch)]
    model.encoder.forward = lambda batch: states
    logits = model.deep_logits(batch)
    owner = batch.scales[0].documents.doc_index
    for row in (0, 4):
        gradients = torch.autograd.grad(logits[row].sum(), states, retain_graph=True, allow_unused=True)
        total = sum(gradient.abs().sum(1) for gradient in gradients if gradient is not None)
        assert total[owner != row].eq(0).all()
        assert total[owner == row].gt(0).any()


@pytest.mark.parametrize(
    ("num_states", "num_scales", "expected"),
    [(3, 4, [0, 1, 2, 2]), (3, 1, [2]), (1, 3, [0, 0, 0]), (2, 2, [0, 1]), (6, 4, [2, 3, 4, 5])],
)
def test_higher_states_feed_larger_units(num_states, num_scales, expected):
    assert states_of_scales(num_states, num_scales) == expected


@pytest.mark.parametrize("settings", [{}, ALL_EDGES])
@pytest.mark.parametrize("length", [*range(10), 300])
def test_any_length_has_an_answer(length, settings):
    _, _, model, collator = made(settings)
    document = read_document(" ".join(["word"] * length), preset("pyramid").text)
    batch = batch_of(collator, [document])
    with torch.inference_mode():
        assert model(batch).isfinite().all()
        weights = model.scale_weights(batch)
    assert weights.sum() == pytest.approx(1)
    if length:
        assert (weights[0] > 0).tolist() == [length >= least for least in (1, 2, 3, 5)]


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_parameter_is_heard(settings):
    _, documents, model, collator = made(settings)
    model.train()
    logits = model.deep_logits(
        batch_of(collator, [document for document in documents if document.num_tokens])
    )
    logits.square().sum().backward()
    silent = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    alone = ["readout.score.weight"] if settings.get("model.num_scales") == 1 else []  # one scale weighs 1
    assert silent == alone


def test_of_one_scale_without_a_graph_a_mean_and_two_layers_are_left():
    _, documents, model, collator = made({"model.num_scales": 1, "model.num_layers": 0})
    channels = 16
    with torch.no_grad():
        output = model.readout.outputs[0]
        output.weight[:, :channels] = 0  # largest values
        output.weight[:, 2 * channels :] = 0  # attended values
        model.readout.norms[0].scale.uniform_(0.5, 2)
        model.readout.norms[0].shift.normal_()
    batch = batch_of(collator, documents)
    assert batch.units is None
    with torch.inference_mode():
        found = model.deep_logits(batch)
        tokens = model.read_states(batch)[0]
        owner = batch.scales[0].documents.doc_index
        tokens = model.top.smooth(model.top.lateral(tokens), owner)
        for row, document in enumerate(documents):
            mean = tokens[owner == row].mean(0) if document.num_tokens else torch.zeros(channels)
            scale, shift = (part[channels : 2 * channels] for part in model.readout.norms[0].parameters())
            hidden = F.linear(mean * scale + shift, output.weight[:, channels : 2 * channels], output.bias)
            expected = model.head.output(F.elu(hidden))
            torch.testing.assert_close(found[row], expected, atol=1e-6, rtol=1e-5)


def test_norms_of_scales_begin_with_the_documents_that_have_them():
    _, documents, model, collator = made({"model.num_layers": 0})
    batch = batch_of(collator, documents)
    model.begin_norms(lambda part: part(batch).detach())
    with torch.inference_mode():
        has = present(batch.scales)
        for number, (rows, norm) in enumerate(zip(model.read_units(batch), model.readout.norms, strict=True)):
            heard = norm(rows)[has[:, number]]
            torch.testing.assert_close(heard.mean(0), torch.zeros(48), atol=1e-4, rtol=0)
            assert heard.std(0).median() == pytest.approx(0.1, abs=1e-3)


def test_larger_units_tell_smaller_ones_only_on_the_way_down():
    for top_down, hears in (("sum", True), ("gate", True), ("none", False)):
        _, documents, model, collator = made({"model.top_down": top_down})
        batch = batch_of(collator, documents[:1])
        units = [unit.detach() for unit in model.climb(model.read_states(batch), batch.scales)]
        units[-1].requires_grad_()
        tokens = model.descend(units, batch.scales)[0]
        gradient = torch.autograd.grad(tokens.sum(), units[-1], allow_unused=True)[0]
        assert (gradient is not None and bool(gradient.any())) == hears


def test_units_of_the_highest_scale_hear_all_of_their_document():
    for edges, hears in ((["tree", "document"], True), (["tree"], False)):
        _, documents, model, collator = made({"model.edges": edges, "model.num_layers": 1})
        batch = batch_of(collator, documents)
        highest = batch.scales[-1].documents
        last = sum(len(scale.parent) for scale in batch.scales[:-1]) + int(highest.doc_ptr[5]) - 1
        features = torch.randn(len(batch.units.mask) - len(documents) * hears, 16, requires_grad=True)
        heard = model.layers[0](features, batch.units)
        gradient = torch.autograd.grad(heard[last].sum(), features)[0].abs().sum(1)
        reached = gradient[-len(highest.doc_index) :] > 0
        assert (reached == (highest.doc_index == 4)).all() == hears


def test_random_edges_are_drawn_anew_in_training_and_begin_quiet():
    config, documents, model, collator = made(ALL_EDGES)
    documents = [documents[0], documents[4]]
    asked, drawn, again = (
        collator.collate(documents),
        *(collator.collate_for_training(documents, salt) for salt in (1, 1)),
    )
    random = config.model.random_slots(config.graph)
    assert random == slice(13, 15)
    np.testing.assert_array_equal(drawn.units.neighbours, again.units.neighbours)
    differ = (asked.units.neighbours != drawn.units.neighbours).any(0)
    assert np.flatnonzero(differ).tolist() == [13, 14]
    for layer in model.layers:
        biases = layer.layer.attention.slot_bias
        assert biases[random].eq(-3).all()
        assert biases[:13].eq(0).all()


def test_weights_come_back_from_a_file():
    config, documents, model, collator = made({})
    again = load_model(engine_files(model), config, 2, collator.vocabulary)
    with torch.inference_mode():
        batch = batch_of(collator, documents)
        torch.testing.assert_close(again(batch), model(batch), atol=0, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [{}, {"model.injected_channels": 3}, {"model.num_scales": 5}, ALL_EDGES, {"model.edges": ["document"]}],
)
def test_cost_is_that_of_the_tables_and_layers(settings):
    config, documents, model, collator = made(settings)
    cost = cost_of(config, collator, 2, documents)
    numbers = sum(value.numel() for value in model.state_dict().values())
    assert cost["parameters"] == numbers
    named = ("words.weight", "characters.weight", "subwords.weight")
    tables = [value.numel() for name, value in model.named_parameters() if name.endswith(named)]
    assert cost["dense_parameters"] == sum(value.numel() for value in model.parameters()) - sum(tables)
    assert cost["dense_parameters"] < cost["active_parameters"] < numbers
    assert cost["flops_per_token"] > 0
    assert 0 <= cost["flops_per_doc"] < 100 * cost["flops_per_token"]
    assert cost["mean_flops"] > cost["flops_per_token"]


@pytest.mark.parametrize(("encoder", "name"), [("table", "injected"), ("language_model", "state")])
def test_the_cost_of_an_encoder_of_unknown_width(encoder, name):
    with pytest.raises(ConfigError, match=f"model.{name}_channels must be set to say what a pyramid with"):
        model_cost_of(preset("pyramid").with_settings({"model.encoder": encoder}), None, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model.num_heads": 3}, "model.num_heads must divide model.channels, got 3 and 16"),
        (
            {"model.edges": ["ring"]},
            "edges must be among adjacent, tree, similar, small_world, document, got",
        ),
        ({"model.num_scales": 9}, "model.num_scales must lie in 1..8, got 9"),
        ({"model.least_similarity": 2}, "model.least_similarity must be a cosine"),
        ({"model.similarity_temperature": 0}, "at least 1e-6, got 0.0"),
        (
            {"model.num_layers": 0, "model.edges": ["tree"], "model.num_similar": 2},
            "model.edges, model.num_similar would do nothing without a graph, which model.num_layers=0 leaves out",
        ),
        (
            {"model.num_scales": 1, "model.units": "sentences"},
            "model.units=sentences would do nothing with model.num_scales=1; set it to 2 or more",
        ),
        (
            {"model.edges": ["tree"], "model.num_similar": 9, "model.least_similarity": 0.9},
            "model.num_similar, model.least_similarity would do nothing without similar among model.edges",
        ),
        (
            {"graph.num_random_edges": [3, 3]},
            "graph.num_random_edges would do nothing in a pyramid without small_world among model.edges",
        ),
        (
            {"model.encoder": "table"},
            "model.char_channels, model.word_channels would do nothing with model.encoder=table",
        ),
        (
            {"model.encoder": "table", "model.char_channels": 32, "model.word_channels": 64},
            "text.num_subwords would do nothing with model.encoder=table",
        ),
        (
            {"model.num_states": 4, "model.num_scales": 3},
            "model.num_states must not exceed model.num_scales, .* got 4 and 3",
        ),
        ({"model.num_layers": -1}, "model.num_layers must not be negative, got -1"),
        ({"model.dropout": 1}, r"model.dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ConfigError, match=message):
        preset("pyramid-graph").with_settings(SMALL | OF_FORM | settings)
