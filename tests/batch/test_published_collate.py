import dataclasses

import numpy as np
import pytest

from textlattice.batch.published_collate import END, PublishedCollator, strongest_half
from textlattice.config import TextConfig
from textlattice.graph.neighbours import NeighbourTable
from textlattice.presets import preset
from textlattice.text.document import read_document
from textlattice.text.vocabulary import Vocabulary, word_keys

TEXT = TextConfig()
GRAPH = preset("paper").graph
NO_KEYS = np.empty(0, np.uint64)


def vocabulary(*, counts=None, injected=()):
    """Of {word: count} and the words of a token table."""
    counts = counts or {}
    keys = word_keys(list(counts), TEXT) if counts else NO_KEYS
    order = np.argsort(keys)
    return Vocabulary(
        words=keys[order],
        ngrams=NO_KEYS,
        injected=np.sort(word_keys(list(injected), TEXT)) if injected else NO_KEYS,
        counts=np.array(list(counts.values()), np.float32)[order],
    )


def collator(graph=GRAPH, edge_sampling="none", text=TEXT, **words):
    return PublishedCollator(
        text=text, graph=graph, edge_sampling=edge_sampling, vocabulary=vocabulary(**words)
    )


def collate(texts, **settings):
    return collator(**settings).collate([read_document(text, TEXT) for text in texts])


def test_literal():
    batch = collate(["Good film!", ""], injected=["!", "film"])
    assert "".join(map(chr, batch.characters)) == "Good film ! \x03\x03"
    assert batch.char_token.tolist() == [0] * 5 + [1] * 5 + [2] * 2 + [3, 4]
    assert batch.char_doc.tolist() == [0] * 13 + [1]
    assert batch.token_ptr.tolist() == [0, 5, 10, 12, 13, 14]
    assert batch.documents.doc_ptr.tolist() == [0, 4, 5]
    assert batch.documents.doc_index.tolist() == [0, 0, 0, 0, 1]
    assert sorted(batch.injected[[1, 2]].tolist()) == [1, 2]
    assert batch.injected[[0, 3, 4]].tolist() == [0, 0, 0]


def test_code_points_beyond_the_table_share_its_last_row():
    batch = collate(["漢 👩 \ud800"])
    assert batch.characters.tolist()[::2] == [12_287] * 3 + [3]
    small = dataclasses.replace(TEXT, num_characters=9_473)
    assert collate(["\u2d30b"], text=small).characters.tolist() == [9_472, 98, 32, 3]


def test_edges_are_those_of_the_paper():
    num_tokens = 200
    batch = collate(["a " * (num_tokens - 1)])
    for graph, offsets, num_random in (
        (batch.graph1, range(2, 21, 2), 6),
        (batch.graph2, range(3, 18, 2), 5),
    ):
        degree = 2 * len(offsets) + num_random
        assert graph.neighbours.shape == (num_tokens, degree)
        for token in range(num_tokens):
            lattice = {(token + sign * d) % num_tokens for d in offsets for sign in (1, -1)}
            assert set(graph.neighbours[token, : 2 * len(offsets)].tolist()) == lattice
            assert token not in graph.neighbours[token]
        assert graph.mask[:, : 2 * len(offsets)].all()
        assert graph.mask.mean() > 0.97  # a random edge repeats one now and then
        assert graph.inverse is None


@pytest.mark.parametrize("texts", [[], [""], ["a"], ["", "a b", ""]])
def test_small_batches(texts):
    batch = collate(texts)
    assert len(batch.documents.doc_ptr) == len(texts) + 1
    assert (np.diff(batch.documents.doc_ptr) >= 1).all()  # the end token
    assert len(batch.characters) == batch.token_ptr[-1]
    owner = batch.documents.doc_index
    assert (owner[batch.graph1.neighbours] == owner[:, None]).all()


@pytest.mark.parametrize(("random", "num_mapped"), [("affine", 26), ("uniform", 20)])
def test_salt_draws_other_random_edges_and_no_other_lattice(random, num_mapped):
    maker = collator(graph=dataclasses.replace(GRAPH, random=random))
    documents = [read_document("a " * 99, TEXT)]
    first, second = (maker.collate_for_training(documents, salt) for salt in (1, 2))
    np.testing.assert_array_equal(first.graph1.neighbours[:, :20], second.graph1.neighbours[:, :20])
    assert (first.graph1.neighbours[:, 20:] != second.graph1.neighbours[:, 20:]).any()
    assert first.graph1.inverse.shape == (100, num_mapped)  # independent draws have none
    back = first.graph1.neighbours[first.graph1.inverse, np.arange(num_mapped)]
    np.testing.assert_array_equal(back, np.arange(100)[:, None].repeat(num_mapped, 1))


# Sub-sampling of edges.


def test_strongest_half_literal():
    table = NeighbourTable(
        neighbours=np.array([[1, 2], [0, 2], [0, 1], [4, 4], [3, 3]], np.int32),
        mask=np.array([[1, 1], [1, 1], [1, 1], [1, 0], [1, 0]], bool),
        inverse=None,
    )
    weights = np.array([0.1, 0.9, 0.5, 0.2, 0.2])
    found = strongest_half(table, weights, np.array([0, 3, 5]))
    assert found.tolist() == [
        [True, False],  # .1 + .9 beats .1 + .5, and is the earlier of two equal ones
        [False, True],  # .9 + .5
        [False, True],  # .5 + .9
        [True, False],  # half of two edges
        [False, False],
    ]


@pytest.mark.parametrize("form", ["linear", "sigmoid"])
def test_half_of_the_edges_of_each_document_stay_whatever_is_beside_it(form):
    known = {"the": 9e5, "river": 2, "of": 5e5}
    texts = ["the river of the north " * 30, "of the sea " * 40]
    whole = collate(texts, counts=known)
    batch = collate(texts, edge_sampling=form, counts=known)
    alone = collate(texts[1:], edge_sampling=form, counts=known)
    start = batch.documents.doc_ptr[1]
    for name in ("graph1", "graph2"):
        mask, before = getattr(batch, name).mask, getattr(whole, name).mask
        assert (mask <= before).all()
        for rows in (slice(0, start), slice(start, None)):
            assert mask[rows].sum() == -(-before[rows].sum() // 2)
        np.testing.assert_array_equal(mask[start:], getattr(alone, name).mask)


def test_the_end_token_counts_as_the_most_frequent():
    batch = collate(["river " * 60], edge_sampling="sigmoid", counts={"river": 3})
    assert END not in TEXT.normalisation
    heard = batch.graph1.neighbours == 60
    assert not (batch.graph1.mask & heard).any()
