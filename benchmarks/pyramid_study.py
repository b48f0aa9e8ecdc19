"""The pyramid without its parts and beside other networks, over one language model, on a part of a data set."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from accuracy import judge, run_ours
from cells import NONE, Correct, difference, interval_cell, table_of
from neural import NETWORKS, Parts, Probabilities, frozen_regression, train_network
from records import unpack
from sets import Dataset
from textlattice.baselines.answering import answering_baseline
from textlattice.baselines.compare import selection_slices
from textlattice.config import Config, preset
from textlattice.encoders.language_model import LanguageModelEncoder, open_encoder
from textlattice.encoders.state_cache import StateCache
from textlattice.task import Task
from textlattice.text.document import TextReader
from textlattice.training.labels import task_of
from vectors import table_of as vectors_of

SAME_TOKENS = 256
"""Tokens that a fine-tuned language model reads, and one frozen row beside it."""


@dataclass(frozen=True, kw_only=True)
class Ours:
    """A row that `fit` trains.

    Args:
        settings: What it changes in the preset.
        preset: Which.
        reads: What the network reads: states of the language model, its input vectors by PCA, or the text alone.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    preset: str = "pyramid"
    reads: Literal["states", "table", "text"] = "states"


OURS = {
    "pyramid": Ours(),
    "one scale": Ours(settings={"model.num_scales": 1}),
    "two scales": Ours(settings={"model.num_scales": 2}),
    "no top-down path": Ours(settings={"model.top_down": "none"}),
    "top-down by a gate": Ours(settings={"model.top_down": "gate"}),
    "sentences as largest units": Ours(settings={"model.units": "sentences"}),
    "no tree edges": Ours(settings={"model.edges": ["adjacent", "similar"]}),
    "no similarity edges": Ours(settings={"model.edges": ["adjacent", "tree"]}),
    "no graph": Ours(settings={"model.num_layers": 0}),
    "one scale, no graph": Ours(settings={"model.num_scales": 1, "model.num_layers": 0}),
    "pyramid, 64 channels": Ours(settings={"model.channels": 64}),
    "pyramid, 256 channels": Ours(settings={"model.channels": 256}),
    "pyramid over a token table": Ours(settings={"model.encoder": "table"}, reads="table"),
    "pyramid over our own encoder": Ours(reads="text"),
    "base": Ours(preset="base", reads="text"),
}
LINEAR = ("majority", "tfidf_lr")
FROZEN = {"frozen MiniLM + LR": None, f"frozen MiniLM + LR, {SAME_TOKENS} tokens": SAME_TOKENS}
ROWS = (*OURS, *LINEAR, *NETWORKS, *FROZEN)
"""Names of all rows; the first is what the others are compared with."""


def run_row(
    name: str, data: Dataset, *, seed: int, threads: int, model: Path, cache: Path, states_gb: float
) -> dict[str, Any]:
    """Figures of one row.

    Args:
        name: One of `ROWS`.
        data: Rows.
        seed: Of everything random.
        threads: Of PyTorch; 0 leaves its own choice.
        model: Folder of the language model.
        cache: Folder of token tables and states.
        states_gb: Gigabytes of states at most.
    """
    states = StateCache(cache / "states", int(states_gb * 1e9))
    if name in OURS:
        row = OURS[name]
        settings = row.settings | {"train.seed": seed, "train.threads": threads}
        config = preset(row.preset).with_settings(settings)
        return run_ours(data, config, **_inputs(row, data, config, model=model, cache=cache, states=states))
    task = task_of(data.train.labels, data.task, data.label_order)
    start = time.perf_counter()
    probabilities = _baseline(name, data, task, seed, lambda: _encoder(model, 1, states))
    train_seconds = time.perf_counter() - start
    return {
        "num_train": len(data.train.texts),
        "num_test": len(data.test.texts),
        "train_seconds": round(train_seconds, 2),
        "models": {"ours": judge(task, probabilities(data.test.texts), data.test.labels)},
    }


def _encoder(model: Path, num_layers: int, states: StateCache) -> LanguageModelEncoder:
    return open_encoder(model, model.name, num_layers=num_layers, cache=states)


def _inputs(
    row: Ours, data: Dataset, config: Config, *, model: Path, cache: Path, states: StateCache
) -> dict[str, Any]:
    """What else `fit` takes."""
    if row.reads == "states":
        return {"encoder": _encoder(model, config.model.num_states, states)}  # type: ignore[union-attr]
    if row.reads == "text":
        return {}
    reader = TextReader(config=config.text)
    table = vectors_of(
        "pca", lexicon=False, texts=data.train.texts, reader=reader, model=model, cache=cache / "tables"
    )
    return {"token_table": table}


def _baseline(
    name: str, data: Dataset, task: Task, seed: int, encoder: Callable[[], LanguageModelEncoder]
) -> Probabilities:
    if name in LINEAR:
        return answering_baseline(name, task, data.train.texts, data.train.labels, seed=seed)[0]
    config = Config().with_settings({"train.seed": seed})
    targets = task.targets(data.train.labels)
    fit_rows, selection, more = selection_slices(data.train.texts, data.train.labels, config)
    fit_rows = np.concatenate([fit_rows, more])
    parts = Parts(
        fit_texts=[data.train.texts[row] for row in fit_rows],
        fit_targets=targets[fit_rows],
        selection_texts=[data.train.texts[row] for row in selection],
        selection_targets=targets[selection],
        num_labels=len(task.labels),
    )
    if name in NETWORKS:
        return train_network(name, parts, TextReader(config=config.text), seed=seed)
    read = encoder()
    reader = TextReader(config=config.text, cut=read.tokenizer)
    return frozen_regression(parts, read, reader, most_tokens=FROZEN[name])


# The page.

PAGE_HEAD = """# The pyramid without its parts, and beside others

<!-- Written by benchmarks/plot.py from benchmarks/results; run `make docs`. -->

`benchmarks/run.py pyramid`: the second family, after arXiv 2511.05752, over two layers of all-MiniLM-L6-v2, on a part
of a data set. Accuracy, macro F1, precision, recall and AUC in per cent of the test rows, calibration error; means over
seeds. Differences to the pyramid in points of accuracy, with the 95 % interval of a paired bootstrap over test rows.
Rows of ours hold the wide branch; what the network says alone stands beside. The others chose epoch or penalty on a
slice of the training rows.
"""
COLUMNS = (
    *("row", "seeds", "accuracy", "to the pyramid", "network alone", "macro F1", "precision", "recall"),
    *("AUC", "ece", "training"),
)


def page(runs: list[dict[str, Any]]) -> str:
    """The page of all rows that were run."""
    parts = [PAGE_HEAD]
    for name, limit in sorted({(run["key"]["set"], run["key"]["limit"]) for run in runs}):
        of_set = [run for run in runs if (run["key"]["set"], run["key"]["limit"]) == (name, limit)]
        sizes = f"{of_set[0]['num_train']:,} rows to train, {of_set[0]['num_test']:,} to test"
        measured = {run["key"]["row"] for run in of_set}
        rows = [_cells(row, of_set) for row in ROWS if row in measured]
        parts += [f"## {name}\n", f"{sizes}.\n", table_of(COLUMNS, rows), ""]
    if len(parts) == 1:
        parts.append("The measurements are being made.")
    return "\n".join(parts).rstrip() + "\n"


def _cells(name: str, runs: list[dict[str, Any]]) -> list[str]:
    own = {run["key"]["seed"]: run for run in runs if run["key"]["row"] == name}
    first = {run["key"]["seed"]: run for run in runs if run["key"]["row"] == ROWS[0]}
    seeds = sorted(set(own) & set(first))
    models = [run["models"]["ours"] for run in own.values()]
    alone = [run["models"]["deep"]["accuracy"] for run in own.values() if run["models"].get("deep")]

    def mean(figure: str, scale: float = 100, form: str = ".2f") -> str:
        values = [model.get(figure) for model in models]
        return NONE if None in values else f"{scale * np.mean(values):{form}}"

    compared = name != ROWS[0] and seeds
    return [
        name,
        str(len(own)),
        mean("accuracy"),
        interval_cell(difference(_correct(own, seeds), _correct(first, seeds))) if compared else NONE,
        f"{100 * np.mean(alone):.2f}" if alone else NONE,
        *(mean(figure) for figure in ("macro_f1", "macro_precision", "macro_recall", "macro_auc")),
        mean("ece", scale=1, form=".4f"),
        f"{np.mean([run['train_seconds'] for run in own.values()]) / 60:.1f} min",
    ]


def _correct(runs: dict[int, dict[str, Any]], seeds: list[int]) -> Correct:
    return {
        0: np.mean(
            [unpack(runs[seed]["models"]["ours"]["correct"], runs[seed]["num_test"]) for seed in seeds], 0
        )
    }
