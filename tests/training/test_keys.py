import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.data import spool
from textlattice.presets import preset
from textlattice.text.document import read_document
from textlattice.text.vocabulary import frequent_keys, word_keys
from textlattice.training import keys
from textlattice.training.keys import KeyWriter, frequent_among, in_chunks

TEXT = preset("tiny").text
TEXTS = ["a b a", "", "B", "c " * 40, "", "straße 映画"]


def token_keys(texts, *, at_once=2):
    writer = KeyWriter(TEXT)
    for start in range(0, len(texts), at_once):
        writer.add([read_document(text, TEXT) for text in texts[start : start + at_once]])
    return writer.keys()


def by_document(found):
    return [
        part.tolist()
        for read, doc_ptr in found.chunks()
        for part in np.split(read, doc_ptr[1:-1])
        if len(doc_ptr) > 1
    ]


@pytest.mark.parametrize("most", [0, 10**9])
@pytest.mark.parametrize(("documents", "tokens"), [(512, 1 << 18), (2, 1 << 18), (512, 4), (1, 1)])
def test_keys_of_documents(most, documents, tokens, monkeypatch):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", most)
    monkeypatch.setattr(keys, "_MOST_DOCUMENTS", documents)
    monkeypatch.setattr(keys, "_MOST_TOKENS", tokens)
    expected = [word_keys(read_document(text, TEXT).forms(), TEXT).tolist() for text in TEXTS]
    found = token_keys(TEXTS)
    assert (len(found), found.num_tokens) == (6, 47)
    assert by_document(found) == expected
    assert np.concatenate([*found.key_parts()]).tolist() == [
        key for keys_of_one in expected for key in keys_of_one
    ]
    chosen = found.take(np.array([5, 0, 0, 3]))
    assert by_document(chosen) == [expected[place] for place in (5, 0, 0, 3)]
    assert by_document(chosen.take(np.array([3, 1]))) == [expected[3], expected[0]]
    assert chosen.spool is found.spool


def test_a_long_document_is_read_alone(monkeypatch):
    monkeypatch.setattr(keys, "_MOST_TOKENS", 10)
    sizes = [np.diff(doc_ptr).tolist() for _, doc_ptr in token_keys(TEXTS).chunks()]
    assert sizes == [[3, 0, 1], [40], [0, 3]]
    chunks = in_chunks(read_document(text, TEXT) for text in TEXTS)
    assert [[document.num_tokens for document in chunk] for chunk in chunks] == [[3, 0, 1, 40], [0, 3]]


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_keys(texts):
    found = token_keys(texts)
    assert (len(found), found.num_tokens) == (len(texts), 0)
    assert sum(map(len, found.key_parts())) == 0
    assert frequent_among(found.key_parts(), most=5).tolist() == []
    assert list(in_chunks([])) == []


KEYS = st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1), st.integers(0, 5).map(lambda key: key << 56))


@given(
    chunks=st.lists(st.lists(KEYS, max_size=8), max_size=8),
    run=st.integers(1, 20),
    min_count=st.integers(1, 3),
    most=st.integers(1, 10),
    in_memory=st.sampled_from([0, 10**9]),
)
def test_frequent_keys_equal_those_counted_at_once(chunks, run, min_count, most, in_memory):
    arrays = [np.array(chunk, np.uint64) for chunk in chunks]
    expected = frequent_keys(
        np.concatenate([np.empty(0, np.uint64), *arrays]), min_count=min_count, most=most
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_RUN", run)
        patch.setattr(spool, "MOST_IN_MEMORY", in_memory)
        assert frequent_among(iter(arrays), min_count=min_count, most=most).tolist() == expected.tolist()


def test_many_runs_and_parts(monkeypatch):
    monkeypatch.setattr(keys, "_RUN", 1_000)
    draw = np.random.default_rng(0)
    pool = draw.integers(0, 2**64, 5_000, dtype=np.uint64)
    parts = [draw.choice(pool, 700) for _ in range(40)]
    found = frequent_among(parts, most=3_000)
    assert found.tolist() == frequent_keys(np.concatenate(parts), most=3_000).tolist()
    assert len(found) == 3_000
