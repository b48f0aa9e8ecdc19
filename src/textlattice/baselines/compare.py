"""Ours against the baselines on the same rows, and a plain sentence: which to use."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from textlattice.config import Config
from textlattice.data.splits import slice_sizes, stratified_slices
from textlattice.models.torch_engine import TorchEngine
from textlattice.runtime.predictor import Predictor
from textlattice.text.document import read_document
from textlattice.training.fit import CROSS_FIT_BELOW, Trained

_SURE_TOKEN = re.compile("[A-Za-z0-9]")


def selection_slices(
    texts: Sequence[str], labels: Sequence[str], config: Config
) -> tuple[Int[np.ndarray, " fit"], Int[np.ndarray, " selection"], Int[np.ndarray, " more"]]:
    """Places of the rows to fit, of the rows that choose, and of further rows for the last training.

    From 2,000 rows on these are the fit, selection and calibration slices of `training.fit`, row for row.
    Below, where that one cross-fits, a fifth of the rows, at most 200, chooses and there are no further rows.
    A text without a token is in none of them.

    Args:
        texts: Training texts.
        labels: One each.
        config: Its `train.seed` draws the slices.
    """
    rows = np.array([row for row, text in enumerate(texts) if _has_token(text, config)], np.int64)
    names = [labels[row] for row in rows]
    size = slice_sizes(len(rows))
    sizes = [size, size] if len(rows) >= CROSS_FIT_BELOW else [min(size, len(rows) // 5), 0]
    selection, more, fit_rows = stratified_slices(names, sizes, seed=config.train.seed)
    return rows[fit_rows], rows[selection], rows[more]


def predictor_of(trained: Trained) -> Predictor:
    """A predictor of a classifier that was just fitted, without a folder."""
    return Predictor(
        engine=TorchEngine(trained.model),
        collator=trained.collator,
        task=trained.task,
        config=trained.config,
    )


def _has_token(text: str, config: Config) -> bool:
    return bool(_SURE_TOKEN.search(text)) or read_document(text, config.text).num_tokens > 0
