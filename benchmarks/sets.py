"""The data sets of the benchmark: train and test rows of each, from a folder that the user names.

A set is a sub-folder with `train.parquet` and `test.parquet`, columns `text` and `label_name`, a list of names where a
text may have any number of labels. `rt2k` has a column `fold` too: its two files together are the set. `docstrings`
needs no folder.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet

from textlattice.data.docstrings import docstrings
from textlattice.task import Label, TaskKind

SETS = (
    "ag_news",
    "imdb",
    "yelp_polarity_partial",
    "amazon_polarity_partial",
    "rt2k",
    "docstrings",
    "waimai10k_zh",
    "goemotions_multilabel",
    "sst5",
)
TASKS: dict[str, TaskKind] = {"goemotions_multilabel": "multi", "sst5": "ordinal"}
"""Kind of task of the sets whose texts have not just one of several labels."""
ORDERS = {"sst5": ("very negative", "negative", "neutral", "positive", "very positive")}
ALL_ROWS = sys.maxsize
NUM_FOLDS = 10
"""Of `rt2k`, as published."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Texts and labels, in the order of the file."""

    texts: list[str]
    labels: list[Label]

    def take(self, rows: np.ndarray) -> "Part":
        """The chosen rows, in the given order."""
        return Part(texts=[self.texts[row] for row in rows], labels=[self.labels[row] for row in rows])


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows to train on and rows to test on."""

    name: str
    train: Part
    test: Part

    @property
    def task(self) -> TaskKind:
        """What a label is."""
        return TASKS.get(self.name, "single")

    @property
    def label_order(self) -> tuple[str, ...] | None:
        """Labels from lowest to highest, where they have an order."""
        return ORDERS.get(self.name)


def read_dataset(
    name: str,
    folder: str | None,
    *,
    fold: int | None = None,
    limit: int | None = None,
    test_limit: int | None = None,
    held_out: int | None = None,
) -> Dataset:
    """A data set by name.

    Args:
        name: One of `SETS`.
        folder: Folder of the sets; None takes the environment variable TEXTLATTICE_DATA.
        fold: Of `rt2k` only, and required there: the fold to test on; the other nine are trained on.
        limit: At most so many random rows of each part, the same every time; the fewer are among the more.
        test_limit: Of the test rows, in place of `limit`; `ALL_ROWS` takes all.
        held_out: Judges by so many training rows that `limit` leaves, so that settings can be chosen and test rows stay
            unseen.
    """
    if name not in SETS:
        raise SystemExit(f"unknown data set {name!r}: expected one of {', '.join(SETS)}.")
    if (name == "rt2k") != (fold is not None):
        raise SystemExit(
            f"--fold is for rt2k alone, and rt2k needs it (0 to {NUM_FOLDS - 1}); got {fold} for {name}."
        )
    if fold is not None and not 0 <= fold < NUM_FOLDS:
        raise SystemExit(f"--fold must lie in 0..{NUM_FOLDS - 1}, got {fold}.")
    if name == "docstrings":
        train, test = (_builtin(part) for part in ("train", "test"))
    elif fold is None:
        train, test = (_read(name, part, folder)[0] for part in ("train", "test"))
    else:
        parts = [_read(name, part, folder) for part in ("train", "test")]
        whole = Part(
            texts=[text for part, _ in parts for text in part.texts],
            labels=[label for part, _ in parts for label in part.labels],
        )
        folds = np.concatenate([folds for _, folds in parts])
        train, test = whole.take(np.flatnonzero(folds != fold)), whole.take(np.flatnonzero(folds == fold))
    if held_out is not None:
        order, limit = _order(train), limit or 0
        if not 0 < limit <= len(order) - held_out:
            raise SystemExit(
                f"--held-out {held_out} needs a --limit of at most {len(order) - held_out:,} rows to train on, got "
                f"{limit}."
            )
        test, test_limit = train.take(order[limit : limit + held_out]), ALL_ROWS
    return Dataset(name=name, train=_limited(train, limit), test=_limited(test, test_limit or limit))


def thinned_labels(labels: Sequence[Label]) -> list[Label]:
    """The labels that `uneven` thins: the second half of their sorted order, of an odd number the smaller one."""
    names = sorted(set(labels))
    return names[(len(names) + 1) // 2 :]


def uneven(part: Part, ratio: int) -> Part:
    """The rows with uneven classes: of the labels of `thinned_labels` one row in `ratio` stays, of the others each.

    Which rows stay is random but the same every time, and those of a higher ratio are among those of a lower one. The
    order of the rows stays as it is.

    Args:
        part: Rows of one label each.
        ratio: At least 1. However high it is, one row of each label stays.
    """
    generator, names = np.random.default_rng(0), np.array(part.labels)
    stays = np.ones(len(names), bool)
    for label in thinned_labels(part.labels):
        rows = generator.permutation(np.flatnonzero(names == label))
        stays[rows[max(1, len(rows) // ratio) :]] = False
    return part.take(np.flatnonzero(stays))


def _read(name: str, part: str, folder: str | None) -> tuple[Part, np.ndarray]:
    """Rows of one file, and the fold of each (-1 where the set has none)."""
    folder = folder or os.environ.get("TEXTLATTICE_DATA")
    if not folder:
        raise SystemExit("where are the data sets? Give --data DIR or set TEXTLATTICE_DATA.")
    path = Path(folder) / name / f"{part}.parquet"
    if not path.is_file():
        raise SystemExit(f"{path} is missing; --data must name the folder that holds {name}/.")
    table = pyarrow.parquet.read_table(path)
    folds = np.full(table.num_rows, -1)
    if "fold" in table.column_names:
        folds = table["fold"].to_numpy()
    labels = [tuple(name) if isinstance(name, list) else name for name in table["label_name"].to_pylist()]
    return Part(texts=table["text"].to_pylist(), labels=labels), folds


def _builtin(part: str) -> Part:
    rows = docstrings(part)
    return Part(texts=[row.text for row in rows], labels=[str(row.label) for row in rows])


def _limited(part: Part, limit: int | None) -> Part:
    if limit is None or limit >= len(part.texts):
        return part
    return part.take(_order(part)[:limit])


def _order(part: Part) -> np.ndarray:
    """The rows in a random order, the same every time."""
    return np.random.default_rng(0).permutation(len(part.texts))
