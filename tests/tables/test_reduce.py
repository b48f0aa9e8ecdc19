import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.errors import ConfigError, MissingExtraError
from textlattice.tables.reduce import pca, scaled, umap, zipf_weights

DRAW = np.random.default_rng(0)
VECTORS = (DRAW.normal(size=(40, 7)) * np.arange(1, 8) + 3).astype(np.float32)


@pytest.mark.parametrize("dim", [1, 3, 7])
def test_pca_is_that_of_a_singular_value_decomposition(dim):
    found, kept = pca(VECTORS, dim)
    left, values, right = np.linalg.svd(VECTORS - VECTORS.mean(0, dtype=np.float64), full_matrices=False)
    expected = left[:, :dim] * values[:dim]
    signs = np.sign(right[np.arange(7), np.abs(right).argmax(1)])[:dim]
    np.testing.assert_allclose(found, expected * signs, atol=1e-4)
    assert kept == pytest.approx((values[:dim] ** 2).sum() / (values**2).sum())
    assert np.array_equal(found, pca(VECTORS.copy(), dim)[0])


def test_pca_of_all_directions_keeps_distances():
    found, kept = pca(VECTORS, 7)
    assert kept == pytest.approx(1)
    np.testing.assert_allclose(
        np.linalg.norm(found[0] - found[1:], axis=1),
        np.linalg.norm(VECTORS[0] - VECTORS[1:], axis=1),
        rtol=1e-4,
    )


def test_pca_of_equal_vectors_is_zero():
    found, kept = pca(np.ones((5, 3), np.float32), 2)
    assert (found == 0).all()
    assert kept == 1


@pytest.mark.parametrize(("shape", "dim", "most"), [((40, 7), 8, 7), ((3, 7), 4, 3), ((40, 7), 0, 7)])
def test_more_numbers_than_there_are_is_refused(shape, dim, most):
    message = f"--dim must lie in 1..{most} for {shape[0]} words with vectors of 7 numbers, got {dim}"
    with pytest.raises(ConfigError, match=re.escape(message)):
        pca(np.ones(shape, np.float32), dim)


@pytest.mark.slow  # the library compiles itself on its first call: half a minute
def test_umap_keeps_neighbours_and_is_repeatable():
    kind = np.arange(60) % 3
    vectors = 4 * DRAW.normal(size=(3, 12))[kind] + DRAW.normal(size=(60, 12))
    found = umap(vectors, 3, seed=5)
    assert found.dtype == np.float32
    assert found.shape == (60, 3)
    assert np.array_equal(found, umap(vectors, 3, seed=5))
    distances = np.linalg.norm(found[:, None] - found, axis=2)
    nearest = np.argsort(distances, axis=1)[:, 1:6]
    assert (kind[nearest] == kind[:, None]).mean() > 0.95


def test_umap_says_what_it_needs(monkeypatch):
    with pytest.raises(ConfigError, match=re.escape("--dim must lie in 1..8 for 10 words")):
        umap(np.ones((10, 4)), 9, seed=0)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"reducing vectors by UMAP needs the extra \[tables\]"):
        umap(np.ones((10, 4)), 2, seed=0)


def test_weights_by_rank_and_by_count():
    total = sum(1 / rank for rank in range(1, 5))
    np.testing.assert_allclose(
        zipf_weights(4), [0.001 / (0.001 + 1 / rank / total) for rank in range(1, 5)], rtol=1e-12
    )
    np.testing.assert_allclose(
        zipf_weights(3, np.array([999, 1]), 1_000_000), [0.001 / 0.001999, 1 / 1.001, 1]
    )
    assert zipf_weights(0).tolist() == []
    assert zipf_weights(2, np.array([], np.int64)).tolist() == [1, 1]


@given(st.integers(1, 200))
def test_weights_rise_as_words_become_rare(num_words):
    weights = zipf_weights(num_words)
    assert ((weights > 0) & (weights < 1)).all()
    assert (np.diff(weights) > 0).all()


def test_scales():
    assert scaled(VECTORS, "none") is not None
    low = scaled(VECTORS, "minmax")
    assert (low.min(), low.max()) == (0, 1)
    np.testing.assert_allclose(low, (VECTORS - VECTORS.min()) / np.ptp(VECTORS), atol=1e-6)
    standard = scaled(VECTORS, "standard")
    np.testing.assert_allclose(standard.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(standard.std(0), 1, atol=1e-5)
    for scale in ("minmax", "standard"):
        assert (scaled(np.full((3, 2), 7.0), scale) == 0).all()
        assert scaled(np.ones((0, 2)), scale).shape == (0, 2)
