from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.config import TextConfig
from textlattice.text.vocabulary import MOST_WORDS, Vocabulary, known_words, word_keys

TEXT = TextConfig()


def keys(*words):
    return sorted(word_keys(words, TEXT).tolist())


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([], []),
        ([[]], []),
        ([["a", "b"], ["a"]], ["a"]),
        ([["Film", "film", "FILM", "so"]], ["film"]),
    ],
)
def test_words_seen_twice_are_known(documents, expected):
    assert known_words(documents, TEXT).tolist() == keys(*expected)


def test_case_counts_where_the_settings_say_so():
    assert len(known_words([["Film", "film", "film"]], TextConfig(lowercase_keys=False))) == 1


@given(st.lists(st.lists(st.sampled_from("abcdefgh")), max_size=6), st.integers(0, 9), st.integers(1, 3))
def test_the_most_frequent_stay(documents, most, min_count):
    counts = Counter(word_keys([form for forms in documents for form in forms], TEXT).tolist())
    ranked = sorted((key for key in counts if counts[key] >= min_count), key=lambda key: (-counts[key], key))
    found = known_words(documents, TEXT, min_count=min_count, most=most)
    assert found.tolist() == sorted(ranked[:most])


def test_no_more_than_the_limit():
    words = [str(number) for number in range(MOST_WORDS + 9)]
    found = known_words([words, words, words[9:]], TEXT)
    assert found.tolist() == keys(*words[9:])


def test_rows_are_counted_from_one():
    found = Vocabulary(words=np.array([3, 7], np.uint64), ngrams=np.empty(0, np.uint64))
    asked = np.array([7, 3, 5], np.uint64)
    assert found.word_rows(asked).tolist() == [2, 1, 0]
    assert found.injected_rows(asked) is None
