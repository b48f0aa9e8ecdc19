import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.text.sentences import sentence_index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("one two", [0, 0]),
        ("one . two", [0, 0, 1]),
        ("one . . ! two ?", [0, 0, 0, 0, 1, 1]),
        ('he said " no . " then left', [0, 0, 0, 0, 0, 0, 1, 1]),
        (". . one", [0, 0, 1]),
        ("one ... two", [0, 0, 1]),
        ("好 。 吃", [0, 0, 1]),
        ("e.g. this", [0, 1]),  # an abbreviation ends one too
    ],
)
def test_sentences(text, expected):
    assert sentence_index(text.split()).tolist() == expected


@given(st.lists(st.sampled_from(["a", ".", "!", '"', ")"])))
def test_numbers_rise_by_one_and_only_behind_an_end(forms):
    index = sentence_index(forms).tolist()
    assert index[:1] in ([], [0])
    for place in range(1, len(forms)):
        assert index[place] - index[place - 1] in (0, 1)
        if index[place] > index[place - 1]:
            assert forms[place] == "a"
            assert any(form in ".!" for form in forms[:place])
