import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.artefact.tensors import pack_tensors
from textlattice.config import TextConfig
from textlattice.errors import ArtefactError, DataError
from textlattice.runtime.token_table import TokenTable, read_token_table, token_table, write_token_table
from textlattice.text.document import read_document
from textlattice.text.vocabulary import Vocabulary, word_keys

TEXT = TextConfig()
KEYS = np.array([2, 5, 2**64 - 1], np.uint64)
VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def vector_of(table, word):
    """The vector of a word, found as a text's token finds it; None where it has none."""
    forms = read_document(word, TEXT).forms()
    assert len(forms) == 1
    vocabulary = Vocabulary(words=KEYS[:0], ngrams=KEYS[:0], injected=table.keys)
    row = vocabulary.injected_rows(word_keys(forms, TEXT))[0]
    return table.vectors[row - 1].tolist() if row else None


# Words to a table.


def test_words_find_their_vectors_and_the_first_of_a_key_holds():
    words = ["film", "Film", "cafe\u0301", "zero\u200bwidth", "film"]
    table = token_table(words, np.array([[1, 2], [3, 4], [5, 6], [7, 8], [9, 0]], np.float64), TEXT)
    assert table.vectors.dtype == np.float32
    assert vector_of(table, "film") == vector_of(table, "FILM") == [1, 2]
    assert vector_of(table, "café") == [5, 6]
    assert vector_of(table, "zerowidth") == [7, 8]
    assert vector_of(table, "book") is None
    assert len(table.keys) == 3
    assert table.dim == 2
    assert table.num_bytes == 3 * (8 + 2 * 4)


def test_case_is_kept_where_the_settings_keep_it():
    config = TextConfig(lowercase_keys=False)
    assert len(token_table(["film", "Film"], np.eye(2), config).keys) == 2


@given(st.lists(st.text(max_size=5), min_size=1, max_size=20))
def test_any_words_give_ascending_keys_with_their_first_vector(words):
    table = token_table(words, np.arange(len(words), dtype=np.float32)[:, None], TEXT)
    assert (table.keys[1:] > table.keys[:-1]).all()
    assert table.vectors[:, 0].tolist() == [
        min(place for place, word in enumerate(words) if table_key(word) == key) for key in table.keys
    ]


def table_key(word):
    return token_table([word], np.ones((1, 1)), TEXT).keys[0]


@pytest.mark.parametrize(
    ("words", "vectors", "message"),
    [
        (["a"], np.ones((2, 2)), "one vector a word, got 1 words and 2 vectors"),
        ([], np.ones((0, 2)), "one vector a key and at least one number, got 0 keys and vectors [0, 2]"),
        (["a"], np.ones((1, 0)), "one vector a key and at least one number, got 1 keys and vectors [1, 0]"),
        (["a", "b"], np.array([[1, np.nan], [1, 2]]), "finite vectors, got 1 of 2 with NaN or infinity"),
        (["a"], np.array([[1e300, 1]]), "finite vectors, got 1 of 1 with NaN or infinity; leave those"),
    ],
)
def test_words_that_make_no_table(words, vectors, message):
    with pytest.raises(DataError, match=re.escape(message)):
        token_table(words, vectors, TEXT)


# The file.


def test_round_trip_replaces_what_stood_there(tmp_path):
    path = tmp_path / "words.safetensors"
    path.write_bytes(b"old")
    write_token_table(TokenTable(keys=KEYS, vectors=VECTORS), path)
    read = read_token_table(path)
    assert read.keys.tolist() == KEYS.tolist()
    assert read.vectors.tolist() == VECTORS.tolist()
    assert os.listdir(tmp_path) == ["words.safetensors"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "words.safetensors"
    path.write_bytes(b"old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ArtefactError, match=r"words\.safetensors: cannot be written: No space left"):
        write_token_table(TokenTable(keys=KEYS, vectors=VECTORS), path)
    assert os.listdir(tmp_path) == ["words.safetensors"]
    assert path.read_bytes() == b"old"
    with pytest.raises(ArtefactError, match="lies in a folder that does not exist"):
        write_token_table(TokenTable(keys=KEYS, vectors=VECTORS), tmp_path / "nowhere" / "words")


def test_the_record_comes_back_with_the_table(tmp_path):
    path = tmp_path / "words.safetensors"
    record = {
        "source": "owner/näme",
        "licence": None,
        "dim": 2,
        "share": 0.25,
        "texts": {"sources": ["a.csv"]},
    }
    write_token_table(token_table(["a", "b"], np.eye(2), TEXT, record), path)
    assert read_token_table(path).record == record
    write_token_table(TokenTable(keys=KEYS, vectors=VECTORS), path)
    assert read_token_table(path).record == {}


@pytest.mark.parametrize("note", ["", "[]", "{", "3", '"text"', "[" * 90_000])
def test_records_that_are_none_are_refused(tmp_path, note):
    path = tmp_path / "words.safetensors"
    path.write_bytes(pack_tensors({"keys": KEYS, "vectors": VECTORS}, note=note))
    with pytest.raises(
        ArtefactError, match=r"words\.safetensors: expected a record that is a JSON object; make"
    ):
        read_token_table(path)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, ArtefactError, "expected a file, got: No such file or directory; check the path"),
        (b"words", ArtefactError, "expected a safetensors file, got 5 bytes that are none"),
        (pack_tensors({"keys": KEYS}), ArtefactError, "expected the arrays keys and vectors, got keys; make"),
        (pack_tensors({}), ArtefactError, "expected the arrays keys and vectors, got none"),
        (
            pack_tensors({"keys": KEYS.astype(np.int64), "vectors": VECTORS}),
            DataError,
            "expected keys uint64 [num_words] and vectors float32 [num_words, dim], got int64 [3] and float32",
        ),
        (
            pack_tensors({"keys": KEYS, "vectors": VECTORS.astype(np.float16)}),
            DataError,
            "got uint64 [3] and float16 [3, 2]",
        ),
        (pack_tensors({"keys": KEYS, "vectors": VECTORS[0]}), DataError, "got uint64 [3] and float32 [2]"),
        (pack_tensors({"keys": KEYS, "vectors": VECTORS[:2]}), DataError, "got 3 keys and vectors [2, 2]"),
        (pack_tensors({"keys": KEYS[[1, 0, 2]], "vectors": VECTORS}), DataError, "got 1 out of order"),
        (pack_tensors({"keys": KEYS[[0, 0, 0]], "vectors": VECTORS}), DataError, "got 2 out of order"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, error, message):
    path = tmp_path / "words.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=re.escape(message)) as caught:
        read_token_table(path)
    assert str(path) in str(caught.value)
