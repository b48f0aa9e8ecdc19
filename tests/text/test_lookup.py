from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.text.lookup import character_ids, find_rows, subword_ids

NUM_CHARACTERS = 12_288
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def mixed(x: int) -> int:
    z = (x + 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def subword_ids_reference(form: str, lengths: tuple[int, ...], num_subwords: int) -> list[int]:
    codes = [0x110000, *map(ord, form[:64]), 0x110001]
    ids = []
    for start in range(len(codes)):
        for length in lengths:
            window = codes[start : start + length]
            if len(window) == length:
                key = 0
                for code in window:
                    key = mixed((key * 0x9FB21C651E98DF25 + code) % 2**64)
                ids.append(key % num_subwords)
    return ids


def test_characters_below_2500_have_their_own_row():
    assert character_ids("aé€\u24ff", NUM_CHARACTERS).tolist() == [97, 233, 0x20AC, 0x24FF]


@given(ANY_TEXT)
def test_characters_equal_their_slow_twin(text):
    ids = character_ids(text, NUM_CHARACTERS)
    expected = [
        ord(c) if ord(c) < 0x2500 else 0x2500 + mixed(ord(c)) % (NUM_CHARACTERS - 0x2500) for c in text
    ]
    assert ids.dtype == np.int32
    assert ids.tolist() == expected


def test_characters_stay_inside_the_smallest_table():
    assert character_ids("\u2500語😀\ud800", 0x2501).tolist() == [0x2500] * 4


def test_subwords_of_a_short_word():
    ids, ptr = subword_ids(["cat", "at"], (3,), 1_000_003)
    assert ptr.tolist() == [0, 3, 5]  # <ca cat at> | <at at>
    assert ids[2] == ids[4]  # at> is shared
    assert len(set(ids.tolist())) == 4


@given(
    st.lists(ANY_TEXT | st.just("longer" * 20)),
    st.lists(st.integers(1, 6), min_size=1, unique=True).map(tuple),
    st.integers(1, 20_000),
)
def test_subwords_equal_their_slow_twin(forms, lengths, num_subwords):
    ids, ptr = subword_ids(forms, lengths, num_subwords)
    expected = [subword_ids_reference(form, lengths, num_subwords) for form in forms]
    assert ids.dtype == ptr.dtype == np.int32
    assert [ids[start:end].tolist() for start, end in pairwise(ptr)] == expected


def test_subwords_do_not_depend_on_the_other_forms():
    alone, _ = subword_ids(["graph"], (3, 4, 5), 16_384)
    among, ptr = subword_ids(["small", "graph", "world"], (3, 4, 5), 16_384)
    assert among[ptr[1] : ptr[2]].tolist() == alone.tolist()


@pytest.mark.parametrize(
    ("forms", "lengths", "expected_ptr"),
    [
        ([], (3,), [0]),
        ([""], (3,), [0, 0]),
        (["a"], (5,), [0, 0]),
        (["a"], (), [0, 0]),
        (["\0"], (3,), [0, 1]),
    ],
)
def test_subwords_of_almost_nothing(forms, lengths, expected_ptr):
    ids, ptr = subword_ids(forms, lengths, 100)
    assert ptr.tolist() == expected_ptr
    assert ids.size == expected_ptr[-1]


def test_subwords_of_a_giant_form_are_those_of_its_first_64_characters():
    giant, _ = subword_ids(["ab" * 500_000], (3, 4, 5), 16_384)
    clipped, _ = subword_ids(["ab" * 32], (3, 4, 5), 16_384)
    assert giant.tolist() == clipped.tolist()
    assert giant.size == 64 + 63 + 62


def test_find_rows():
    table = np.array([2, 5, 2**64 - 1], np.uint64)
    keys = np.array([5, 0, 2, 3, 2**64 - 1, 2**64 - 2], np.uint64)
    assert find_rows(keys, table).tolist() == [1, -1, 0, -1, 2, -1]
    assert find_rows(keys, table).dtype == np.int32


def test_find_rows_without_keys_or_rows():
    empty = np.zeros(0, np.uint64)
    assert find_rows(empty, np.array([1], np.uint64)).tolist() == []
    assert find_rows(np.array([1, 2], np.uint64), empty).tolist() == [-1, -1]
