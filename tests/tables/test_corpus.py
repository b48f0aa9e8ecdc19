import re

import numpy as np
import pytest

from textlattice.config import TextConfig
from textlattice.data import spool
from textlattice.errors import DataError
from textlattice.progress import Progress
from textlattice.tables.corpus import count_words, read_sources
from textlattice.tables.plain_text import text_vectors
from textlattice.text.document import TextReader

TEXT = TextConfig()
READER = TextReader(config=TEXT)
LINES = ["The cat purrs .", "the dog purrs", "THE moon shines", "the moon"]


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "plain.txt").write_text("\n".join(LINES[:2]) + "\n", encoding="utf-8")
    rows = "".join(f'"{line}"\n' for line in LINES[2:])
    (tmp_path / "table.csv").write_text(f"body\n{rows}", encoding="utf-8")
    return tmp_path


def test_words_are_counted_over_spellings_and_sources(texts):
    read = read_sources([str(texts / "plain.txt")], ["text"], Progress())
    corpus = count_words(read, READER, most=10)
    assert corpus.words[:2] == ["The", "purrs"] or corpus.words[:2] == ["the", "purrs"]
    table = read_sources([str(texts / "table.csv")], ["body"], Progress())
    assert list(table.texts) == LINES[2:]
    assert table.digest != read.digest
    both = count_words(read_sources([str(texts / "plain.txt")] * 2, ["text"], Progress()), READER, most=10)
    assert both.counts.tolist() == [4, 4, 2, 2, 2]
    assert both.record["num_texts"] == 4
    assert both.record["num_tokens"] == 14
    assert len(both.record["digest"]) == 64


def test_the_most_frequent_spelling_and_the_most_frequent_words(texts):
    (texts / "all.txt").write_text("\n".join(LINES), encoding="utf-8")
    read = read_sources([str(texts / "all.txt")], ["text"], Progress())
    corpus = count_words(read, READER, most=3)
    assert corpus.words[0] == "the"
    assert set(corpus.words[1:]) == {"purrs", "moon"}
    assert corpus.counts.tolist() == [4, 2, 2]
    assert count_words(read, READER, most=10, min_count=3).words == ["the"]
    cased = count_words(read, TextReader(config=TextConfig(lowercase_keys=False)), most=10)
    assert {"The", "the", "THE"} <= set(cased.words)


def test_what_lies_on_disk_is_counted_alike(texts, monkeypatch):
    read = read_sources([str(texts / "plain.txt")], ["text"], Progress())
    expected = count_words(read, READER, most=10)
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 8)
    again = count_words(read_sources([str(texts / "plain.txt")], ["text"], Progress()), READER, most=10)
    assert (again.words, again.counts.tolist()) == (expected.words, expected.counts.tolist())


def test_rejects_are_kept_with_their_source_and_no_words_are_an_error(texts):
    (texts / "broken.txt").write_bytes(b"fine\nbro\xffken\n")
    read = read_sources([str(texts / "broken.txt")], ["text"], Progress())
    (source, rejects), *others = read.rejects
    assert source == str(texts / "broken.txt")
    assert [reject.reason for reject in rejects] == ["invalid_utf8"]
    assert not others
    with pytest.raises(
        DataError, match=re.escape("words that occur at least 2 times, got none in 1 texts; check")
    ):
        count_words(read, READER, most=5, min_count=2)
    (texts / "empty.txt").write_text("")
    with pytest.raises(DataError, match="got none in 0 texts"):
        count_words(read_sources([str(texts / "empty.txt")], ["text"], Progress()), READER, most=5)


# Vectors of plain text.


def test_words_of_like_company_are_alike(tmp_path):
    lines = ["cat purrs", "dog purrs", "moon shines", "sun shines"] * 5 + ["alone"] * 2
    (tmp_path / "texts.txt").write_text("\n".join(lines), encoding="utf-8")
    read = read_sources([str(tmp_path / "texts.txt")], ["text"], Progress())
    corpus = count_words(read, READER, most=100, min_count=2)
    found = text_vectors(corpus, TEXT, 4, seed=0)
    assert set(found.words) == {"cat", "dog", "moon", "sun", "purrs", "shines"}
    vector = dict(zip(found.words, found.vectors, strict=True))
    assert vector["cat"] @ vector["dog"] == pytest.approx(1, abs=1e-3)
    assert abs(vector["cat"] @ vector["moon"]) < 0.5
    assert np.array_equal(found.vectors, text_vectors(corpus, TEXT, 4, seed=0).vectors)


def test_words_without_company_make_no_table(tmp_path):
    (tmp_path / "texts.txt").write_text("one\none\ntwo\ntwo\n", encoding="utf-8")
    corpus = count_words(read_sources([str(tmp_path / "texts.txt")], ["text"], Progress()), READER, most=9)
    with pytest.raises(
        DataError, match="expected words that stand beside one another, got 2 words and no company"
    ):
        text_vectors(corpus, TEXT, 4, seed=0)


def test_of_many_tokens_a_share_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("textlattice.training.word_vectors.MOST_TOKENS", 20)
    (tmp_path / "texts.txt").write_text("cat purrs\ndog purrs\n" * 20, encoding="utf-8")
    corpus = count_words(read_sources([str(tmp_path / "texts.txt")], ["text"], Progress()), READER, most=9)
    notes = []

    class Listener(Progress):
        def note(self, message):
            notes.append(message)

    found = text_vectors(corpus, TEXT, 2, seed=0, progress=Listener())
    assert "purrs" in found.words
    assert notes == ["memory: the company of 20 of 80 tokens is counted"]
