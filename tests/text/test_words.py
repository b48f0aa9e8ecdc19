import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from textlattice.text import words
from textlattice.text.words import token_bounds

ANY_TEXT = st.text(st.characters(exclude_categories=()))
HARD_TEXT = st.text(
    st.sampled_from(
        "aB1_ \n\x1c\x85!.,…'’£€$~é\u0301\u0323\u20e3\u200c\u200d\ufe0f"
        "\U0001f469\U0001f4bb\U0001f3fd\U0001f1e9"
        "語のー้กำ가\u1161مहि्\ud800\udc00\U000e0067\u0600"
    )
)


def tokens_of(text: str) -> list[str]:
    starts, ends = token_bounds(text)
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2028\u3000", []),
        ("a", ["a"]),
        ("It's “fine” – don’t rock'n'roll", ["It's", "“", "fine", "”", "–", "don’t", "rock'n'roll"]),
        ("'tis dogs' a''b", ["'", "tis", "dogs", "'", "a", "''", "b"]),
        ("3.14 1,000.5 v2.0 1. .5 a.b 1,b", ["3.14", "1,000.5", "v2.0", "1", ".", ".", "5", *"a.b1,b"]),
        ("foo_bar well-known", ["foo_bar", "well", "-", "known"]),
        ("!!! .... ?!?", ["!!!", "...", ".", "?", "!", "?"]),
        ("££ ©© ==", ["£", "£", "©", "©", "=="]),
        ("\x00\x01", ["\x00", "\x01"]),
        ("Привет, мир!", ["Привет", ",", "мир", "!"]),
        ("שלום, עולם", ["שלום", ",", "עולם"]),
        ("می\u200cخواهم ۳٫۵", ["می\u200cخواهم", "۳٫۵"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("हिन्दी क\u094d\u200dष", ["हिन्दी", "क\u094d\u200dष"]),
        ("漢字とカナー、終", ["漢", "字", "と", "カ", "ナ", "ー", "、", "終"]),
        ("ab語cd12", ["ab", "語", "cd12"]),
        ("กำลังดี", ["กำ", "ลั", "ง", "ดี"]),
        ("ລາວ ភាសា မြန်", ["ລ", "າ", "ວ", "ភា", "សា", "မြ", "န်"]),
        ("e\u0301te\u0301 !\u0301 !!!\u0301", ["e\u0301te\u0301", "!\u0301", "!!", "!\u0301"]),
        ("\u0301a \u0301", ["\u0301", "a", "\u0301"]),
        ("👩\u200d💻👍🏽😂😂", ["👩\u200d💻", "👍🏽", "😂", "😂"]),
        ("👨\u200d👩\u200d👧❤\ufe0f\u200d🔥x", ["👨\u200d👩\u200d👧", "❤\ufe0f\u200d🔥", "x"]),
        ("🇩🇪🇫🇷🇮", ["🇩🇪", "🇫🇷", "🇮"]),
        ("\ud83d\ude00", ["\ud83d", "\ude00"]),
    ],
)
def test_tokens(text, expected):
    assert tokens_of(text) == expected


@given(ANY_TEXT | HARD_TEXT)
def test_tokens_cover_every_character_that_is_no_space(text):
    starts, ends = token_bounds(text)
    assert starts.dtype == ends.dtype == np.int32
    assert (starts < ends).all()
    assert (ends[:-1] <= starts[1:]).all()
    outside = np.ones(len(text), bool)
    for start, end in zip(starts, ends, strict=True):
        outside[start:end] = False
    assert outside.tolist() == [character.isspace() for character in text]


@given(ANY_TEXT | HARD_TEXT, ANY_TEXT | HARD_TEXT)
def test_texts_set_apart_by_a_space_are_cut_alone(first, second):
    assert tokens_of(f"{first} {second}") == tokens_of(first) + tokens_of(second)


USUAL_CHARACTERS = "".join(c for c in map(chr, range(0x3000)) if not words._UNUSUAL.match(c))


@given(st.text(st.sampled_from("aé1_ .,'’!—£€$\x00\n\x1c\xa0") | st.sampled_from(USUAL_CHARACTERS)))
@example(USUAL_CHARACTERS)
@example("".join(3 * c for c in USUAL_CHARACTERS))
@example("1".join(USUAL_CHARACTERS))
def test_both_patterns_cut_usual_text_alike(text):
    usual = [match.span() for match in words._USUAL_TOKEN.finditer(text)]
    assert usual == [match.span() for match in words._TOKEN.finditer(text)]


@pytest.mark.parametrize(
    ("text", "num_tokens"),
    [
        ("a" * 1_000_000, 1),
        ("é語" * 100_000, 200_000),
        (". " * 200_000, 200_000),
        ("a'" * 250_000, 2),
        ("1." * 250_000, 2),
        ("1." * 100_000 + "e\u0301", 3),
        ("a" + "\u0301" * 1_000_000, 1),
        ("👩\u200d" * 200_000, 1),
    ],
)
def test_giant_texts(text, num_tokens):
    assert len(tokens_of(text)) == num_tokens
