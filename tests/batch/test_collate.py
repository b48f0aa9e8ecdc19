import dataclasses

import numpy as np
import pytest

import reference
from textlattice.batch.collate import Collator, distinct_forms
from textlattice.graph.neighbours import neighbour_table
from textlattice.hashing import extend_keys
from textlattice.presets import preset
from textlattice.text.document import read_document
from textlattice.text.lookup import character_ids, subword_ids
from textlattice.text.vocabulary import Vocabulary, word_keys

TINY = preset("tiny")
TEXTS = ["Der Hund, der Hund!", "", "a", "Dog bites dog bites man bites dog " * 5, "👩‍👩‍👧 سلام"]
DOCUMENTS = [read_document(text, TINY.text) for text in TEXTS]
KNOWN = ["der", "dog", ",", "bites"]


@pytest.fixture
def collator():
    words = np.sort(word_keys(KNOWN, TINY.text))
    pair = extend_keys(word_keys(["dog"], TINY.text), word_keys(["bites"], TINY.text))
    ngrams = np.sort(np.concatenate([word_keys(["dog", "a", "never"], TINY.text), pair]))
    return Collator(text=TINY.text, graph=TINY.graph, vocabulary=Vocabulary(words=words, ngrams=ngrams))


def test_forms_and_tokens(collator):
    batch = collator.collate(DOCUMENTS)
    forms = list(dict.fromkeys(form for document in DOCUMENTS for form in document.forms()))
    assert len(batch.forms.form_ptr) == len(forms) + 1
    for place, form in enumerate(forms):
        characters = slice(*batch.forms.form_ptr[place : place + 2])
        assert batch.forms.characters[characters].tolist() == character_ids(form, 12_288).tolist()
        assert set(batch.forms.form_index[characters]) == {place}
        subwords = slice(*batch.forms.subword_ptr[place : place + 2])
        assert batch.forms.subwords[subwords].tolist() == subword_ids([form], (3,), 512)[0].tolist()
        assert set(batch.forms.subword_index[subwords]) <= {place}
    spelled = [forms[place] for place in batch.tokens.form]
    assert spelled == [form for document in DOCUMENTS for form in document.forms()]
    assert batch.tokens.word.tolist() == reference.token_rows(DOCUMENTS, collator.vocabulary.words, TINY.text)
    assert (batch.tokens.word > 0).any()
    assert (batch.tokens.word == 0).any()


def with_table(collator):
    injected = np.sort(word_keys(["hund", "man", "unheard"], TINY.text))
    return dataclasses.replace(
        collator, vocabulary=dataclasses.replace(collator.vocabulary, injected=injected)
    )


def test_rows_of_a_token_table(collator):
    assert collator.collate(DOCUMENTS).tokens.injected is None
    collator = with_table(collator)
    injected = collator.vocabulary.injected
    training = collator.collate_for_training([document for document in DOCUMENTS if document.num_tokens], 1)
    for tokens in (collator.collate(DOCUMENTS).tokens, training.tokens):
        assert tokens.injected.tolist() == reference.token_rows(DOCUMENTS, injected, TINY.text)
        assert tokens.injected.dtype == np.int32
        assert len(set(tokens.injected.tolist())) == 3  # hund, man, none
    assert collator.collate([]).tokens.injected.tolist() == []


def test_documents(collator):
    documents = collator.collate(DOCUMENTS).documents
    counts = [len(document.forms()) for document in DOCUMENTS]
    assert documents.doc_ptr.tolist() == np.cumsum([0, *counts]).tolist()
    owners = [place for place, count in enumerate(counts) for _ in range(count)]
    assert documents.doc_index.tolist() == owners


def test_graphs_are_those_of_each_document_alone(collator):
    batch = collator.collate(DOCUMENTS)
    for graph, block in ((batch.graph1, 0), (batch.graph2, 1)):
        assert graph.inverse is None
        for place in range(len(DOCUMENTS)):
            first, last = batch.documents.doc_ptr[place : place + 2]
            neighbours, mask = reference.graph(TINY.graph, int(last - first), block)
            assert (graph.neighbours[first:last] - first == neighbours.numpy()).all()
            assert (graph.mask[first:last] == mask.numpy()).all()


def test_ngrams(collator):
    ngrams = collator.collate(DOCUMENTS).ngrams
    known = set(collator.vocabulary.ngrams.tolist())
    expected = []
    for place, document in enumerate(DOCUMENTS):
        keys = word_keys(document.forms(), TINY.text)
        found = set()
        for start in range(len(keys)):
            key = keys[start : start + 1]
            found.add(int(key[0]))
            for step in range(1, min(3, len(keys) - start)):
                key = extend_keys(key, keys[start + step : start + step + 1])
                found.add(int(key[0]))
        expected += [(place, collator.vocabulary.ngrams.tolist().index(key)) for key in sorted(found & known)]
    assert list(zip(ngrams.doc_index.tolist(), ngrams.row.tolist(), strict=True)) == expected
    assert len(expected) == 3  # "a"; "dog" and "dog bites", once each


def test_training_draws_fresh_edges_with_their_inverse(collator):
    documents = [document for document in DOCUMENTS if document.num_tokens]
    first, again, other = (collator.collate_for_training(documents, salt) for salt in (1, 1, 2))
    assert first.ngrams is None
    for name in ("graph1", "graph2"):
        graph = getattr(first, name)
        assert np.array_equal(graph.neighbours, getattr(again, name).neighbours)
        assert not np.array_equal(graph.neighbours, getattr(other, name).neighbours)
        slots = np.arange(graph.neighbours.shape[1])
        listeners = graph.inverse[graph.neighbours, slots]  # whoever listens to my neighbour there is I
        assert (listeners == np.arange(len(listeners))[:, None]).all()
    table = neighbour_table(
        first.documents.doc_ptr,
        lattice_offsets=(1, 2),
        num_random_edges=2,
        random="affine",
        seed=0,
        block=0,
        salt=1,
    )
    assert np.array_equal(first.graph1.neighbours, table.neighbours)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["x"]])
def test_none_and_one(collator, texts):
    batch = collator.collate([read_document(text, TINY.text) for text in texts])
    num_tokens = sum(map(bool, texts))
    assert len(batch.documents.doc_ptr) == len(texts) + 1
    assert len(batch.tokens.form) == len(batch.tokens.word) == len(batch.documents.doc_index) == num_tokens
    assert batch.graph1.neighbours.shape == (num_tokens, TINY.graph.degree(0))
    assert len(batch.ngrams.row) == 0


def test_every_index_is_int32_and_in_range(collator):
    collator = with_table(collator)
    batch = collator.collate(DOCUMENTS)
    for part in (batch.forms, batch.tokens, batch.documents, batch.ngrams):
        for name, values in vars(part).items():
            assert values.dtype == np.int32, name
            assert (values >= 0).all(), name
    assert batch.forms.characters.max() < TINY.text.num_characters
    assert batch.forms.subwords.max() < TINY.text.num_subwords
    assert batch.tokens.word.max() <= len(KNOWN)
    assert batch.tokens.injected.max() <= 3
    assert batch.graph1.neighbours.max() < len(batch.tokens.form)


def test_distinct_forms():
    strings, form = distinct_forms(DOCUMENTS[:2])
    assert strings == ["Der", "Hund", ",", "der", "!"]
    assert form.tolist() == [0, 1, 2, 3, 1, 4]
    assert distinct_forms([])[0] == []
