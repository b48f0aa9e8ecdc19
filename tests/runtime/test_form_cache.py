import threading
import zlib

import numpy as np
import pytest

from textlattice.runtime.form_cache import LONGEST_KEPT_FORM, FormCache


class Encoder:
    """Gives each form a vector of its own and remembers what it was asked."""

    def __init__(self, channels=3):
        self.channels, self.asked = channels, []

    def vector(self, form):
        return np.random.default_rng(zlib.crc32(form.encode())).random(self.channels).astype(np.float32)

    def __call__(self, forms):
        self.asked.append(list(forms))
        return np.stack([self.vector(form) for form in forms])

    def expected(self, forms):
        return np.stack([self.vector(form) for form in forms])


def test_a_form_is_encoded_once():
    cache, encode = FormCache(3), Encoder()
    for forms in (["a", "b"], ["b", "c", "a"], ["c"]):
        np.testing.assert_array_equal(cache.vectors(forms, encode), encode.expected(forms))
    assert encode.asked == [["a", "b"], ["c"]]
    assert len(cache) == 3


def test_no_forms():
    assert FormCache(3).vectors([], Encoder()).shape == (0, 3)


def test_long_forms_are_not_kept():
    cache, encode = FormCache(3), Encoder()
    forms = ["x" * LONGEST_KEPT_FORM, "y" * (LONGEST_KEPT_FORM + 1)]
    for _ in range(2):
        np.testing.assert_array_equal(cache.vectors(forms, encode), encode.expected(forms))
    assert encode.asked == [forms, forms[1:]]
    assert len(cache) == 1


@pytest.mark.parametrize("max_bytes", [0, 1, 500, 5_000])
def test_a_full_cache_starts_afresh_and_stays_right(max_bytes):
    cache, encode = FormCache(3, max_bytes), Encoder()
    capacity = max(1, max_bytes // (12 + 150))
    draw = np.random.default_rng(0)
    for _ in range(50):
        forms = [f"form{place}" for place in draw.choice(60, 12, replace=False)]
        np.testing.assert_array_equal(cache.vectors(forms, encode), encode.expected(forms))
        assert 1 <= len(cache) <= capacity


def test_the_table_grows():
    cache, encode = FormCache(3), Encoder()
    forms = [f"form{place}" for place in range(5_000)]
    cache.vectors(forms, encode)
    np.testing.assert_array_equal(cache.vectors(forms, encode), encode.expected(forms))
    assert len(encode.asked) == 1


def test_vectors_are_copies():
    cache, encode = FormCache(3), Encoder()
    cache.vectors(["a"], encode)[:] = 7
    np.testing.assert_array_equal(cache.vectors(["a"], encode), encode.expected(["a"]))


def test_threads():
    cache, encode, wrong = FormCache(3, 162 * 20), Encoder(), []

    def work(seed):
        draw = np.random.default_rng(seed)
        for _ in range(100):
            forms = [f"form{place}" for place in draw.choice(40, 10, replace=False)]
            if not np.array_equal(cache.vectors(forms, encode), encode.expected(forms)):
                wrong.append(forms)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
