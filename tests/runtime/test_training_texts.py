import numpy as np
import pytest

from textlattice.artefact.tensors import pack_tensors
from textlattice.config import TextConfig
from textlattice.errors import ArtefactError
from textlattice.runtime.training_texts import (
    TRAINING_TEXTS,
    read_training_texts,
    texts_seen,
    training_texts_file,
    unpack_training_texts,
)
from textlattice.text.document import TextReader


def test_a_folder_knows_its_texts_again(tiny_folder, tiny_texts):
    digests = read_training_texts(tiny_folder)
    assert len(digests) == len(set(tiny_texts[0]))
    texts = [tiny_texts[0][3], f"  {tiny_texts[0][4]} ", "something new", "", "\u200b"]
    assert texts_seen(texts, digests, TextReader(config=TextConfig())).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert texts_seen([], digests, TextReader(config=TextConfig())).tolist() == []


def test_round_trip():
    digests = np.array([3, 2**63], np.uint64)
    assert unpack_training_texts(training_texts_file(digests), where="model").tolist() == digests.tolist()
    assert unpack_training_texts({}, where="model") is None
    assert len(training_texts_file(np.arange(1_000, dtype=np.uint64))[TRAINING_TEXTS]) < 8_200


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"digests": np.zeros(2, np.float32)},
        {"digests": np.zeros((2, 2), np.uint64)},
        {"digests": np.zeros(2, np.uint64), "more": np.zeros(2, np.uint64)},
    ],
)
def test_anything_else_is_refused(arrays):
    with pytest.raises(ArtefactError, match=r"model/training_texts.safetensors: expected 64-bit digests"):
        unpack_training_texts({TRAINING_TEXTS: pack_tensors(arrays)}, where="model")
