import numpy as np
import pytest

from textlattice.data import spool
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.text.digest import text_digests
from textlattice.text.document import TextReader, read_document
from textlattice.training.documents import character_counts, read_texts, token_counts

TEXT = preset("tiny").text
TEXTS = ["a film", "", "Straße 映画 e\u0301", "\u200b", "a film"]


@pytest.fixture(params=[0, 10**9])
def read(request, monkeypatch):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", request.param)
    return read_texts(TEXTS, TextReader(config=TEXT), Progress())


def test_equals_documents_cut_at_once(read):
    expected = [read_document(text, TEXT) for text in TEXTS]
    assert [document.forms() for document in read.documents] == [document.forms() for document in expected]
    for counts in (token_counts, character_counts):
        assert counts(read.documents).tolist() == counts(expected).tolist()
    assert read.digests.tolist() == text_digests(expected).tolist()
    assert read.tokens.counts.tolist() == [2, 0, 4, 0, 2]


def test_take_is_an_index(read):
    chosen = read.documents.take(np.array([4, 2]))
    assert [document.forms() for document in chosen] == [["a", "film"], ["Straße", "映", "画", "é"]]
    assert chosen.num_tokens.tolist() == [2, 4]
    assert chosen.num_characters.tolist() == [6, 11]
    (last,) = chosen.take(np.array([1]))[0:5]
    assert last.normalised.text == "Straße 映画 é"
    assert chosen.texts is TEXTS


def test_no_texts():
    read = read_texts([], TextReader(config=TEXT), Progress())
    assert (len(read.documents), len(read.tokens), len(read.digests)) == (0, 0, 0)
    assert token_counts([]).tolist() == character_counts([]).tolist() == []


def test_progress_hears_of_each_text():
    heard = []

    class Listener(Progress):
        def begin(self, what, total=None):
            heard.append((what, total))

        def advance(self, steps=1, **figures):
            heard.append(steps)

    read_texts(TEXTS, TextReader(config=TEXT), Listener())
    assert heard[0] == ("reading texts", 5)
    assert sum(heard[1:]) == 5
