import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.models import byte_pairs, marked_ends, unigram, word_piece
from textlattice.config import TextConfig
from textlattice.errors import DataError
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import FileTokenizer

TOKENIZERS = {
    name: FileTokenizer(json.dumps(make()).encode())
    for name, make in {
        "word pieces": word_piece,
        "byte pairs": byte_pairs,
        "unigram": unigram,
        "marked ends": marked_ends,
    }.items()
}


def forms(name, text):
    return TextReader(config=TextConfig(), cut=TOKENIZERS[name]).read(text).forms()


def test_pieces_are_spelled_as_in_the_text():
    assert forms("word pieces", "a hopeless film.") == ["a", "hope", "less", "film", "."]
    assert forms("byte pairs", "a hopeless film.")[-2:] == ["film", "."]
    assert "".join(forms("byte pairs", "a hopeless film.")) == "ahopelessfilm."
    assert forms("word pieces", "") == forms("word pieces", " \n") == []


def test_a_character_of_several_tokens_is_one():
    assert forms("byte pairs", "é é") == ["é", "é"]


@pytest.mark.parametrize("name", TOKENIZERS)
@given(text=st.text(max_size=40))
def test_tokens_are_disjoint_in_order_and_without_space(name, text):
    text = text.encode("utf-8", "replace").decode()
    starts, ends = TOKENIZERS[name](text)
    assert starts.dtype == ends.dtype == np.int32
    assert (starts < ends).all()
    assert (starts[1:] >= ends[:-1]).all()
    if len(ends):
        assert ends[-1] <= len(text)
    for start, end in zip(starts, ends, strict=True):
        assert not text[start].isspace()
        assert not text[end - 1].isspace()


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_long_text_is_not_cut_off(name):
    content = json.loads(TOKENIZERS[name].content)
    content["truncation"] = {
        "direction": "Right",
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    starts, _ = FileTokenizer(json.dumps(content).encode())("film " * 1_000)
    assert len(starts) >= 1_000


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"model": {"type": "Magic"}}'])
def test_a_file_that_is_none(content):
    with pytest.raises(
        DataError, match=r"tokenizer\.json cannot be read \(.*\); (save it again|take another)"
    ):
        FileTokenizer(content)
