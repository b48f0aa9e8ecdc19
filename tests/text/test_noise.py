import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.errors import ConfigError
from textlattice.text import noise
from textlattice.text.noise import FAMILIES, corrupt
from textlattice.text.normalise import normalise

TEXT = "The second half of this film is a wonderful surprise, and I would see it again!" * 5


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_is_the_same_every_time_and_another_with_another_seed(family):
    spoiled = corrupt(TEXT, family, 0.1, 0)
    assert spoiled == corrupt(TEXT, family, 0.1, 0) != TEXT
    if family != "truncation":
        assert len({corrupt(TEXT, family, 0.1, seed) for seed in range(5)}) > 1
    assert corrupt(TEXT, family, 0.0, 0) == TEXT


@pytest.mark.parametrize("family", FAMILIES)
@given(st.text(max_size=60), st.floats(0, 1), st.integers(0, 9))
def test_any_text_can_be_spoiled(family, text, level, seed):
    spoiled = corrupt(text, family, level, seed)
    assert isinstance(spoiled, str)
    assert len(spoiled) <= 2 * len(text)


@pytest.mark.parametrize("family", ["case", "homoglyph", "invisible"])
@pytest.mark.parametrize("level", [0.02, 0.2])
def test_so_many_characters_change(family, level):
    changed = []
    for seed in range(50):
        spoiled = corrupt(TEXT, family, level, seed)
        same = spoiled if family != "invisible" else TEXT
        count = sum(a != b for a, b in zip(same, TEXT, strict=True)) + len(spoiled) - len(TEXT)
        changed.append(count / len(TEXT))
    assert np.mean(changed) == pytest.approx(level, rel=0.03)


def test_words_are_left_out_and_cut():
    words = [str(number) for number in range(100)]
    text = " ".join(words)
    kept = corrupt(text, "token_dropout", 0.2, 0).split()
    assert len(kept) in (80, 81)
    assert kept == sorted(kept, key=int)
    assert corrupt(text, "truncation", 0.25, 3).split() == words[:75]
    assert corrupt("one", "truncation", 1.0, 0) == ""


def test_in_scripts_without_spaces_a_token_is_a_word():
    text = "这家店的菜很好吃 下次还来"
    for seed in range(5):
        kept = corrupt(text, "token_dropout", 0.25, seed)
        assert len(kept.replace(" ", "")) == 9
        remaining = iter(text)
        assert all(letter in remaining for letter in kept)  # what stays keeps its order
    assert corrupt(text, "truncation", 0.25, 0) == "这家店的菜很好吃 下"
    assert corrupt("good 好吃 film", "truncation", 0.5, 0) == "good 好"
    assert corrupt("a\n\nb  c\n", "truncation", 0.34, 0) == "a\n\nb"


@pytest.mark.parametrize("family", ["token_dropout", "truncation"])
def test_a_text_that_keeps_its_words_keeps_its_spaces(family):
    text = "  A text\twith  double spaces,\n\nnew lines and a tail. \n"
    kept = [corrupt(text, family, 0.01, seed) for seed in range(20)]
    assert sum(found == text for found in kept) > 10
    dropped = {corrupt("  a  b\tc ", "token_dropout", 1 / 3, seed) for seed in range(40)}
    assert dropped == {"b\tc ", "  a c ", "  a  b"}


def test_case_alone_changes_case():
    assert corrupt(TEXT, "case", 0.3, 1).lower() == TEXT.lower()
    assert corrupt("straße", "case", 1.0, 0) == "STRAßE"  # ß has no single capital


def test_what_cannot_be_seen_is_taken_away_by_our_normalising():
    for seed in range(5):
        assert normalise(corrupt(TEXT, "invisible", 0.2, seed), "nfc").text == TEXT


def test_letters_that_look_alike_are_of_another_script():
    for latin, other in noise._ALIKE.items():
        assert latin.isascii()
        assert "LATIN SMALL LETTER SCRIPT" in unicodedata.name(other) or "LATIN" not in unicodedata.name(
            other
        )
        assert latin.isupper() == other.isupper()


def test_spaces_and_marks():
    assert corrupt("ab", "spacing", 1.0, 0) == "a b "
    assert corrupt(" ", "spacing", 1.0, 0) == ""
    assert corrupt(".", "punctuation", 1.0, 0) == ""
    spoiled = corrupt("ab", "punctuation", 1.0, 0)
    assert [spoiled[0], spoiled[2], len(spoiled)] == ["a", "b", 4]


def test_misread_letters():
    assert corrupt("m", "ocr", 1.0, 0) == "rn"
    assert corrupt("xx", "ocr", 1.0, 0) == "xx"  # nothing is misread as x


def test_typos_stay_near():
    for seed in range(30):
        spoiled = corrupt("abcdef", "typo", 1 / 6, seed)
        assert len(spoiled) in (5, 6, 7)
    assert {corrupt("g", "typo", 1.0, seed) for seed in range(40)} <= {"", "gg", "f", "h"}


@pytest.mark.parametrize(
    ("family", "level", "message"),
    [
        ("rain", 0.1, "unknown family of noise 'rain': expected one of typo, ocr"),
        ("typo", 1.5, r"a level of noise must lie in \[0, 1\], got 1.5"),
        ("typo", -0.1, r"must lie in \[0, 1\], got -0.1"),
    ],
)
def test_wrong_arguments(family, level, message):
    with pytest.raises(ConfigError, match=message):
        corrupt("text", family, level, 0)
