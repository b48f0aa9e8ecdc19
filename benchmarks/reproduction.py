"""The tables of the published CNN-GNN (arXiv 2507.07414), a row a run: as published beside here, defects mended."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from accuracy import run_ours
from cells import NONE, Correct, difference, interval_cell, table_of
from records import unpack
from sets import NUM_FOLDS, Dataset
from textlattice.config import Config, preset
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import TOKENIZER, FileTokenizer
from vectors import Vectors
from vectors import table_of as vectors_of

WITHOUT_VECTORS = {"model.injected_channels": 0}
WITHOUT_SENTIMENT = {"model.sentiment_positions": []}
BASIC = WITHOUT_VECTORS | WITHOUT_SENTIMENT
LINEAR1 = {"model.sentiment": "linear1"}
SHORT_EPOCHS, SHORT_BATCH = 8, 32
"""Of a row that is not run in full: few epochs need small batches, or there are hardly any steps."""
PUBLISHED_BATCH = {
    "ag_news": 400,
    "imdb": 150,
    "rt2k": 100,
    "yelp_polarity_partial": 256,
    "amazon_polarity_partial": 512,
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table.

    Args:
        published: Accuracy in print, in per cent; None where the paper has no such row.
        settings: What it changes in the preset `paper`.
        vectors: Which token vectors are injected.
        same_as: Table and row with the same settings, whose run serves this one too.
    """

    published: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    vectors: Vectors = "umap"
    same_as: tuple[int, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the paper.

    Args:
        title: What varies.
        set: Data set that it was measured on.
        rows: By name; the first is what the others are compared with.
    """

    title: str
    set: str
    rows: dict[str, Row]


def _positions(*places: int) -> dict[str, Any]:
    return LINEAR1 | {"model.sentiment_positions": list(places)}


TABLES = {
    2: Table(
        title="Normalisation of the attention branch, without vectors and sentiment",
        set="rt2k",
        rows={
            "none": Row(published=67.26, settings=BASIC | {"model.norm": "none"}, vectors="none"),
            "a document": Row(published=63.52, settings=BASIC | {"model.norm": "document"}, vectors="none"),
            "a token": Row(published=69.85, settings=BASIC | {"model.norm": "token"}, vectors="none"),
            "a feature over all tokens": Row(published=82.61, settings=BASIC, vectors="none"),
        },
    ),
    3: Table(
        title="Convolution, without vectors and sentiment",
        set="rt2k",
        rows={
            "full": Row(
                published=81.96, settings=BASIC, vectors="none", same_as=(2, "a feature over all tokens")
            ),
            "depth-wise": Row(
                published=76.38, settings=BASIC | {"model.convolution": "depthwise"}, vectors="none"
            ),
        },
    ),
    4: Table(
        title="Injected vectors, without sentiment; in print those of DeBERTa-v3, here those of MiniLM",
        set="rt2k",
        rows={
            "none": Row(
                published=81.96, settings=BASIC, vectors="none", same_as=(2, "a feature over all tokens")
            ),
            "UMAP": Row(published=84.04, settings=WITHOUT_SENTIMENT, same_as=(5, "nowhere")),
            "PCA": Row(settings=WITHOUT_SENTIMENT, vectors="pca"),
            "of the training texts": Row(settings=WITHOUT_SENTIMENT, vectors="own"),
            "of plain English": Row(settings=WITHOUT_SENTIMENT, vectors="english"),
            "random": Row(settings=WITHOUT_SENTIMENT, vectors="random"),
        },
    ),
    5: Table(
        title="Where polarity and subjectivity enter (linear type 1)",
        set="rt2k",
        rows={
            "nowhere": Row(published=83.30, settings=WITHOUT_SENTIMENT),
            "1": Row(published=84.36, settings=_positions(1)),
            "2": Row(published=85.15, settings=_positions(2)),
            "3": Row(published=82.38, settings=_positions(3)),
            "1, 2": Row(published=85.00, settings=_positions(1, 2)),
            "1, 3": Row(published=84.18, settings=_positions(1, 3)),
            "2, 3": Row(published=85.78, settings=_positions(2, 3)),
            "1, 2, 3": Row(published=85.53, settings=_positions(1, 2, 3)),
        },
    ),
    6: Table(
        title="The layer through which they enter, positions 2 and 3",
        set="rt2k",
        rows={
            "none": Row(published=84.04, settings=WITHOUT_SENTIMENT, same_as=(5, "nowhere")),
            "linear type 1": Row(published=85.78, settings=_positions(2, 3), same_as=(5, "2, 3")),
            "linear type 2": Row(published=85.24, settings=_positions(2, 3) | {"model.sentiment": "linear2"}),
            "convolution": Row(published=86.71, settings=_positions(2, 3) | {"model.sentiment": "conv"}),
        },
    ),
    7: Table(
        title="Edges sampled by frequency",
        set="imdb",
        rows={
            "all edges": Row(published=90.9),
            "half of them": Row(published=90.89, settings={"model.edge_sampling": "sigmoid"}),
        },
    ),
    10: Table(title="AG News", set="ag_news", rows={"final model": Row(published=93.08)}),
    11: Table(title="IMDB", set="imdb", rows={"final model": Row(published=90.62)}),
    12: Table(title="RT-2K, ten folds", set="rt2k", rows={"final model": Row(published=87.13)}),
}


def run_of(table: int, row: str) -> tuple[int, str]:
    """Table and row whose run serves a row: itself, but for rows that stand in more than one table."""
    return TABLES[table].rows[row].same_as or (table, row)


def settings_of(row: Row, name: str, *, epochs: int | None, seed: int) -> Config:
    """The settings of a row: those of the preset `paper` with what the row changes.

    Args:
        row: The row.
        name: Of the data set.
        epochs: Length of the schedule, in batches of 32; None takes the published 70 and the set's published batches.
        seed: Of everything random.
    """
    config = preset("paper").with_settings(row.settings | {"train.seed": seed})
    if epochs is not None:
        return config.with_settings({"train.epochs": epochs, "train.batch_size": SHORT_BATCH})
    return config.with_settings({"train.batch_size": PUBLISHED_BATCH.get(name, config.train.batch_size)})


def run_row(
    row: Row, data: Dataset, config: Config, *, model: Path, cache: Path, folder: str | None = None
) -> dict[str, Any]:
    """Figures of one row on one data set.

    Args:
        row: The row.
        data: Rows.
        config: From `settings_of`.
        model: Folder of the language model whose tokens, and vectors, are read.
        cache: Folder where token tables are kept.
        folder: Of the data sets.
    """
    tokenizer = FileTokenizer((model / TOKENIZER).read_bytes())
    table = vectors_of(
        row.vectors,
        lexicon=bool(row.settings.get("model.sentiment_positions", True)),
        texts=data.train.texts,
        reader=TextReader(config=config.text, cut=tokenizer),
        model=model,
        cache=cache,
        data=folder,
    )
    figures = run_ours(data, config, token_table=table, tokenizer=tokenizer)
    return figures | {"token_table": None if table is None else table.record}


# The page.

PAGE_HEAD = """# The published model, here

<!-- Written by benchmarks/plot.py from benchmarks/results; run `make docs`. -->

Rows of the tables of arXiv 2507.07414 as they were printed, and as `benchmarks/run.py reproduce` measures them here:
the same layers with their defects mended (no text hears its neighbours, position 3 is wired, rows that choose are
neither test rows nor trained on), WordPiece tokens and vectors of all-MiniLM-L6-v2 where the paper has DeBERTa-v3's.
So differences between rows can be compared, accuracies cannot. Accuracy in per cent of the test rows with its 95 %
interval; differences to the first row in points, with the 95 % interval of a paired bootstrap over test rows.
"""
COLUMNS = ("row", "as published", "here", "to the first row", "training", "epochs")


def page(runs: list[dict[str, Any]]) -> str:
    """The page of all tables that were run."""
    parts = [PAGE_HEAD]
    for number, table in TABLES.items():
        served = {name: [run for run in runs if _place(run) == run_of(number, name)] for name in table.rows}
        for scale in sorted({_scale(run) for of_row in served.values() for run in of_row}):
            at_scale = {
                name: run for name, of_row in served.items() for run in of_row if _scale(run) == scale
            }
            rows = [_cells(name, row, at_scale, table) for name, row in table.rows.items()]
            parts += [f"## Table {number}: {table.title}\n", f"{scale}.\n", table_of(COLUMNS, rows), ""]
    if len(parts) == 1:
        parts.append("The measurements are being made.")
    return "\n".join(parts).rstrip() + "\n"


def _place(run: dict[str, Any]) -> tuple[int, str]:
    return run["key"]["table"], run["key"]["row"]


def _scale(run: dict[str, Any]) -> str:
    """On which rows, in words."""
    key = run["key"]
    fold = f", fold {key['fold'] + 1} of {NUM_FOLDS}" if key["fold"] is not None else ""
    return f"{key['set']}{fold}: {run['num_train']:,} rows to train, {run['num_test']:,} to test, seed {key['seed']}"


def _cells(name: str, row: Row, runs: dict[str, dict[str, Any]], table: Table) -> list[str]:
    published = NONE if row.published is None else f"{row.published:.2f}"
    first = next(iter(table.rows))
    if name not in runs:
        return [name, published, "not run", NONE, NONE, NONE]
    run, correct = runs[name], _correct(runs[name])
    error = 1.96 * 100 * correct[0].std() / np.sqrt(len(correct[0]))
    compared = name != first and first in runs
    return [
        name,
        published,
        f"{100 * correct[0].mean():.2f} ± {error:.2f}",
        interval_cell(difference(correct, _correct(runs[first]))) if compared else NONE,
        f"{run['train_seconds'] / 60:.0f} min",
        f"{run['record']['sum']['epoch']} of {run['config']['train']['epochs']}",
    ]


def _correct(run: dict[str, Any]) -> Correct:
    return {0: unpack(run["models"]["ours"]["correct"], run["num_test"]).astype(float)}
