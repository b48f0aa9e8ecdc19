import numpy as np

from textlattice.config import TextConfig
from textlattice.text.digest import text_digests
from textlattice.text.document import read_document


def digests(*texts):
    return text_digests([read_document(text, TextConfig()) for text in texts]).tolist()


def test_texts_that_differ_in_white_space_alone_are_one():
    assert len(set(digests("a  small\tboat\n", " a small boat", "a small\u00a0boat"))) == 1
    assert (
        len(set(digests("a small boat", "a small boat.", "A small boat", "as mall boat", "boat small a")))
        == 5
    )


def test_a_digest_is_the_same_for_ever():
    assert digests("a small boat") == [10416845262195575836]


def test_empty_texts_and_none():
    assert len(set(digests("", " ", "\u200b"))) == 1
    found = text_digests([])
    assert (found.shape, found.dtype) == ((0,), np.uint64)


def test_lone_surrogates_have_a_digest():
    assert len(set(digests("\ud800", "\ud801"))) <= 2
