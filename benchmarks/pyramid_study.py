"""The pyramid without its parts and beside other networks, over one language model, on a part of a data set."""

import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from accuracy import MARGINS, NO_PROBABILITIES, judge, judge_ours, train_ours
from cells import NONE, Correct, Entry, correctness, difference, interval_cell, table_of
from neural import BATCH, NETWORKS, Learned, Parts, fine_tuned, over_frozen_states, train_network
from records import unpack
from sets import Dataset, thinned_labels, uneven
from textlattice.baselines.answering import answering_baseline
from textlattice.baselines.compare import selection_slices
from textlattice.baselines.linear import BASELINES
from textlattice.config import Config, PyramidConfig, TextConfig
from textlattice.encoders.language_model import LanguageModelEncoder, open_encoder
from textlattice.encoders.state_cache import StateCache
from textlattice.presets import preset
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
        read_seconds: What reading training texts took, before trainings that find the states.
    """

    folder: Path
    cache: Path
    states_gb: float
    opened: list[LanguageModelEncoder] = field(default_factory=list)
    read_seconds: list[float] = field(default_factory=list)

    def encoder(self, num_layers: int) -> LanguageModelEncoder:
        """Gives the states of so many layers, and keeps them."""
        states = StateCache(self.cache / "states", int(self.states_gb * 1e9))
        self.opened.append(open_encoder(self.folder, self.folder.name, num_layers=num_layers, cache=states))
        return self.opened[-1]

    def read(self, texts: Sequence[str], encoder: LanguageModelEncoder, config: TextConfig) -> None:
        """Reads texts of which no states are kept yet, and notes the time."""
        start, reader = time.perf_counter(), TextReader(config=config, cut=encoder.tokenizer)
        for place in range(0, len(texts), BATCH):
            encoder.states([reader.read(text) for text in texts[place : place + BATCH]])
        self.read_seconds.append(time.perf_counter() - start)

    def keep_no_more(self) -> None:
        """From now on states are made anew each time: for texts that come once."""
        for encoder in self.opened:
            encoder.cache = None


PYRAMID, ALL_PARTS = "pyramid", "pyramid-graph"
"""The presets: what was found to pay, and the published system with all that it has."""
TOP_DOWN: dict[str, Any] = {"model.top_down": "sum"}
GRAPH: dict[str, Any] = {"model.num_layers": 2}
ABLATIONS = {
    ALL_PARTS: Ours(preset=ALL_PARTS),
    "one scale": Ours(preset=ALL_PARTS, settings={"model.num_scales": 1}),
    "two scales": Ours(preset=ALL_PARTS, settings={"model.num_scales": 2}),
    "graph, no top-down path": Ours(settings=GRAPH),
    "top-down by a gate": Ours(preset=ALL_PARTS, settings={"model.top_down": "gate"}),
    "sentences as largest units": Ours(preset=ALL_PARTS, settings={"model.units": "sentences"}),
    "no tree edges": Ours(preset=ALL_PARTS, settings={"model.edges": ["adjacent", "similar"]}),
    "no similarity edges": Ours(preset=ALL_PARTS, settings={"model.edges": ["adjacent", "tree"]}),
    "top-down path, no graph": Ours(settings=TOP_DOWN),
    "small-world edges too": Ours(
        preset=ALL_PARTS, settings={"model.edges": ["adjacent", "tree", "similar", "small_world"]}
    ),
    "a document node too": Ours(
        preset=ALL_PARTS, settings={"model.edges": ["adjacent", "tree", "similar", "document"]}
    ),
}
ONE_SCALE = "pyramid, one scale"
SENSITIVITY = {
    ONE_SCALE: Ours(settings={"model.num_scales": 1}),
    "pyramid, two scales": Ours(settings={"model.num_scales": 2}),
    "pyramid, three scales": Ours(settings={"model.num_scales": 3}),
    "pyramid, six scales": Ours(settings={"model.num_scales": 6}),
    "pyramid, sentences as largest units": Ours(settings={"model.units": "sentences"}),
    "pyramid, 64 channels": Ours(settings={"model.channels": 64}),
    "pyramid, 256 channels": Ours(settings={"model.channels": 256}),
    "pyramid, half the learning rate": Ours(settings={"train.learning_rate": 1e-3}),
    "pyramid, twice the learning rate": Ours(settings={"train.learning_rate": 4e-3}),
    "pyramid, four passes": Ours(settings={"train.epochs": 4}),
    "pyramid, one layer of the language model": Ours(settings={"model.num_states": 1}),
    "pyramid, four layers of the language model": Ours(settings={"model.num_states": 4}),
    "graph of one layer": Ours(settings={"model.num_layers": 1}),
    "graph of three layers": Ours(settings={"model.num_layers": 3}),
    "graph, two similar units": Ours(settings=GRAPH | {"model.num_similar": 2}),
    "graph, eight similar units": Ours(settings=GRAPH | {"model.num_similar": 8}),
}
WEIGHED = {
    "pyramid, balanced weights": Ours(settings={"train.class_weight": "balanced"}),
    "pyramid, focal loss": Ours(settings={"train.focal": 2}),
}
"""What helps against uneven classes."""
TUNED = {"train.tune_bfloat16": True}
NOISE, FOLD = {"train.noise": 0.3}, {"text.fold_confusables": True}
BOTH = NOISE | FOLD
OTHERS = {
    "pyramid over a token table": Ours(settings={"model.encoder": "table"}, reads="table"),
    "pyramid over our own encoder": Ours(reads="text"),
    "pyramid-graph over our own encoder": Ours(preset=ALL_PARTS, reads="text"),
    "our own encoder, graph, no top-down path": Ours(reads="text", settings=GRAPH),
    "our own encoder, top-down path, no graph": Ours(reads="text", settings=TOP_DOWN),
    "pyramid, noise in training, confusables folded": Ours(settings=BOTH),
    "pyramid, language model tuned by LoRA": Ours(settings=TUNED | {"train.tune": "lora"}),
    "pyramid, language model tuned whole": Ours(settings=TUNED | {"train.tune": "full"}),
    "pyramid without n-grams": Ours(settings={"train.wide": "none"}),
    "base": Ours(preset="base", reads="text"),
}
OURS = {PYRAMID: Ours(), **ABLATIONS, **SENSITIVITY, **WEIGHED, **OTHERS}
LINEAR = ("majority", "tfidf_lr", "tfidf_svm", "nb_ngrams")
FROZEN: dict[str, dict[str, Any]] = {
    "frozen MiniLM + LR": {},
    f"frozen MiniLM + LR, {SAME_TOKENS} tokens": {"most_tokens": SAME_TOKENS},
    "frozen MiniLM + perceptron": {"hidden": 128},
}
"""What `over_frozen_states` takes."""
FINE_TUNED = f"fine-tuned MiniLM, {SAME_TOKENS} tokens"
_EACH_RATIO = {
    f"{name}, classes 1:{ratio}": (name, ratio) for name in (PYRAMID, "tfidf_lr") for ratio in (2, 5, 10)
}
UNEVEN = _EACH_RATIO | {f"{name}, classes 1:10": (name, 10) for name in WEIGHED}
"""Rows trained on uneven classes: which row, and of how many rows of a thinned label one stays."""
GROUPS: dict[str, tuple[str, ...]] = {
    "ablations": (*ABLATIONS, ONE_SCALE, PYRAMID),
    "sensitivity": (PYRAMID, *SENSITIVITY, "graph, no top-down path"),
    "others": (PYRAMID, *OTHERS, *LINEAR, *NETWORKS, *FROZEN, FINE_TUNED),
    "imbalance": (PYRAMID, "tfidf_lr", *UNEVEN),
}
"""Names of rows that stand in one table; the first is the one that the others are compared with."""
HOME = {name: group for group, names in reversed(GROUPS.items()) for name in names if name != PYRAMID}
"""The table that a row is of; in later ones it stands for comparison, and these are shown with a row of their own."""
ROWS = tuple(dict.fromkeys(name for names in GROUPS.values() for name in names))
"""Names of all rows."""


def run_row(
    name: str,
    parts: Sequence[Dataset],
    *,
    seed: int,
    threads: int,
    model: Path,
    cache: Path,
    states_gb: float,
) -> list[dict[str, Any]]:
    """Figures of one row on the test rows of each part, trained once.

    With `thinned_recall`, the mean recall of the labels that uneven classes have less of.

    Args:
        name: One of `ROWS`.
        parts: The same rows to train on, with others to judge by.
        seed: Of everything random.
        threads: Of PyTorch; 0 leaves its own choice.
        model: Folder of the language model.
        cache: Folder of token tables and states.
        states_gb: Gigabytes of states at most.
    """
    assert all(data.train == parts[0].train for data in parts)
    thinned = thinned_labels(parts[0].train.labels)
    name, ratio = UNEVEN.get(name, (name, 1))
    train = uneven(parts[0].train, ratio)
    parts = [dataclasses.replace(data, train=train) for data in parts]
    source = LanguageModel(folder=model, cache=cache, states_gb=states_gb)
    all_figures = _figures(name, parts, seed=seed, threads=threads, source=source)
    for data, figures in zip(parts, all_figures, strict=True):
        judged = figures["models"]["ours"]
        correct = unpack(judged["correct"], len(data.test.labels))
        judged["thinned_recall"] = _mean_recall(correct, data.test.labels, thinned)
    return all_figures


def _mean_recall(correct: np.ndarray, labels: Sequence[Label], chosen: Sequence[Label]) -> float | None:
    """Mean recall of the chosen labels, of those that there are; None without any."""
    names = np.array(labels)
    found = [correct[names == label].mean() for label in chosen if label in labels]
    return float(np.mean(found)) if found else None


def _figures(
    name: str, parts: Sequence[Dataset], *, seed: int, threads: int, source: LanguageModel
) -> list[dict[str, Any]]:
    first = parts[0]
    if name in OURS:
        config = OURS[name].config(seed=seed, threads=threads)
        trained, seconds = train_ours(first, config, **inputs_of(OURS[name], first, config, source))
        read_seconds = round(sum(source.read_seconds), 2)
        return [judge_ours(trained, seconds, data) | {"read_seconds": read_seconds} for data in parts]
    task = task_of(first.train.labels, first.task, first.label_order)
    start = time.perf_counter()
    learned = baseline_of(name, first, task, seed, source)
    seconds = learned.former_seconds + time.perf_counter() - start - learned.read_seconds
    judged = [judge(task, learned.probabilities(data.test.texts), data.test.labels) for data in parts]
    return [
        {
            "num_train": len(data.train.texts),
            "num_test": len(data.test.texts),
            "threads": torch.get_num_threads(),
            "train_seconds": round(seconds, 2),
            "read_seconds": round(learned.read_seconds, 2),
            "chosen": learned.chosen,
            "models": {"ours": figures | NO_PROBABILITIES if name in MARGINS else figures},
        }
        for data, figures in zip(parts, judged, strict=True)
    ]


def inputs_of(row: Ours, data: Dataset, config: Config, source: LanguageModel) -> dict[str, Any]:
    """What else `fit` takes; states that a frozen language model will be asked for are read here."""
    if row.reads == "states":
        assert isinstance(config.model, PyramidConfig)
        encoder = source.encoder(config.model.num_states_read)
        if config.train.tune == "none":
            source.read(data.train.texts, encoder, config.text)
        return {"encoder": encoder}
    if row.reads == "text":
        return {}
    reader, tables = TextReader(config=config.text), source.cache / "tables"
    table = vectors_of(
        "pca", lexicon=False, texts=data.train.texts, reader=reader, model=source.folder, cache=tables
    )
    return {"token_table": table}


def baseline_of(name: str, data: Dataset, task: Task, seed: int, source: LanguageModel) -> Learned:
    """A model that is not ours, trained.

    A linear one, a network over words, a language model frozen under a regression or learning itself.
    """
    if name in BASELINES:
        answering = answering_baseline(name, task, data.train.texts, data.train.labels, seed=seed)
        return Learned(probabilities=answering[0])
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
    read = source.encoder(
        PyramidConfig().num_states
    )  # as the pyramid, so that both find the same states kept
    if name == FINE_TUNED:
        return fine_tuned(parts, read, most_tokens=SAME_TOKENS, seed=seed, folder=source.cache / "tuned")
    reader = TextReader(config=config.text, cut=read.tokenizer)
    return over_frozen_states(parts, read, reader, seed=seed, **FROZEN[name])


# The page.

PAGE_HEAD = """# The pyramid without its parts, and beside others

<!-- Written by benchmarks/plot.py from benchmarks/results; run `make docs`. -->

`benchmarks/run.py pyramid`: the second family, after arXiv 2511.05752, over two layers of all-MiniLM-L6-v2, on a part
of a data set. `pyramid-graph` has all of the parts that the paper's abstract names; it prints neither settings nor
data nor numbers, so details are ours and this is no reproduction. `pyramid` is what was found to pay: the units and
their readout, without the path from larger units back to smaller ones and without the graph. Accuracy, macro F1,
precision, recall and AUC in per cent of the test rows, calibration error; means over seeds, with the standard
deviation of accuracy over several of them (±). Differences to the first row of a table in points of accuracy, over the
seeds that both have, with the 95 % interval of a paired bootstrap over test rows. Rows of ours hold the wide branch of
n-grams; what the network says alone stands beside. A mean of states under a perceptron, with neither units nor
n-grams, is the row "frozen MiniLM + perceptron". With one scale tokens read the last layer, with several the first of
the two. Of 4,000 to 40,000 training rows ours learns from nine tenths and the networks of others from nineteen
twentieths, on the rest they choose; linear models and those over frozen states are fitted to all once their penalty is
chosen. The probabilities of others are as they come, those of ours are calibrated on a slice that ours does not train
on, which `ece` is to be read by. Networks over words (GRU, CNN, GCN, GAT) learn at one usual rate and dropout that
nobody tuned for them; of what is ours a learned scale of the graph's layers was added after test rows of IMDB had been
seen. Rows of pyramids with former readouts have been taken off (docs/experiments.md). Tables of *training rows alone*
are judged by further training rows, which nothing else has read: settings are chosen there. *Training* is the
wall-clock time, beside one or two other runs on two cores, without that for the states of a frozen language model,
which are read once and kept, so shares of time are rough; how long reading takes, where no other benchmark has read
them before, stands below the tables. With ≤ it was not told apart.
"""
COLUMNS = (
    *("row", "seeds", "accuracy", "±", "to the first row", "network alone"),
    *("macro F1", "precision", "recall", "AUC", "ece", "training"),
)
TITLES = {
    "ablations": "### All parts, without each, and with more\n",
    "sensitivity": "### Other sizes and rates, and the preset with a graph\n",
    "others": "### Over other encoders, and beside other models\n",
    "imbalance": """### Uneven classes

Of the labels in the second half of their sorted order, of an odd number the smaller one, one training row in so many
stays, chosen at random, so there are fewer rows too; test rows stay as they are. *Recall of the thinned* is the mean
recall of these labels.
""",
}


def page(runs: list[Entry]) -> str:
    """The page of all rows that were run."""
    parts = [PAGE_HEAD]
    for name, limit, held_out in sorted({_part_of(run) for run in runs}):
        of_set = [run for run in runs if _part_of(run) == (name, limit, held_out)]
        most = max(run["num_train"] for run in of_set)  # rows of uneven classes have fewer
        parts += [
            f"## {name}{', training rows alone' if held_out else ''}\n",
            f"{most:,} rows to train, {of_set[0]['num_test']:,} "
            f"{'further training rows to judge by' if held_out else 'to test'}.\n",
        ]
        reading = _longest_reading([run for run in runs if _part_of(run)[:2] == (name, limit)])
        parts += [*_goals(of_set, reading)]
        measured = {run["key"]["row"] for run in of_set}
        homes = {HOME.get(row) for row in measured}
        machines = len({machine_of(run) for run in of_set}) > 1
        for group, names in GROUPS.items():
            if group in homes:
                more = {"recall of the thinned": "thinned_recall"} if group == "imbalance" else {}
                columns = [*COLUMNS, *more, *(["machine"] if machines else [])]
                rows = [
                    [
                        *_cells(row, names[0], of_set, more.values()),
                        *([_machines(row, of_set)] if machines else []),
                    ]
                    for row in names
                    if row in measured
                ]
                parts += [TITLES[group], table_of(columns, rows), ""]
        parts += [*_reading(reading, machines)]
    if len(parts) == 1:
        parts.append("The measurements are being made.")
    return "\n".join(parts).rstrip() + "\n"


def _part_of(run: Entry) -> tuple[str, int, int]:
    """The rows that it was trained and judged on."""
    key = run["key"]
    return key["set"], key["limit"] or 0, key.get("held_out") or 0


def _goals(runs: list[Entry], reading: dict[str, float]) -> list[str]:
    """What the pyramid should reach, and whether it does, each line where its rows were run."""
    frozen = next(iter(FROZEN))
    own, base = "pyramid over our own encoder", "base"
    lines = [
        *_difference_line("The pyramid less the regression over frozen states", runs, PYRAMID, frozen),
        *_difference_line("The same, its network alone", runs, PYRAMID, frozen, model="deep"),
        *_difference_line("The pyramid less the fine-tuned language model", runs, PYRAMID, FINE_TUNED),
        *_difference_line("With our own encoder, less `base`", runs, own, base),
    ]
    lines += _gap_line(runs, frozen, reading)
    return [*lines, ""] if lines else []


def _gap_line(runs: list[Entry], frozen: str, reading: dict[str, float]) -> list[str]:
    """How much of the way from frozen to fine-tuned the pyramid goes, over the seeds that all three have."""
    by_name = {name: _by_seed(runs, name) for name in (PYRAMID, frozen, FINE_TUNED)}
    seeds = sorted(set.intersection(*map(set, by_name.values())))
    pyramid, low, high = (_mean_accuracy([found[seed] for seed in seeds]) for found in by_name.values())
    if pyramid is None or low is None or high is None or high <= low:
        return []
    alone = _mean_accuracy([by_name[PYRAMID][seed] for seed in seeds], "deep")
    of_gap = 100 / (high - low)
    without = "" if alone is None else f" (its network alone {of_gap * (alone - low):.0f} %)"
    return [
        f"- Of the gap of {high - low:.2f} points between frozen and fine-tuned, the pyramid closes "
        f"{of_gap * (pyramid - low):.0f} %{without}, in {_time_share(by_name, seeds, reading)} of the time that "
        f"fine-tuning takes ({len(seeds)} seed{'s' * (len(seeds) > 1)})."
    ]


def _mean_accuracy(runs: list[Entry], model: str = "ours") -> float | None:
    """In per cent; None without a run, or where one has no such model."""
    found = [run["models"].get(model) for run in runs]
    return 100 * float(np.mean([figures["accuracy"] for figures in found])) if found and all(found) else None


def _difference_line(
    words: str, runs: list[Entry], name: str, other: str, *, model: str = "ours"
) -> list[str]:
    own, theirs = _by_seed(runs, name), _by_seed(runs, other)
    seeds = sorted(set(own) & set(theirs))
    if not seeds or not all(own[seed]["models"].get(model) for seed in seeds):
        return []
    interval = difference(_correct(own, seeds, model), _correct(theirs, seeds))
    return [f"- {words}: {interval_cell(interval)}."]


def _time_share(by_name: dict[str, dict[Any, Entry]], seeds: list[Any], reading: dict[str, float]) -> str:
    """Training of the pyramid with the reading of states, over fine-tuning; nothing where these ran elsewhere."""
    pyramid, tuned = ([by_name[name][seed] for seed in seeds] for name in (PYRAMID, FINE_TUNED))
    machines = {machine_of(run) for run in [*pyramid, *tuned]}
    if len(machines) > 1:
        return "an unknown share (other machines)"
    read = reading[machines.pop()]
    seconds = sum(run["train_seconds"] + (read if "read_seconds" in run else 0.0) for run in pyramid)
    return f"{100 * seconds / sum(run['train_seconds'] for run in tuned):.0f} %"


def _longest_reading(runs: list[Entry]) -> dict[str, float]:
    """Seconds to read the states of the training rows by machine: whichever row came first read them, others a part.

    Rows that read other layers of the language model, or other tokens, do not count.
    """
    longest: dict[str, float] = {}
    for run in runs:
        row = run["key"]["row"]
        if (row in OURS and "model.num_states" in OURS[row].settings) or "most_tokens" in FROZEN.get(row, {}):
            continue
        where = machine_of(run)
        longest[where] = max(longest.get(where, 0.0), run.get("read_seconds", 0.0))
    return longest


def _reading(reading: dict[str, float], machines: bool) -> list[str]:
    """How long the states of the training rows took, on each machine where they were read."""
    return [
        f"The states of the training rows are read in {seconds / 60:.1f} min{f' ({where})' if machines else ''}.\n"
        for where, seconds in reading.items()
        if seconds
    ]


def machine_of(run: Entry) -> str:
    """Where it was run, in words."""
    machine = run.get("machine")
    return f"{machine['cpu']}, {machine['cores']} cores" if machine else ""


def _machines(name: str, runs: list[Entry]) -> str:
    return "; ".join(sorted({machine_of(run) for run in runs if run["key"]["row"] == name}))


def _by_seed(runs: list[Entry], name: str) -> dict[Any, Entry]:
    """Runs of a row by fold and seed."""
    return {
        (run["key"].get("fold") or 0, run["key"]["seed"]): run for run in runs if run["key"]["row"] == name
    }


def _cells(name: str, reference: str, runs: list[Entry], more: Iterable[str] = ()) -> list[str]:
    own, first = _by_seed(runs, name), _by_seed(runs, reference)
    seeds = sorted(set(own) & set(first))
    models = [run["models"]["ours"] for run in own.values()]
    alone = [run["models"]["deep"]["accuracy"] for run in own.values() if run["models"].get("deep")]

    def mean(figure: str, scale: float = 100, form: str = ".2f") -> str:
        values = [model.get(figure) for model in models]
        return NONE if None in values else f"{scale * np.mean(values):{form}}"

    compared = name != reference and seeds
    reads_states = name in FROZEN or (name in OURS and OURS[name].reads == "states")
    at_most = "≤ " if reads_states and not all("read_seconds" in run for run in own.values()) else ""
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
        f"{at_most}{np.mean([run['train_seconds'] for run in own.values()]) / 60:.1f} min",
        *(mean(figure) for figure in more),
    ]


def _correct(runs: dict[Any, Entry], seeds: list[Any], model: str = "ours") -> Correct:
    return correctness([runs[seed] for seed in seeds], model)
