import dataclasses

import numpy as np
import pytest
import torch

import reference
from textlattice.batch.collate import Collator
from textlattice.batch.text_batch import map_arrays
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.presets import preset
from textlattice.text.document import read_document
from textlattice.text.vocabulary import Vocabulary, known_words, word_keys

TINY = preset("tiny")
TEXTS = [
    "a",
    "good good good, good film!",  # repeated words tie
    "ein sehr langer Text, der nicht aufhört: " + "und weiter " * 30,
    "مرحبا بالعالم 👩‍👩‍👧",
    "two words",
    "I don't know what this film wants of me. It is slow; then it is over.",
]
DOCUMENTS = [read_document(text, TINY.text) for text in TEXTS]


@pytest.fixture
def collator():
    words = known_words((document.forms() for document in DOCUMENTS), TINY.text)
    ngrams = np.unique(word_keys(["good", "film", "words"], TINY.text))
    return Collator(text=TINY.text, graph=TINY.graph, vocabulary=Vocabulary(words=words, ngrams=ngrams))


@pytest.fixture
def model(collator):
    return make_model(TINY, collator)


def make_model(config, collator, num_outputs=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CnnGnnClassifier(
            config,
            num_outputs=num_outputs,
            num_words=len(collator.vocabulary.words),
            num_ngrams=len(collator.vocabulary.ngrams),
            num_injected=len(collator.vocabulary.injected),
        )
        model.wide.weight.normal_()
        model.wide.bias.normal_()
    return model.eval()


def tensors(batch):
    return map_arrays(batch, torch.from_numpy)


def logits(model, collator, documents):
    with torch.inference_mode():
        return model(tensors(collator.collate(documents)))


def with_table(collator, num_injected):
    """Settings, model and collator with a token table of some words."""
    config = TINY.with_settings({"model.injected_channels": 5})
    words = ["film", "good", "text", "und", "weiter", "مرحبا", "unheard"][:num_injected]
    vocabulary = dataclasses.replace(collator.vocabulary, injected=np.sort(word_keys(words, TINY.text)))
    collator = dataclasses.replace(collator, vocabulary=vocabulary)
    model = make_model(config, collator)
    model.fill_injected(torch.randn(num_injected, 5, generator=torch.Generator().manual_seed(0)))
    return config, model, collator


@pytest.mark.parametrize("num_injected", [1, 7])
def test_with_a_token_table_too_each_document_equals_the_slow_twin(collator, num_injected):
    config, model, collator = with_table(collator, num_injected)
    with torch.inference_mode():
        batch = tensors(collator.collate(DOCUMENTS))
        found = model.deep(batch, model.encode_forms(batch.forms))
        for place, document in enumerate(DOCUMENTS):
            expected = reference.deep_logits(model, collator, config, document)
            torch.testing.assert_close(found[place], expected, rtol=1e-4, atol=1e-5)


def test_what_is_off_is_absent(model, collator):
    _, injected, _ = with_table(collator, 2)
    more = injected.state_dict().keys() - model.state_dict().keys()
    assert more == {f"word_input.{name}" for name in ("vectors", "projection.weight")}
    assert model.token_conv.weight.shape == (3, 16, 2 * 16)
    assert injected.token_conv.weight.shape == (3, 16, 3 * 16)


def test_each_document_equals_the_slow_twin(model, collator):
    with torch.inference_mode():
        batch = tensors(collator.collate(DOCUMENTS))
        found = model.deep(batch, model.encode_forms(batch.forms))
        for place, document in enumerate(DOCUMENTS):
            expected = reference.deep_logits(model, collator, TINY, document)
            torch.testing.assert_close(found[place], expected, rtol=1e-4, atol=1e-5)


def test_wide_branch_is_added(model, collator):
    document = [read_document("good good film", TINY.text)]
    with torch.inference_mode():
        batch = tensors(collator.collate(document))
        deep = model.deep(batch, model.encode_forms(batch.forms))
        rows = np.searchsorted(collator.vocabulary.ngrams, word_keys(["good", "film"], TINY.text))
        expected = deep[0] + model.wide.bias + model.wide.weight[rows[0]] + model.wide.weight[rows[1]]
        torch.testing.assert_close(model(batch)[0], expected)


@pytest.mark.parametrize("seed", range(3))
def test_a_text_alone_is_the_same_text_in_any_batch(model, collator, seed):
    order = np.random.default_rng(seed).permutation(len(DOCUMENTS))
    together = logits(model, collator, [DOCUMENTS[place] for place in order])
    for row, place in enumerate(order):
        alone = logits(model, collator, [DOCUMENTS[place]])[0]
        torch.testing.assert_close(together[row].softmax(0), alone.softmax(0), rtol=0, atol=1e-5)


def test_the_number_of_threads_changes_nothing(model, collator):
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(logits(model, collator, DOCUMENTS).softmax(1))
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(*results, rtol=0, atol=1e-5)


def test_no_gradient_reaches_another_document(model, collator):
    batch = tensors(collator.collate(DOCUMENTS))
    vectors = torch.randn(len(batch.tokens.form), TINY.model.channels, requires_grad=True)  # one a token
    own_forms = map_arrays(batch.tokens, lambda array: torch.arange(len(array), dtype=torch.int32))
    batch = type(batch)(
        **{**vars(batch), "tokens": type(batch.tokens)(form=own_forms.form, word=batch.tokens.word)}
    )
    output = model.deep(batch, vectors)
    for place in range(len(DOCUMENTS)):
        (gradient,) = torch.autograd.grad(output[place].sum(), vectors, retain_graph=True)
        own = batch.documents.doc_index == place
        assert (gradient[~own] == 0).all()
        assert (gradient[own] != 0).any()


@pytest.mark.parametrize("graph_attention", [True, False])
def test_a_nan_stays_in_its_document(collator, graph_attention):
    config = TINY.with_settings({"model.graph_attention": graph_attention})
    model = make_model(config, collator)
    batch = tensors(collator.collate(DOCUMENTS))
    with torch.inference_mode():
        vectors = model.encode_forms(batch.forms).clone()
        clean = model.classify(batch, vectors)
        for place in range(len(DOCUMENTS)):
            tokens = batch.tokens.form[batch.documents.doc_index == place].tolist()
            others = set(batch.tokens.form[batch.documents.doc_index != place].tolist())
            own = [form for form in (tokens[0], tokens[-1]) if form not in others]
            if not own:
                continue
            spoilt = vectors.clone()
            spoilt[own] = float("nan")
            found = model.classify(batch, spoilt)
            assert found[place].isnan().all()
            rest = [other for other in range(len(DOCUMENTS)) if other != place]
            torch.testing.assert_close(found[rest], clean[rest])


def test_training_and_prediction_tables_give_the_same_forward(model, collator):
    """The closed-form path of training against the slot-by-slot path of prediction, gradients included."""
    batch = tensors(collator.collate_for_training(DOCUMENTS, 3))
    without = type(batch)(
        **{
            **vars(batch),
            "graph1": type(batch.graph1)(neighbours=batch.graph1.neighbours, mask=batch.graph1.mask),
            "graph2": type(batch.graph2)(neighbours=batch.graph2.neighbours, mask=batch.graph2.mask),
        }
    )
    results = []
    for each in (batch, without):
        model.zero_grad()
        output = model.deep(each, model.encode_forms(each.forms))
        output.square().sum().backward()
        results.append((output.detach(), {n: p.grad.clone() for n, p in model.named_parameters()}))
    torch.testing.assert_close(results[0][0], results[1][0])
    for name, gradient in results[0][1].items():
        assert (gradient != 0).any(), name  # every parameter learns
        torch.testing.assert_close(gradient, results[1][1][name], rtol=1e-3, atol=1e-5, msg=name)


def test_no_graph_row_has_as_many_parameters():
    for name, tolerance in (("base", 0.002), ("tiny", 0.01)):
        config = preset(name)
        sizes = []
        for graph_attention in (True, False):
            changed = config.with_settings({"model.graph_attention": graph_attention})
            blocks = CnnGnnClassifier(changed, num_outputs=2, num_words=0, num_ngrams=0).blocks
            sizes.append(sum(parameter.numel() for parameter in blocks.parameters()))
        assert abs(sizes[0] - sizes[1]) <= tolerance * sizes[0], sizes


def test_evaluation_draws_nothing(model, collator):
    state = torch.get_rng_state()
    first = logits(model, collator, DOCUMENTS)
    assert torch.equal(first, logits(model, collator, DOCUMENTS))
    assert torch.equal(state, torch.get_rng_state())
