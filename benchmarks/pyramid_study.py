"""The pyramid without its parts and beside other networks, over one language model, on a part of a data set."""

import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from accuracy import judge, run_ours
from cells import NONE, Correct, difference, interval_cell, table_of
from neural import NETWORKS, Parts, Probabilities, fine_tuned, frozen_regression, train_network
from records import unpack
from sets import Dataset, thinned_labels, uneven
from textlattice.baselines.answering import answering_baseline
from textlattice.baselines.compare import selection_slices
from textlattice.baselines.linear import BASELINES
from textlattice.config import Config, PyramidConfig, preset
from textlattice.encoders.language_model import LanguageModelEncoder, open_encoder
from textlattice.encoders.state_cache import StateCache
from textlattice.task import Label, Task
from textlattice.text.document import TextReader
from textlattice.training.labels import task_of
from vectors import table_of as vectors_of

SAME_TOKENS = 256
"""Tokens, special ones included, that a fine-tuned language model reads, and one frozen row beside it."""


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

    def config(self, *, seed: int, threads: int) -> Config:
        """Its settings."""
        return preset(self.preset).with_settings(
            self.settings | {"train.seed": seed, "train.threads": threads}
        )


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """The language model that some rows read.

    Args:
        folder: Of the model.
        cache: Folder of token tables and states.
        states_gb: Gigabytes of states at most.
        opened: What was opened of it so far.
    """

    folder: Path
    cache: Path
    states_gb: float
    opened: list[LanguageModelEncoder] = field(default_factory=list)

    def encoder(self, num_layers: int) -> LanguageModelEncoder:
        """Gives the states of so many layers, and keeps them."""
        states = StateCache(self.cache / "states", int(self.states_gb * 1e9))
        self.opened.append(open_encoder(self.folder, self.folder.name, num_layers=num_layers, cache=states))
        return self.opened[-1]

    def keep_no_more(self) -> None:
        """From now on states are made anew each time: for texts that come once."""
        for encoder in self.opened:
            encoder.cache = None


PYRAMID = "pyramid"
"""The row that all others are compared with."""
ABLATIONS = {
    "one scale": Ours(settings={"model.num_scales": 1}),
    "two scales": Ours(settings={"model.num_scales": 2}),
    "no top-down path": Ours(settings={"model.top_down": "none"}),
    "top-down by a gate": Ours(settings={"model.top_down": "gate"}),
    "sentences as largest units": Ours(settings={"model.units": "sentences"}),
    "no tree edges": Ours(settings={"model.edges": ["adjacent", "similar"]}),
    "no similarity edges": Ours(settings={"model.edges": ["adjacent", "tree"]}),
    "no graph": Ours(settings={"model.num_layers": 0}),
    "one scale, no graph": Ours(settings={"model.num_scales": 1, "model.num_layers": 0}),
    "small-world edges too": Ours(settings={"model.edges": ["adjacent", "tree", "similar", "small_world"]}),
    "a document node too": Ours(settings={"model.edges": ["adjacent", "tree", "similar", "document"]}),
}
SENSITIVITY = {
    "three scales": Ours(settings={"model.num_scales": 3}),
    "six scales": Ours(settings={"model.num_scales": 6}),
    "pyramid, 64 channels": Ours(settings={"model.channels": 64}),
    "pyramid, 256 channels": Ours(settings={"model.channels": 256}),
    "half the learning rate": Ours(settings={"train.learning_rate": 1e-3}),
    "twice the learning rate": Ours(settings={"train.learning_rate": 4e-3}),
    "two similar units": Ours(settings={"model.num_similar": 2}),
    "eight similar units": Ours(settings={"model.num_similar": 8}),
    "one layer of the graph": Ours(settings={"model.num_layers": 1}),
    "three layers of the graph": Ours(settings={"model.num_layers": 3}),
}
WEIGHED = {
    "pyramid, balanced weights": Ours(settings={"train.class_weight": "balanced"}),
    "pyramid, focal loss": Ours(settings={"train.focal": 2}),
}
"""What helps against uneven classes."""
TUNED = {"train.tune_bfloat16": True}
OTHERS = {
    "pyramid over a token table": Ours(settings={"model.encoder": "table"}, reads="table"),
    "pyramid over our own encoder": Ours(reads="text"),
    "pyramid, language model tuned by LoRA": Ours(settings=TUNED | {"train.tune": "lora"}),
    "pyramid, language model tuned whole": Ours(settings=TUNED | {"train.tune": "full"}),
    "base": Ours(preset="base", reads="text"),
}
OURS = {PYRAMID: Ours(), **ABLATIONS, **SENSITIVITY, **WEIGHED, **OTHERS}
LINEAR = ("majority", "tfidf_lr", "nb_ngrams")
FROZEN = {"frozen MiniLM + LR": None, f"frozen MiniLM + LR, {SAME_TOKENS} tokens": SAME_TOKENS}
FINE_TUNED = f"fine-tuned MiniLM, {SAME_TOKENS} tokens"
_EACH_RATIO = {
    f"{name}, classes 1:{ratio}": (name, ratio) for name in (PYRAMID, "tfidf_lr") for ratio in (2, 5, 10)
}
UNEVEN = _EACH_RATIO | {f"{name}, classes 1:10": (name, 10) for name in WEIGHED}
"""Rows trained on uneven classes: which row, and of how many rows of a thinned label one stays."""
GROUPS: dict[str, tuple[str, ...]] = {
    "ablations": (PYRAMID, *ABLATIONS),
    "sensitivity": (PYRAMID, "one scale", "two scales", *SENSITIVITY),
    "others": (PYRAMID, *OTHERS, *LINEAR, *NETWORKS, *FROZEN, FINE_TUNED),
    "imbalance": (PYRAMID, "tfidf_lr", *UNEVEN),
}
"""Names of rows that stand in one table."""
HOME = {name: group for group, names in reversed(GROUPS.items()) for name in names if name != PYRAMID}
"""The table that a row is of; in later ones it stands for comparison, and these are shown with a row of their own."""
ROWS = tuple(dict.fromkeys(name for names in GROUPS.values() for name in names))
"""Names of all rows."""


def run_row(
    name: str, data: Dataset, *, seed: int, threads: int, model: Path, cache: Path, states_gb: float
) -> dict[str, Any]:
    """Figures of one row, with `thinned_recall`, the mean recall of the labels that uneven classes have less of.

    Args:
        name: One of `ROWS`.
        data: Rows.
        seed: Of everything random.
        threads: Of PyTorch; 0 leaves its own choice.
        model: Folder of the language model.
        cache: Folder of token tables and states.
        states_gb: Gigabytes of states at most.
    """
    thinned = thinned_labels(data.train.labels)
    name, ratio = UNEVEN.get(name, (name, 1))
    data = dataclasses.replace(data, train=uneven(data.train, ratio))
    source = LanguageModel(folder=model, cache=cache, states_gb=states_gb)
    figures = _figures(name, data, seed=seed, threads=threads, source=source)
    judged = figures["models"]["ours"]
    correct = unpack(judged["correct"], len(data.test.labels))
    judged["thinned_recall"] = _mean_recall(correct, data.test.labels, thinned)
    return figures


def _mean_recall(correct: np.ndarray, labels: Sequence[Label], chosen: Sequence[Label]) -> float | None:
    """Mean recall of the chosen labels, of those that there are; None without any."""
    names = np.array(labels)
    found = [correct[names == label].mean() for label in chosen if label in labels]
    return float(np.mean(found)) if found else None


def _figures(name: str, data: Dataset, *, seed: int, threads: int, source: LanguageModel) -> dict[str, Any]:
    if name in OURS:
        config = OURS[name].config(seed=seed, threads=threads)
        return run_ours(data, config, **inputs_of(OURS[name], data, config, source))
    task = task_of(data.train.labels, data.task, data.label_order)
    start = time.perf_counter()
    probabilities, former_seconds = baseline_of(name, data, task, seed, source)
    train_seconds = former_seconds + time.perf_counter() - start
    return {
        "num_train": len(data.train.texts),
        "num_test": len(data.test.texts),
        "train_seconds": round(train_seconds, 2),
        "models": {"ours": judge(task, probabilities(data.test.texts), data.test.labels)},
    }


def inputs_of(row: Ours, data: Dataset, config: Config, source: LanguageModel) -> dict[str, Any]:
    """What else `fit` takes."""
    if row.reads == "states":
        return {"encoder": source.encoder(config.model.num_states)}  # type: ignore[union-attr]
    if row.reads == "text":
        return {}
    reader, tables = TextReader(config=config.text), source.cache / "tables"
    table = vectors_of(
        "pca", lexicon=False, texts=data.train.texts, reader=reader, model=source.folder, cache=tables
    )
    return {"token_table": table}


def baseline_of(
    name: str, data: Dataset, task: Task, seed: int, source: LanguageModel
) -> tuple[Probabilities, float]:
    """A model that is not ours, trained, and the seconds that a run before this one, which was cut, spent on it.

    A linear one, a network over words, a language model frozen under a regression or learning itself.
    """
    if name in BASELINES:
        return answering_baseline(name, task, data.train.texts, data.train.labels, seed=seed)[0], 0.0
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
        return train_network(name, parts, TextReader(config=config.text), seed=seed), 0.0
    read = source.encoder(
        PyramidConfig().num_states
    )  # as the pyramid, so that both find the same states kept
    if name == FINE_TUNED:
        return fine_tuned(parts, read, most_tokens=SAME_TOKENS, seed=seed, folder=source.cache / "tuned")
    reader = TextReader(config=config.text, cut=read.tokenizer)
    return frozen_regression(parts, read, reader, most_tokens=FROZEN[name]), 0.0


# The page.

PAGE_HEAD = """# The pyramid without its parts, and beside others

<!-- Written by benchmarks/plot.py from benchmarks/results; run `make docs`. -->

`benchmarks/run.py pyramid`: the second family, after arXiv 2511.05752, over two layers of all-MiniLM-L6-v2, on a part
of a data set. Accuracy, macro F1, precision, recall and AUC in per cent of the test rows, calibration error; means over
seeds, with the standard deviation of accuracy over several of them (±). Differences to the pyramid in points of
accuracy, with the 95 % interval of a paired bootstrap over test rows. Rows of ours hold the wide branch; what the
network says alone stands beside. The others chose epoch or penalty on a slice of the training rows; their probabilities
are as they come, those of ours are calibrated on a slice that ours does not train on, which `ece` is to be read by.
States of the frozen language model are kept between rows: the training of `pyramid` holds the time to read them, that
of the rows after it does not. A row whose language model learns reads all anew.
"""
COLUMNS = (
    *("row", "seeds", "accuracy", "±", "to the pyramid", "network alone", "macro F1", "precision", "recall"),
    *("AUC", "ece", "training"),
)
TITLES = {
    "ablations": "### Without its parts, and with more of them\n",
    "sensitivity": "### Other sizes and rates\n",
    "others": "### Over other encoders, and beside other models\n",
    "imbalance": """### Uneven classes

Of the labels in the second half of their sorted order, of an odd number the smaller one, one training row in so many
stays, chosen at random; test rows stay as they are. *Recall of the thinned* is the mean recall of these labels.
""",
}


def page(runs: list[dict[str, Any]]) -> str:
    """The page of all rows that were run."""
    parts = [PAGE_HEAD]
    for name, limit in sorted({(run["key"]["set"], run["key"]["limit"]) for run in runs}):
        of_set = [run for run in runs if (run["key"]["set"], run["key"]["limit"]) == (name, limit)]
        most = max(run["num_train"] for run in of_set)  # rows of uneven classes have fewer
        parts += [f"## {name}\n", f"{most:,} rows to train, {of_set[0]['num_test']:,} to test.\n"]
        measured = {run["key"]["row"] for run in of_set}
        homes = {HOME.get(row) for row in measured}
        for group, names in GROUPS.items():
            if group in homes:
                more = {"recall of the thinned": "thinned_recall"} if group == "imbalance" else {}
                rows = [_cells(row, of_set, more.values()) for row in names if row in measured]
                parts += [TITLES[group], table_of((*COLUMNS, *more), rows), ""]
    if len(parts) == 1:
        parts.append("The measurements are being made.")
    return "\n".join(parts).rstrip() + "\n"


def _cells(name: str, runs: list[dict[str, Any]], more: Iterable[str] = ()) -> list[str]:
    own = {run["key"]["seed"]: run for run in runs if run["key"]["row"] == name}
    first = {run["key"]["seed"]: run for run in runs if run["key"]["row"] == PYRAMID}
    seeds = sorted(set(own) & set(first))
    models = [run["models"]["ours"] for run in own.values()]
    alone = [run["models"]["deep"]["accuracy"] for run in own.values() if run["models"].get("deep")]

    def mean(figure: str, scale: float = 100, form: str = ".2f") -> str:
        values = [model.get(figure) for model in models]
        return NONE if None in values else f"{scale * np.mean(values):{form}}"

    compared = name != PYRAMID and seeds
    spread = 100 * np.std([model["accuracy"] for model in models], ddof=1) if len(models) > 1 else None
    return [
        name,
        str(len(own)),
        mean("accuracy"),
        NONE if spread is None else f"{spread:.2f}",
        interval_cell(difference(_correct(own, seeds), _correct(first, seeds))) if compared else NONE,
        f"{100 * np.mean(alone):.2f}" if alone else NONE,
        *(mean(figure) for figure in ("macro_f1", "macro_precision", "macro_recall", "macro_auc")),
        mean("ece", scale=1, form=".4f"),
        f"{np.mean([run['train_seconds'] for run in own.values()]) / 60:.1f} min",
        *(mean(figure) for figure in more),
    ]


def _correct(runs: dict[int, dict[str, Any]], seeds: list[int]) -> Correct:
    return {
        0: np.mean(
            [unpack(runs[seed]["models"]["ours"]["correct"], runs[seed]["num_test"]) for seed in seeds], 0
        )
    }
