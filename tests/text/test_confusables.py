import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.config import Config, TextConfig
from textlattice.config_json import from_dict
from textlattice.text import confusables
from textlattice.text.confusables import fold_confusables
from textlattice.text.document import TextReader
from textlattice.text.noise import corrupt
from textlattice.text.normalise import normalise

LETTERS = st.text(st.sampled_from("abcgо сеАнΑοΩαդո\u0301é1-ё\u200bﬁ𝐚ɡıш"), max_size=30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("wоnderful", "wonderful"),  # a Cyrillic o
        ("ΑΒΕL and ЅOЅ", "ABEL and SOS"),
        ("b\u0578\u0585k", "bnok"),  # Armenian letters
        ("naïvе", "naïve"),
        ("dоn't", "don't"),
        ("Москва и сор, ореx", "Москва и сор, opex"),  # the last x is Latin
        ("Ελλάδα νοο", "Ελλάδα νοο"),
        ("асе", "асе"),  # looks Latin, is Cyrillic
        ("TNFα NFκB μm kΩ", "TNFα NFκB μm kΩ"),
        ("cпорт", "cпорт"),  # Russian but for a slip
        ("wо\u0301nder", "wо\u0301nder"),
        ("ГОСТ-R x-о", "ГОСТ-R x-о"),
    ],
)
def test_fold(text, expected):
    assert fold_confusables(text) == expected


@pytest.mark.parametrize("form", ["nfc", "nfkc", "none"])
@given(text=LETTERS)
def test_offsets_stay_and_twice_is_once(form, text):
    folded, plain = normalise(text, form, fold=True), normalise(text, form)
    assert len(folded.text) == len(plain.text)
    np.testing.assert_array_equal(folded.origins, plain.origins)
    again = normalise(folded.text, form, fold=True)
    assert again.text == folded.text


def test_folding_is_a_choice_and_finds_the_original():
    text = "a\u200b wоnderful\u200b film"
    document = TextReader(config=TextConfig(fold_confusables=True)).read(text)
    assert document.forms() == ["a", "wonderful", "film"]
    starts, ends = document.normalised.original_spans(np.array([[2, 11]])).T
    assert text[int(starts[0]) : int(ends[0])].strip("\u200b") == "wоnderful"
    assert TextReader(config=TextConfig()).read(text).forms()[1] == "wоnderful"


def test_each_pair_is_one_letter_and_another_of_the_same_case():
    pairs = [(alike[0], other) for alike in confusables._LATIN for other in alike[1:]]
    assert len({other for _, other in pairs}) == len(pairs)
    for latin, other in pairs:
        assert latin.isascii()
        assert not other.isascii()
        assert latin.isupper() == (unicodedata.category(other) == "Lu")
        assert unicodedata.normalize("NFKC", other) == other


def test_most_letters_that_an_attack_changes_come_back():
    text = "The second half of this film is a wonderful surprise, and I would see it again!" * 5
    spoiled = normalise(corrupt(text, "homoglyph", 0.1, 0), "nfc", fold=True).text
    wrong = sum(a != b for a, b in zip(spoiled, text, strict=True))
    assert wrong < 0.01 * len(text)


def test_settings_without_it_are_as_before():
    assert from_dict(Config, {"text": {"normalisation": "nfc"}}) == Config()
