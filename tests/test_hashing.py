import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.hashing import extend_keys, fnv1a, splitmix64

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates included


def fnv1a_reference(string: str) -> int:
    state = 0xCBF29CE484222325
    for byte in string.encode("utf-8", "surrogatepass"):
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def splitmix64_reference(x: int) -> int:
    z = (x + 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


@pytest.mark.parametrize(
    ("string", "expected"),
    [
        ("", 14695981039346656037),
        ("a", 12638187200555641996),
        ("foobar", 0x85944171F73967E8),
        ("é", fnv1a_reference("é")),
    ],
)
def test_fnv1a_of_known_strings(string, expected):
    assert fnv1a([string]).tolist() == [expected]


def test_fnv1a_of_no_strings():
    hashes = fnv1a([])
    assert hashes.shape == (0,)
    assert hashes.dtype == np.uint64


@given(st.lists(ANY_TEXT | st.builds(str.__mul__, ANY_TEXT, st.integers(0, 99))))
def test_fnv1a_equals_its_slow_twin(strings):
    assert fnv1a(strings).tolist() == [fnv1a_reference(string) for string in strings]


@pytest.mark.parametrize("length", [63, 64, 65, 66, 1_000])
def test_fnv1a_where_strings_stop_being_vectorised(length):
    strings = ["x" * length, "", "y" * length, "ab"]
    assert fnv1a(strings).tolist() == [fnv1a_reference(string) for string in strings]


def test_fnv1a_of_a_million_letters():
    assert fnv1a(["ab" * 500_000]).tolist() == [fnv1a_reference("ab" * 500_000)]


def test_splitmix64_of_known_states():
    first_outputs_of_seed_0 = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    states = np.uint64(0x9E3779B97F4A7C15) * np.arange(3, dtype=np.uint64)
    assert splitmix64(states).tolist() == first_outputs_of_seed_0


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_splitmix64_equals_its_slow_twin(states):
    assert splitmix64(np.array(states, np.uint64)).tolist() == [splitmix64_reference(x) for x in states]


def test_splitmix64_keeps_its_argument_and_shape():
    x = np.arange(6, dtype=np.uint64).reshape(2, 3)
    assert splitmix64(x).shape == (2, 3)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_extend_keys_minds_the_order():
    a, b = np.array([3], np.uint64), np.array([5], np.uint64)
    assert extend_keys(a, b) != extend_keys(b, a)
    assert extend_keys(a, b).tolist() == [splitmix64_reference((3 * 0x9FB21C651E98DF25 + 5) % 2**64)]
