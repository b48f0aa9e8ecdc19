"""Rows drawn anew with replacement, and the 95 % interval of any score that counts of rows give."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from jaxtyping import Float, Int

_CHUNK_NUMBERS = 4_000_000

Scores = Mapping[str, Float[np.ndarray, " num_samples"]]


def resamples(
    counts: Int[np.ndarray, " num_cells"], *, num_samples: int, seed: int
) -> Iterator[Float[np.ndarray, "num_chunk num_cells"]]:
    """How many rows of each cell every resample holds, in chunks that bound the memory.

    Rows of one cell are alike, so drawing rows with replacement is one multinomial draw over the cells; where no two
    rows are alike each row is a cell of its own.

    Args:
        counts: Rows of each cell, at least one in all.
        num_samples: Resamples in all.
        seed: Of the drawing.
    """
    generator = np.random.default_rng(seed)
    shares = counts / counts.sum()
    chunk = max(1, _CHUNK_NUMBERS // len(counts))
    for start in range(0, num_samples, chunk):
        size = min(chunk, num_samples - start)
        yield generator.multinomial(int(counts.sum()), shares, size=size).astype(np.float64)


def intervals(
    counts: Int[np.ndarray, " num_cells"],
    scores: Callable[[Float[np.ndarray, "num_chunk num_cells"]], Scores],
    *,
    num_samples: int,
    seed: int,
) -> dict[str, list[float] | None]:
    """The 2.5 and 97.5 per cent quantiles of each score over the resamples; None where one is not defined.

    Args:
        counts: Rows of each cell.
        scores: The scores of resamples by name, NaN where one is not defined; called without a row for the names.
        num_samples: Resamples; with none, or without rows, every interval is None.
        seed: Of the drawing.
    """
    if counts.sum() == 0 or num_samples < 1:
        return dict.fromkeys(scores(np.zeros((0, len(counts)))))
    parts = [scores(drawn) for drawn in resamples(counts, num_samples=num_samples, seed=seed)]
    return {name: _interval(np.concatenate([part[name] for part in parts])) for name in parts[0]}


def _interval(samples: np.ndarray) -> list[float] | None:
    samples = samples[np.isfinite(samples)]
    if not len(samples):
        return None
    return [float(bound) for bound in np.quantile(samples, [0.025, 0.975])]
