import numpy as np
import pytest

from textlattice.training import word_vectors
from textlattice.training.word_vectors import cooccurrence_vectors

CAT, DOG, MOON, PURRS, SHINES = range(5)


def flat(documents):
    rows = np.array([word for document in documents for word in document], np.int32)
    return rows, np.cumsum([0] + [len(document) for document in documents])


def slow_counts(documents, num_words):
    counts = np.zeros((num_words, num_words))
    for document in documents:
        for i, word in enumerate(document):
            for j, company in enumerate(document):
                distance = abs(i - j)
                if 1 <= distance <= word_vectors.WINDOW and word >= 0 and company >= 0:
                    counts[word, company] += 1 / distance
    return counts


def test_words_of_like_company_are_alike():
    documents = [[CAT, PURRS], [DOG, PURRS], [MOON, SHINES]] * 5
    vectors = cooccurrence_vectors(*flat(documents), 5, 4, seed=0)
    assert vectors.shape == (5, 4)
    assert vectors[CAT] @ vectors[DOG] == pytest.approx(1, abs=1e-4)
    assert abs(vectors[CAT] @ vectors[MOON]) < 1e-4


def test_rows_have_unit_length_or_none():
    documents = [[CAT, PURRS, -1, DOG], [MOON]]
    lengths = np.linalg.norm(cooccurrence_vectors(*flat(documents), 5, 3, seed=0), axis=1)
    assert lengths[[CAT, DOG, PURRS]] == pytest.approx(1, abs=1e-5)
    assert lengths[[MOON, SHINES]].tolist() == [0, 0]  # no company; never seen


def test_counts_equal_a_slow_twin():
    draw = np.random.default_rng(3)
    documents = [draw.integers(-1, 6, size).tolist() for size in (0, 1, 2, 7, 20)]
    rows, doc_ptr = flat(documents)
    counts = word_vectors._counts(rows, doc_ptr, 6).toarray()
    frequency = np.bincount(rows[rows >= 0], minlength=6)
    frequent = np.argsort(-frequency, kind="stable")
    assert counts == pytest.approx(slow_counts(documents, 6)[:, frequent], abs=1e-5)


def test_only_the_most_frequent_words_are_company(monkeypatch):
    monkeypatch.setattr(word_vectors, "MOST_CONTEXTS", 1)
    counts = word_vectors._counts(*flat([[CAT, PURRS], [DOG, PURRS]]), 5).toarray()
    assert counts.tolist() == [[1], [1], [0], [0], [0]]


@pytest.mark.parametrize("documents", [[], [[]], [[CAT]], [[-1, -1]], [[CAT], [DOG]]])
def test_without_company_all_rows_are_zero(documents):
    assert not cooccurrence_vectors(*flat(documents), 2, 8, seed=0).any()


def test_no_words_give_no_rows():
    assert cooccurrence_vectors(*flat([[-1]]), 0, 8, seed=0).shape == (0, 8)


def test_the_same_seed_gives_the_same_vectors():
    documents = [np.random.default_rng(0).integers(0, 30, 200).tolist()]
    first = cooccurrence_vectors(*flat(documents), 30, 8, seed=1)
    assert (first == cooccurrence_vectors(*flat(documents), 30, 8, seed=1)).all()
