"""Vectors made short, weighed by how rare their words are, and brought to a scale. Settings are plain numbers."""

import warnings
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

from textlattice.errors import ConfigError, DataError, MissingExtraError

Method = Literal["pca", "umap"]
Weights = Literal["zipf", "none"]
Scale = Literal["minmax", "standard", "none"]

SMOOTHING = 1e-3
"""The constant a of the weight a / (a + p): a word of a thousandth of all tokens counts half."""
_NEIGHBOURS = 15
_MIN_DISTANCE = 0.1


def pca(
    vectors: Float[np.ndarray, "num_words channels"], dim: int
) -> tuple[Float32[np.ndarray, "num_words dim"], float]:
    """Coordinates along the directions of largest variance, and the share of the variance that they keep.

    Computed in float64 from the covariance; each direction points to where its largest entry is positive, so the same
    vectors give the same result.

    Args:
        vectors: One a word.
        dim: Directions, at most as many as channels and as words.

    Raises:
        ConfigError: There are fewer channels or words.
    """
    _check_dim(dim, min(vectors.shape), vectors.shape)
    centred = vectors - vectors.mean(0, dtype=np.float64)
    values, directions = np.linalg.eigh(centred.T @ centred)
    directions = directions[:, ::-1][:, :dim]
    largest = directions[np.abs(directions).argmax(0), np.arange(dim)]
    total = values.sum()
    kept = float(values[::-1][:dim].sum() / total) if total > 0 else 1.0
    return (centred @ (directions * np.sign(largest))).astype(np.float32), kept


def umap(
    vectors: Float[np.ndarray, "num_words channels"], dim: int, *, seed: int
) -> Float32[np.ndarray, "num_words dim"]:
    """Coordinates in which words that are neighbours by cosine stay neighbours.

    Channels are first brought to mean 0 and variance 1. 15 neighbours, least distance 0.1.

    Args:
        vectors: One a word.
        dim: Coordinates, at least two fewer than words.
        seed: Of everything random; on one thread, the same seed gives the same result.

    Raises:
        ConfigError: There are too few words.
        MissingExtraError: The extra `tables` is not installed.

    Source: UMAP (arXiv 1802.03426), with the settings of CNN-GNN (arXiv 2507.07414).
    """
    _check_dim(dim, len(vectors) - 2, vectors.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts of the library that are not used here
        try:
            from umap import UMAP
        except ImportError:
            raise MissingExtraError("reducing vectors by UMAP", "tables") from None
        reducer = UMAP(
            n_components=dim,
            n_neighbors=min(_NEIGHBOURS, len(vectors) - 1),
            min_dist=_MIN_DISTANCE,
            metric="cosine",
            random_state=seed,
            n_jobs=1,
        )
        found = reducer.fit_transform(scaled(vectors, "standard"))
    if not np.isfinite(found).all():
        raise DataError(
            f"UMAP: expected finite coordinates, got {int((~np.isfinite(found)).any(1).sum())} of {len(found)} words "
            "without; use --method pca."
        )
    return np.asarray(found, np.float32)


def zipf_weights(
    num_words: int, counts: Int[np.ndarray, " num_counted"] | None = None, num_tokens: int | None = None
) -> Float64[np.ndarray, " num_words"]:
    """The weight a / (a + p) of each word, in (0, 1): words that say little because they are everywhere count less.

    p is the share of the word among the tokens: by its count, 0 for words behind the counted ones; without counts by
    its rank r, p = (1 / r) / sum over s of (1 / s). a is `SMOOTHING`.

    Args:
        num_words: Words, the most frequent first.
        counts: Occurrences of the first of them.
        num_tokens: Tokens among which they were counted; None means the sum of the counts.

    Source: smooth inverse frequency, Arora, Liang and Ma 2017; Zipf's law.
    """
    shares = np.zeros(num_words)
    if counts is None:
        shares = 1 / np.arange(1, num_words + 1)
        shares /= shares.sum()
    else:
        shares[: len(counts)] = counts / max(int(counts.sum()) if num_tokens is None else num_tokens, 1)
    return SMOOTHING / (SMOOTHING + shares)


def scaled(
    vectors: Float[np.ndarray, "num_words channels"], scale: Scale
) -> Float32[np.ndarray, "num_words channels"]:
    """Vectors on a scale: all numbers of the table into 0..1 (`minmax`), or each channel to mean 0 and variance 1.

    A table or channel without spread becomes 0.

    Source: CNN-GNN (arXiv 2507.07414), min-max over the whole table.
    """
    if scale == "none" or not len(vectors):
        return vectors.astype(np.float32)
    exact = vectors.astype(np.float64)
    if scale == "minmax":
        low, spread = exact.min(), np.ptp(exact)
    else:
        low, spread = exact.mean(0), exact.std(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (exact - low) / spread, 0).astype(np.float32)


def _check_dim(dim: int, most: int, shape: tuple[int, ...]) -> None:
    if not 1 <= dim <= most:
        raise ConfigError(
            f"--dim must lie in 1..{max(most, 0)} for {shape[0]:,} words with vectors of {shape[1]} numbers, got {dim}."
        )
