"""The tables of the published CNN-GNN (arXiv 2507.07414), a row a run: as published beside here, defects mended."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from accuracy import run_ours
from cells import (
    NONE,
    Correct,
    Entry,
    accuracy_cell,
    best_linear,
    correctness,
    difference,
    grouped,
    interval_cell,
    share_right,
    sizes_cell,
    table_of,
)
from sets import NUM_FOLDS, Dataset
from textlattice.config import Config
from textlattice.presets import preset
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
FINAL = "final model"
"""The row of a table that has the complete model on one data set, and stands beside other models on the page."""
PUBLISHED_PARAMETERS = 1_314_732
"""Of the final model with four labels, as the authors' code prints it; with two 130 fewer. Token vectors aside."""
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
        mflops: Of a final model, of a mean text of the set, as the authors' code prints it (two a multiply-add).
    """

    title: str
    set: str
    rows: dict[str, Row]
    mflops: float | None = None


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
    10: Table(title="AG News", set="ag_news", rows={FINAL: Row(published=93.08)}, mflops=40.1),
    11: Table(title="IMDB", set="imdb", rows={FINAL: Row(published=90.62)}, mflops=240.9),
    12: Table(title="RT-2K, ten folds", set="rt2k", rows={FINAL: Row(published=87.13)}, mflops=679.6),
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
        lexicon=row.vectors
        != "none",  # a row that reads no scores leaves them out: all rows have the same vectors
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
interval; differences to the first row in points, with the 95 % interval of a paired bootstrap over test rows. Of a row
with several seeds accuracy is their mean, and the lowest and highest of them stand beside their number. All intervals
are over test rows of the trainings that were made, not over seeds: how far two trainings of the same row may differ is
unknown where there is one seed. *Flips*: tokens whose kept edges, cut hard as published, are others in double
precision.
"""
COLUMNS = ("row", "as published", "here, clean", "seeds", "to the first row", "training", "epochs", "flips")
BESIDE_COLUMNS = (
    *(
        "beside ours",
        "accuracy",
        "`paper` less it",
        "parameters (stored / active)",
        "MFLOPs a text",
        "training",
    ),
    "texts/s",
)
BESIDE_LEGEND = """Beside final models stand `base` and linear models of [the results](results.md), on the same test
rows, means over seeds. Parameters of `paper` hold its token vectors, those as published do not. The training of a
linear model is that on all rows, with the choice of its penalty. Minutes and texts a second are those of each run;
families side by side stand in [the results](results.md#speed).
"""


def page(runs: list[Entry], others: list[Entry]) -> str:
    """The page of all tables that were run.

    Args:
        runs: Of this benchmark.
        others: Of `base` as it stands and of linear models, on whole sets; final models stand beside them.
    """
    parts, legend = [PAGE_HEAD], ""
    for number, table in TABLES.items():
        places = {name: run_of(number, name) for name in table.rows}
        of_table = [run for run in runs if _place(run) in places.values()]
        for group in grouped(of_table, "table", "row", "fold", "seed"):
            by_row = {name: [run for run in group if _place(run) == place] for name, place in places.items()}
            rows = [_cells(name, row, by_row, table) for name, row in table.rows.items()]
            parts += [
                f"## Table {number}: {table.title}\n",
                f"{_scale(group)}.\n",
                table_of(COLUMNS, rows),
                "",
            ]
            key = group[0]["key"]
            if FINAL in table.rows and (key["set"], key["limit"]) == (table.set, None):
                of_set = [run for run in others if run["key"]["set"] == table.set]
                parts += [table_of(BESIDE_COLUMNS, _beside(table, group, of_set)), ""]
                legend = BESIDE_LEGEND
    if len(parts) == 1:
        parts.append("The measurements are being made.")
    return "\n".join([*parts, legend]).rstrip() + "\n"


def _place(run: Entry) -> tuple[int, str]:
    return run["key"]["table"], run["key"]["row"]


def _scale(group: list[Entry]) -> str:
    """On which rows and for how long, in words."""
    key, epochs = group[0]["key"], group[0]["config"]["train"]["epochs"]
    folds = sorted({fold for run in group if (fold := run["key"]["fold"]) is not None})
    fold = f", {len(folds)} of {NUM_FOLDS} folds" if folds else ""
    if len(folds) == 1:
        fold = f", fold {folds[0] + 1} of {NUM_FOLDS}"
    sizes = f"{group[0]['num_train']:,} rows to train, {group[0]['num_test']:,} to test"
    minutes = "" if key["max_minutes"] is None else f", {key['max_minutes']:g} minutes at most"
    return f"{key['set']}{fold}: {sizes}, {epochs} epoch{'s' if epochs > 1 else ''}{minutes}"


def _cells(name: str, row: Row, by_row: dict[str, list[Entry]], table: Table) -> list[str]:
    published = NONE if row.published is None else f"{row.published:.2f}"
    runs, first = by_row[name], by_row[next(iter(table.rows))]
    if not runs:
        return [name, published, "not run", *[NONE] * (len(COLUMNS) - 3)]
    correct, of_first = correctness(runs, "ours"), correctness(first, "ours")
    compared = runs is not first and set(correct) & set(of_first)
    epochs = sorted({run["record"]["sum"]["epoch"] for run in runs})
    flips = [run["record"]["flip_rate"] for run in runs if "flip_rate" in run["record"]]
    return [
        name,
        published,
        accuracy_cell(correct),
        _seeds_cell(runs),
        interval_cell(difference(correct, of_first)) if compared else NONE,
        f"{np.mean([run['train_seconds'] for run in runs]) / 60:.0f} min",
        f"{', '.join(map(str, epochs))} of {runs[0]['config']['train']['epochs']}",
        f"{100 * np.mean(flips):.3f} %" if flips else NONE,
    ]


def _seeds_cell(runs: list[Entry]) -> str:
    """How many seeds; of several also their lowest and highest accuracy."""
    accuracies = [100 * share_right(correctness(of_seed, "ours")) for of_seed in grouped(runs, "fold")]
    if len(accuracies) == 1:
        return "1"
    return f"{len(accuracies)} ({min(accuracies):.2f} to {max(accuracies):.2f})"


def _beside(table: Table, ours: list[Entry], others: list[Entry]) -> list[list[str]]:
    """Rows of the final model, of `base` and the best linear model on the same test rows, and as published."""
    correct = correctness(ours, "ours")
    full = [run for run in others if run["key"]["variant"] == "full"]
    base, linear = correctness(full, "ours"), best_linear(others, correct)
    if not set(correct) <= set(base):
        full, base = [], {}
    published = table.rows[FINAL].published
    return [
        ["`paper` here", accuracy_cell(correct), NONE, *_cost_cells(ours, correct)],
        ["`base`", *_compared(correct, base), *_cost_cells(full, correct)],
        [
            "best linear" if linear is None else f"best linear, {linear.name}",
            *_compared(correct, {} if linear is None else linear.correct),
            *_cost_cells([] if linear is None else linear.runs, correct),
        ],
        [
            "as published",
            NONE if published is None else f"{published:.2f}",
            NONE,
            sizes_cell(PUBLISHED_PARAMETERS, None),
            NONE if table.mflops is None else f"{table.mflops:,.0f}",
            NONE,
            NONE,
        ],
    ]


def _compared(ours: Correct, other: Correct) -> list[str]:
    """Accuracy of another model on the folds of ours, and ours less it; nothing where it was not run on them."""
    if not other:
        return [NONE, NONE]
    return [
        accuracy_cell({fold: other[fold] for fold in ours}),
        interval_cell(difference(ours, other)),
    ]


def _cost_cells(runs: list[Entry], folds: Correct) -> list[str]:
    """Parameters, arithmetic, time to train and texts a second, means over the runs on these folds."""
    runs = [run for run in runs if (run["key"]["fold"] or 0) in folds]

    def mean(figure: str) -> float | None:
        values = [run[figure] for run in runs if figure in run]
        return float(np.mean(values)) if values else None

    flops, seconds, speed = map(mean, ("mean_flops", "train_seconds", "predicted_docs_per_second"))
    return [
        sizes_cell(mean("parameters"), mean("active_parameters")) if runs else NONE,
        NONE if flops is None else f"{flops / 1e6:,.0f}",
        NONE if seconds is None else f"{(seconds + (mean('tune_seconds') or 0)) / 60:.1f} min",
        NONE if speed is None else f"{speed:,.0f}",
    ]
