import numpy as np
import pytest
import torch

import reference
from textlattice.batch.collate import Collator
from textlattice.batch.text_batch import map_arrays
from textlattice.nn.spelling import SpellingEncoder
from textlattice.presets import preset
from textlattice.text.vocabulary import Vocabulary

TINY = preset("tiny")
NONE = np.empty(0, np.uint64)
COLLATOR = Collator(text=TINY.text, graph=TINY.graph, vocabulary=Vocabulary(words=NONE, ngrams=NONE))


@pytest.fixture
def spelling():
    torch.manual_seed(0)
    return SpellingEncoder(TINY.text.num_characters, TINY.text.num_subwords, 4, 6).eval()


def vectors(spelling, strings):
    forms = map_arrays(COLLATOR.forms(strings), torch.from_numpy)
    with torch.inference_mode():
        return spelling(*vars(forms).values())


STRINGS = ["a", "cat", "!!!", "Straße", "👩‍👩‍👧", "سلام", "x" * 300]


def test_each_form_equals_the_slow_twin(spelling):
    for row, form in zip(vectors(spelling, STRINGS), STRINGS, strict=True):
        with torch.no_grad():
            torch.testing.assert_close(row, reference.form_vector(spelling, form, TINY.text))


def test_a_form_is_read_alone(spelling):
    together = vectors(spelling, STRINGS)
    for row, form in zip(together, STRINGS, strict=True):
        torch.testing.assert_close(vectors(spelling, [form])[0], row, rtol=0, atol=1e-6)
    assert not torch.allclose(together[0], together[1])


def test_no_forms(spelling):
    assert vectors(spelling, []).shape == (0, 6)
