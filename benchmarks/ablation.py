"""What ingredients of the published model do in the product: one at a time, judged by held-out training rows.

No test row is read, so that what is kept is not chosen by test.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from accuracy import run_ours
from cells import NONE, Correct, difference, interval_cell, table_of
from records import unpack
from sets import Dataset, Part
from textlattice.config import Config
from textlattice.text.document import TextReader
from vectors import Vectors
from vectors import table_of as vectors_of

KEPT = ("config", "threads", "train_seconds", "num_train", "num_test", "record", "models")
"""Figures of a run that the result keeps."""


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """What is added to the product, or taken away.

    Args:
        settings: What it changes in the preset.
        vectors: Which token vectors are read beside the words.
        lexicon: Whether polarity and subjectivity are.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    vectors: Vectors = "none"
    lexicon: bool = False


INGREDIENTS = {
    "none": Ingredient(),
    "random vectors": Ingredient(vectors="random"),
    "vectors of the training texts": Ingredient(vectors="own"),
    "vectors of plain English": Ingredient(vectors="english"),
    "vectors of MiniLM, PCA": Ingredient(vectors="pca"),
    "vectors of MiniLM, UMAP": Ingredient(vectors="umap"),
    "polarity and subjectivity": Ingredient(lexicon=True),
    "without kept edges": Ingredient(settings={"graph.num_kept_edges": 0}),
    "without random edges": Ingredient(settings={"graph.num_random_edges": [0, 0]}),
    "without either": Ingredient(settings={"graph.num_kept_edges": 0, "graph.num_random_edges": [0, 0]}),
    "without attention": Ingredient(settings={"model.graph_attention": False}),
}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How the training rows of a set are parted.

    Args:
        num_fit: Rows to train on.
        num_judged: Rows to judge by.
        by_block: Whether the latter are the last of each label in the order of the file, where neighbours are alike.
    """

    num_fit: int
    num_judged: int
    by_block: bool = False


ROWS = {
    "imdb": Rows(num_fit=10_000, num_judged=7_500, by_block=True),
    "ag_news": Rows(num_fit=20_000, num_judged=15_000),
}


def held_out(data: Dataset) -> Dataset:
    """Rows to train on and rows to judge by, all of them training rows; the same every time."""
    rows, total = ROWS[data.name], len(data.train.texts)
    order = np.random.default_rng(0).permutation(total)
    judged = order[: rows.num_judged]
    if rows.by_block:
        labels = np.array(data.train.labels)
        share = rows.num_judged / total
        places = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        judged = np.concatenate([place[len(place) - round(share * len(place)) :] for place in places])
    others = order[~np.isin(order, judged)]
    return Dataset(
        name=data.name, train=_taken(data.train, others[: rows.num_fit]), test=data.train.take(judged)
    )


def _taken(part: Part, rows: np.ndarray) -> Part:
    return part.take(np.sort(rows))


def run_ingredient(
    ingredient: Ingredient,
    data: Dataset,
    config: Config,
    *,
    model: Path,
    cache: Path,
    folder: str | None = None,
) -> dict[str, Any]:
    """Figures of one ingredient on rows of `held_out`.

    Args:
        ingredient: What is changed.
        data: Rows to train on and rows to judge by.
        config: Settings without it.
        model: Folder of the language model whose vectors are read.
        cache: Folder where token tables are kept.
        folder: Of the data sets.
    """
    config = config.with_settings(ingredient.settings)
    table = vectors_of(
        ingredient.vectors,
        lexicon=ingredient.lexicon,
        texts=data.train.texts,
        reader=TextReader(config=config.text),
        model=model,
        cache=cache,
        data=folder,
    )
    figures = run_ours(data, config, token_table=table)
    return {name: figures[name] for name in KEPT} | {"token_table": None if table is None else table.record}


# The page.

PAGE_HEAD = """# Ingredients of the published model, in ours

<!-- Written by benchmarks/plot.py from benchmarks/results; run `make docs`. -->

What one ingredient of arXiv 2507.07414 changes in the preset `base`, added if `base` lacks it, else taken away
(`benchmarks/run.py ablation`). Trained on a part of the training rows and judged by another: of IMDB the last 30 % of
each label, whose films are others; of AG News random ones. Means over seeds, with their standard deviation; the
difference to `none` in points, with the 95 % interval of a paired bootstrap over the judged rows.
"""
COLUMNS = ("changed", "seeds", "accuracy", "difference", "log loss", "network alone", "training")


def page(runs: list[dict[str, Any]]) -> str:
    """The page of all ingredients that were measured."""
    parts = [PAGE_HEAD]
    for name in ROWS:
        of_set = [run for run in runs if run["key"]["set"] == name]
        if not of_set:
            continue
        measured = {run["key"]["ingredient"] for run in of_set}
        rows = [_cells(ingredient, of_set) for ingredient in sorted(measured, key=_place)]
        sizes = f"{of_set[0]['num_train']:,} rows to train on, {of_set[0]['num_test']:,} to judge by"
        parts += [f"## {name}\n", f"{sizes}.\n", table_of(COLUMNS, rows), ""]
    if len(parts) == 1:
        parts.append("The measurements are being made.")
    return "\n".join(parts).rstrip() + "\n"


def _place(ingredient: str) -> tuple[int, str]:
    """Where a row stands; what was tried and left out of the product stands last."""
    names = list(INGREDIENTS)
    return (names.index(ingredient) if ingredient in names else len(names)), ingredient


def _cells(name: str, runs: list[dict[str, Any]]) -> list[str]:
    own = {run["key"]["seed"]: run for run in runs if run["key"]["ingredient"] == name}
    base = {run["key"]["seed"]: run for run in runs if run["key"]["ingredient"] == "none"}
    seeds = sorted(set(own) & set(base))
    judged = [run["models"]["ours"] for run in own.values()]
    alone = [run["models"]["deep"] for run in own.values() if run["models"]["deep"]]
    compared = name != "none" and seeds
    commit = next(iter(own.values())).get("commit") or ""
    return [
        name if name in INGREDIENTS else f"{name} (tried at {commit[:7]}, left out)",
        str(len(own)),
        _spread([100 * model["accuracy"] for model in judged], "{:.2f}"),
        interval_cell(difference(_correct(own, seeds), _correct(base, seeds))) if compared else NONE,
        _spread([model["log_loss"] for model in judged], "{:.4f}"),
        _spread([100 * model["accuracy"] for model in alone], "{:.2f}") if alone else NONE,
        f"{np.mean([run['train_seconds'] for run in own.values()]) / 60:.1f} min",
    ]


def _correct(runs: dict[int, dict[str, Any]], seeds: list[int]) -> Correct:
    """Share of these seeds that are right on each judged row."""
    right = [unpack(runs[seed]["models"]["ours"]["correct"], runs[seed]["num_test"]) for seed in seeds]
    return {0: np.mean(right, 0)}


def _spread(values: list[float], form: str) -> str:
    mean = form.format(np.mean(values))
    return f"{mean} ± {form.format(np.std(values, ddof=1))}" if len(values) > 1 else mean
