import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textlattice.hashing import extend_keys
from textlattice.text.ngrams import ngram_keys


def ngram_keys_reference(documents: list[list[int]], order: int) -> list[tuple[int, int]]:
    found = set()
    for doc, tokens in enumerate(documents):
        for start in range(len(tokens)):
            key = None
            for token in tokens[start : start + order]:
                if key is None:
                    key = token
                else:
                    key = int(extend_keys(np.array([key], np.uint64), np.array([token], np.uint64))[0])
                found.add((doc, key))
    return sorted(found)


def keys_of(documents: list[list[int]], order: int):
    flat = [token for tokens in documents for token in tokens]
    doc_ptr = np.cumsum([0, *map(len, documents)])
    return ngram_keys(np.array(flat, np.uint64), doc_ptr, order)


def test_repeats_count_once_and_documents_stay_apart():
    keys, doc_index = keys_of([[7, 7, 7], [7], []], 2)
    pair = int(extend_keys(np.array([7], np.uint64), np.array([7], np.uint64))[0])
    assert list(zip(doc_index.tolist(), keys.tolist(), strict=True)) == [(0, 7), (0, pair), (1, 7)]
    assert pair == 5361042492194381147  # saved models hold such keys, so they may not change


@given(st.lists(st.lists(st.integers(0, 3) | st.integers(0, 2**64 - 1))), st.integers(1, 5))
def test_equals_its_slow_twin(documents, order):
    keys, doc_index = keys_of(documents, order)
    assert keys.dtype == np.uint64
    assert doc_index.dtype == np.int32
    assert list(zip(doc_index.tolist(), keys.tolist(), strict=True)) == ngram_keys_reference(documents, order)


def test_word_order_matters():
    forward, _ = keys_of([[1, 2]], 2)
    backward, _ = keys_of([[2, 1]], 2)
    assert set(forward.tolist()) != set(backward.tolist())


def test_without_documents_and_without_tokens():
    for documents in ([], [[]], [[], []]):
        keys, doc_index = keys_of(documents, 3)
        assert keys.size == doc_index.size == 0
