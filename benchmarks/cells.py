"""Cells of tables in Markdown; runs put together: which test rows are right, and how two models differ on them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from records import unpack
from textlattice.baselines.linear import BASELINES
from textlattice.evaluation.significance import Interval

NONE = "–"
Correct = dict[int, np.ndarray]
"""Share of the seeds that are right on each test row, by fold (0 where a set has no folds)."""
Entry = dict[str, Any]


@dataclass(frozen=True)
class BestLinear:
    """The linear model that others are compared with.

    Args:
        name: Of the model, and on which rows it was trained if these are not all.
        correct: Which test rows it is right on.
        runs: Its runs; their costs are those of the training on all rows.
    """

    name: str
    correct: Correct
    runs: list[Entry]


def grouped(runs: Iterable[Entry], *but: str) -> list[list[Entry]]:
    """Runs whose keys differ in the named parts alone, in the order in which they come."""
    groups: dict[str, list[Entry]] = {}
    for run in runs:
        key = {name: part for name, part in run["key"].items() if name not in but}
        groups.setdefault(json.dumps(key, sort_keys=True), []).append(run)
    return list(groups.values())


def correctness(runs: Iterable[Entry], model: str) -> Correct:
    """How often each test row is right, over the seeds; folds without the model are left out."""
    by_fold: dict[int, list[np.ndarray]] = {}
    for run in runs:
        figures = run["models"].get(model)
        if figures is not None:
            bits = unpack(figures["correct"], run["num_test"])
            by_fold.setdefault(run["key"]["fold"] or 0, []).append(bits)
    return {fold: np.mean(parts, axis=0) for fold, parts in sorted(by_fold.items())}


def best_linear(runs: list[Entry], ours: Correct) -> BestLinear | None:
    """The linear model and training rows that are right most often on the folds of ours."""
    best: BestLinear | None = None
    for variant in BASELINES:
        of_name = [run for run in runs if run["key"]["variant"] == variant]
        for model, name in (("all_rows", variant), ("fit_rows", f"{variant} (fit rows)")):
            correct = correctness(of_name, model)
            if not set(ours) <= set(correct):
                continue
            correct = {fold: correct[fold] for fold in ours}
            if best is None or share_right(correct) > share_right(best.correct):
                best = BestLinear(name, correct, of_name)
    return best


def share_right(correct: Correct) -> float:
    """Accuracy over all folds, in [0, 1]."""
    return float(np.concatenate(list(correct.values())).mean())


def difference(ours: Correct, other: Correct, *, num_samples: int = 10_000) -> Interval:
    """Ours minus the other in points over their common folds, with its 95% paired bootstrap interval."""
    folds = sorted(set(ours) & set(other))
    gains = np.concatenate([ours[fold] - other[fold] for fold in folds])
    # Rows of one gain are alike, so drawing rows with replacement is one multinomial draw over the gains.
    values, counts = np.unique(np.round(gains, 9), return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(gains), counts / len(gains), size=num_samples)
    low, high = np.quantile(100 * (drawn @ values) / len(gains), [0.025, 0.975])
    return Interval(difference=float(100 * gains.mean()), low=float(low), high=float(high))


def interval_cell(interval: Interval) -> str:
    """A difference and its interval, in points."""
    return f"{interval.difference:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"


def accuracy_cell(correct: Correct) -> str:
    """Accuracy in per cent and half of its 95 % interval over test rows."""
    rows = np.concatenate(list(correct.values()))
    return f"{100 * rows.mean():.2f} ± {1.96 * 100 * rows.std() / np.sqrt(len(rows)):.2f}"


def sizes_cell(stored: float | None, active: float | None) -> str:
    """Parameters stored and active, in millions."""
    return " / ".join(NONE if number is None else f"{number / 1e6:.2f} M" for number in (stored, active))


def table_of(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    columns = list(columns)
    lines = ["| " + " | ".join(cells) + " |" for cells in [columns, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(columns), *lines[1:]])
