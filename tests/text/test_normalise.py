import sys
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from textlattice.text import normalise as module
from textlattice.text.normalise import normalise

ANY_TEXT = st.text(st.characters(exclude_categories=()))
HARD_TEXT = st.text(
    st.sampled_from(
        "a1 \n\x00\x1c\x85\xad\u2800e\u0301\u0323\u0327\u200b\u200c\u200d\u202e\ufeff\ufe0f"
        "ﬁ½…Å\u1100\u1161\u11a8"
        "ㄱㅏㄳｶﾞ\u212b\uf900語مनि्\U0001f469\U0001f4bb\U0001f3fd\ud800\udc00\U000e0067\ufdfa\u0344"
    )
)
FORMS = st.sampled_from(["nfc", "nfkc", "none"])


def origins_of(result) -> list[int]:
    return list(range(len(result.text) + 1)) if result.origins is None else result.origins.tolist()


@pytest.mark.parametrize(
    ("text", "form", "expected", "origins", "num_removed"),
    [
        ("", "nfc", "", None, 0),
        ("Plain text.\n", "nfkc", "Plain text.\n", None, 0),
        ("déjà “vu”", "nfc", "déjà “vu”", None, 0),
        ("e\u0301a", "nfc", "éa", [0, 2, 3], 0),
        ("e\u0301a", "none", "e\u0301a", None, 0),
        ("e\u200b\u0301a", "nfc", "éa", [0, 3, 4], 1),
        ("xﬁy", "nfc", "xﬁy", None, 0),
        ("xﬁy", "nfkc", "xfiy", [0, 1, 1, 2, 3], 0),
        ("\ufeffa\x00b\x7f", "none", "ab", [1, 3, 5], 3),
        ("a\u202eb\u2066c\u00ad", "nfc", "abc", [0, 2, 4, 6], 3),
        ("a\x0b\x1c\x85b", "nfc", "a\x0b\x1c\x85b", None, 0),
        ("\u200b\u2060\ufe0f", "nfc", "", [3], 3),
        ("\u2800", "none", " ", [0, 1], 0),
        ("a\ud800\U0001f600\udc00", "nfc", "a\ufffd😀\ufffd", [0, 1, 2, 3, 4], 0),
        ("👩\u200d💻", "nfc", "👩\u200d💻", None, 0),
        ("👍🏽\u200d💻❤\ufe0f\u200d🔥", "nfc", "👍🏽\u200d💻❤\u200d🔥", None, 1),
        ("👩\u200d a\u200db", "nfc", "👩 ab", [0, 2, 3, 5, 6], 2),
        ("می\u200cخواهم", "nfc", "می\u200cخواهم", None, 0),
        ("क\u094d\u200dष", "nfc", "क\u094d\u200dष", None, 0),
        ("م\u200c\u200cم", "nfc", "مم", [0, 3, 4], 2),
        ("\u1100\u1161\u11a8", "nfc", "각", [0, 3], 0),
        ("ｶﾞ", "nfkc", "ガ", [0, 2], 0),
    ],
)
def test_normalise(text, form, expected, origins, num_removed):
    result = normalise(text, form)
    assert result.text == expected
    assert result.num_removed == num_removed
    if origins is not None:
        assert result.origins.tolist() == origins


def test_an_unchanged_text_has_no_origins():
    for text in ("", "plain\t text", "déjà", "\u4f60\u597d"):
        result = normalise(text, "nfc")
        assert result.text is text
        assert result.origins is None


@pytest.mark.parametrize("text", ["ab", "a\u200bb", "xﬁ"])
def test_original_offsets(text):
    result = normalise(text, "nfkc")
    offsets = np.array([0, len(result.text)])
    assert result.original_offsets(offsets).tolist() == [0, len(text)]


@pytest.mark.parametrize(
    ("text", "form", "spans", "expected"),
    [
        ("", "nfc", [], []),
        ("ab", "nfc", [(0, 1), (1, 1)], [(0, 1), (1, 1)]),
        ("a\u200bb", "nfc", [(0, 1), (1, 2), (2, 2)], [(0, 2), (2, 3), (3, 3)]),
        (
            "x½y",
            "nfkc",
            [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (2, 5)],
            [(0, 1), *[(1, 2)] * 3, (2, 3), (1, 3)],
        ),
        ("\ufdfa", "nfkc", [(0, 3), (14, 18), (18, 18)], [(0, 1), (0, 1), (1, 1)]),
        (" \u0344", "nfc", [(1, 3)], [(1, 2)]),
        ("ກຳ", "nfkc", [(0, 2), (2, 3)], [(0, 2), (1, 2)]),
        ("ж\u0308\u0eb9", "nfc", [(0, 1), (1, 2)], [(0, 2), (2, 3)]),
    ],
)
def test_original_spans(text, form, spans, expected):
    found = normalise(text, form).original_spans(np.array(spans, np.int64).reshape(-1, 2))
    assert found.tolist() == [list(span) for span in expected]


@given(ANY_TEXT | HARD_TEXT, FORMS)
def test_equals_the_standard_library_on_the_whole_text(text, form):
    kept = regex.sub(module._REMOVED, "", text)
    kept = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in kept).replace("\u2800", " ")
    expected = kept if form == "none" else unicodedata.normalize(form.upper(), kept)
    assert normalise(text, form).text == expected


@given(ANY_TEXT | HARD_TEXT, FORMS)
def test_origins_slice_the_original(text, form):
    result = normalise(text, form)
    origins = origins_of(result)
    assert len(origins) == len(result.text) + 1
    assert origins[-1] == len(text)
    assert (np.diff(origins) >= 0).all()
    cuts = [i for i in range(len(origins)) if i == 0 or i == len(origins) - 1 or origins[i] > origins[i - 1]]
    for start, end in pairwise(cuts):  # each piece alone gives its own characters
        piece = text[origins[start] : origins[end]]
        alone = normalise(piece, form).text.replace("\u200d", "").replace("\u200c", "")
        assert alone == result.text[start:end].replace("\u200d", "").replace("\u200c", "")


@given(ANY_TEXT | HARD_TEXT)
def test_twice_is_once(text):
    once = normalise(text, "nfc").text
    again = normalise(once, "nfc")
    assert again.text == once
    assert again.num_removed == 0


@given(ANY_TEXT | HARD_TEXT)
def test_the_two_lists_of_invisible_characters_agree(text):
    if module._REMOVED.search(text):
        assert module._UNWANTED.search(text)


def test_every_control_or_ignorable_character_is_removed():
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    ignorable = regex.findall(r"[\p{Default_Ignorable_Code_Point}\p{Cc}]", everything)
    expected = {c for c in ignorable if not c.isspace()}
    removed = set(regex.findall(rf"[{module._INVISIBLE}]", everything))
    assert expected <= removed
    assert removed - expected == {"\ufff9", "\ufffa", "\ufffb"}  # interlinear annotation


def test_pieces_begin_where_nothing_merges_with_what_came_before():
    everything = [chr(code) for code in range(sys.maxunicode + 1)]
    seconds = {pair[1] for c in everything if len(pair := unicodedata.normalize("NFD", c)) == 2}
    for second_of_three in (0x1161, 0x11A8):  # vowels and finals of Hangul, composed by rule
        seconds |= {chr(code) for code in range(second_of_three, second_of_three + 28)}
    for character in everything:
        first = unicodedata.normalize("NFKD", character)[0]
        if unicodedata.combining(first) or first in seconds:
            assert regex.fullmatch(module._FOLLOWER, character), f"U+{ord(character):04X}"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "e\u0301" * 100_000,
        "a" + "\u0301" * 200_000 + "\u0323" * 200_000,
        "a" + "\u0301\u0323" * 200_000,
        "\u200d" * 200_000,
        "👩\u200d" * 100_000,
        "ﷺ" * 20_000,
    ],
)
def test_giant_texts(text):
    result = normalise(text, "nfkc")
    assert origins_of(result)[-1] == len(text)
