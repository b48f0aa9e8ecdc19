"""Models under noise: curves by kind and strength, an attack, and what wrong training labels cost."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from accuracy import Telling, judge
from cells import NONE, table_of
from neural import Probabilities
from pyramid_study import FINE_TUNED, OURS, LanguageModel, Ours, baseline_of, inputs_of
from sets import Dataset, Part
from textlattice.stress.attack import attack
from textlattice.stress.curves import stress_curves
from textlattice.task import Label, Task
from textlattice.text.noise import FAMILIES
from textlattice.training.fit import fit
from textlattice.training.labels import task_of
from textlattice.training.save import predictor_of

NOISE, FOLD = {"train.noise": 0.3}, {"text.fold_confusables": True}
MODELS: dict[str, Ours | None] = {
    "base": OURS["base"],
    "base, noise in training": Ours(preset="base", reads="text", settings=NOISE),
    "base, confusables folded": Ours(preset="base", reads="text", settings=FOLD),
    "base, both": Ours(preset="base", reads="text", settings=NOISE | FOLD),
    "pyramid over our own encoder": OURS["pyramid over our own encoder"],
    "pyramid": OURS["pyramid"],
    "tfidf_lr": None,
    "char_svm": None,
    "frozen MiniLM + LR": None,
    FINE_TUNED: None,
}
"""What `fit` trains for each name; None where `baseline_of` trains it."""
LABEL_NOISE_MODELS = ("base", "pyramid over our own encoder", "tfidf_lr")
_CURVES = ("accuracy", "macro_f1", "ece", "flip_rate", "deviation")
_FLIPS = 0x1ABE1  # tells these draws from others of one seed


def flip_labels(labels: Sequence[Label], share: float, seed: int) -> list[Label]:
    """Labels of which a share is another one, drawn at random; what a smaller share flips a larger one flips too.

    Args:
        labels: At least two different ones.
        share: Of the rows, in [0, 1].
        seed: Of the draw.
    """
    names = sorted(set(labels))
    draw = np.random.default_rng([_FLIPS, seed])
    order, steps = draw.permutation(len(labels)), draw.integers(1, len(names), len(labels))
    flipped = list(labels)
    for row in order[: round(share * len(labels))].tolist():
        flipped[row] = names[(names.index(labels[row]) + steps[row]) % len(names)]
    return flipped


def run_model(
    name: str,
    data: Dataset,
    *,
    label_noise: float | None,
    draws: int | None,
    attacked: int | None,
    budget: int | None,
    seed: int,
    threads: int,
    source: LanguageModel,
) -> dict[str, Any]:
    """Figures of one model.

    Args:
        name: One of `MODELS`.
        data: Rows; all test rows are spoiled.
        label_noise: Share of the training labels that are made wrong, those of the rows that choose and calibrate too;
            then nothing but the clean test rows is answered.
        draws: Draws of each noise.
        attacked: Test rows that are attacked.
        budget: Queries that an attack on a text may take.
        seed: Of everything random in training.
        threads: Of PyTorch; 0 leaves its own choice.
        source: The language model.
    """
    if label_noise is not None:
        wrong = flip_labels(data.train.labels, label_noise, seed)
        data = dataclasses.replace(data, train=Part(texts=data.train.texts, labels=wrong))
    start = time.perf_counter()
    probabilities, task, former_seconds = _trained(name, data, seed=seed, threads=threads, source=source)
    seconds = former_seconds + time.perf_counter() - start
    source.keep_no_more()
    texts, labels = data.test.texts, data.test.labels
    figures = {
        "num_train": len(data.train.texts),
        "num_test": len(texts),
        "train_seconds": round(seconds, 2),
        "clean": judge(task, probabilities(texts), labels),
    }
    if draws is None or attacked is None or budget is None:
        return figures
    start = time.perf_counter()
    curves = stress_curves(probabilities, task, texts, labels, seeds=range(draws), progress=Telling())
    figures |= _compact(curves)
    if attacked:
        figures["attack"] = attack(
            *(probabilities, task, texts[:attacked], labels[:attacked]), budget=budget, progress=Telling()
        )
    return figures | {"stress_seconds": round(time.perf_counter() - start, 2)}


def _trained(
    name: str, data: Dataset, *, seed: int, threads: int, source: LanguageModel
) -> tuple[Probabilities, Task, float]:
    row, task = MODELS[name], task_of(data.train.labels, data.task, data.label_order)
    if row is None:
        probabilities, former_seconds = baseline_of(name, data, task, seed, source)
        return probabilities, task, former_seconds
    config = row.config(seed=seed, threads=threads)
    inputs = inputs_of(row, data, config, source)
    trained = fit(data.train.texts, data.train.labels, config, task=data.task, progress=Telling(), **inputs)
    return predictor_of(trained).probabilities, trained.task, 0.0


def _compact(curves: dict[str, Any]) -> dict[str, Any]:
    """What is kept of curves: each figure of a family as a list, one number a level."""
    families = curves["families"]
    return {
        "levels": [point["level"] for point in next(iter(families.values()))["points"]],
        "chance": curves["chance"],
        "relative_area": round(curves["relative_area"], 5),
        "worst": curves["worst"]["family"],
        "families": {
            family: {
                "relative_area": round(curve["relative_area"], 5),
                **{name: [round(point[name], 5) for point in curve["points"]] for name in _CURVES},
            }
            for family, curve in families.items()
        },
    }


# The page.

PAGE_HEAD = """# Models under noise

<!-- Written by benchmarks/plot.py from benchmarks/results; run `make docs`. -->

`benchmarks/run.py stress`: nine kinds of noise spoil up to 20 % of the characters or words of test texts. The relative
area is the area under accuracy from no noise to 20 %, counted from chance, over that of a model that noise does not
touch: 1 is untouched, 0 guessing; means over draws of the noise and over seeds of training. *Noise in training* is
`train.noise=0.3`: it draws from six kinds, and `ocr` is held out, so its column says what a kind of noise does that no
training has seen. *Confusables folded* is `text.fold_confusables=true`: all letters that `homoglyph` draws are among
those it folds, so this column says that the fold works, not what other letters would do. *Attacked* is the accuracy
that an attack on single characters leaves, and that before it. Both pyramids and the models named base hold the wide
branch, which is always fitted on clean texts. The results keep macro F1, calibration error, the share of answers that
change and the deviation between draws of every point; the margins of `char_svm` are no probabilities, so its
calibration says nothing.
"""
COLUMNS = ("model", "seeds", "accuracy", "relative area", "worst", *FAMILIES, "attacked", "training")
_WRONG_LABELS = """## Wrong labels in training

Accuracy on clean test rows where this share of all training labels, also of the rows that choose and calibrate, is
another one, drawn at random.
"""
Run = dict[str, Any]


def sections(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that were measured alike, under the name of their picture."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if run["key"]["label_noise"] is None:
            groups.setdefault(_measured(run, "draws", "attacked", "budget"), []).append(run)
    pictures: dict[str, list[Run]] = {}
    for (name, *_), group in sorted(groups.items()):
        number = sum(other[0]["key"]["set"] == name for other in pictures.values())
        pictures[f"stress_{name}_{number + 1}.svg" if number else f"stress_{name}.svg"] = group
    return pictures


def curves_of(runs: Sequence[Run]) -> dict[str, dict[str, list[float]]]:
    """Accuracy by model, family and level, in per cent, means over seeds."""
    return {
        name: {
            family: (100 * np.mean([run["families"][family]["accuracy"] for run in own], 0)).tolist()
            for family in FAMILIES
        }
        for name, own in _by_model(runs).items()
    }


def page(runs: Sequence[Run]) -> str:
    """The page of all runs."""
    parts = [PAGE_HEAD]
    for picture, group in sections(runs).items():
        key = group[0]["key"]
        rows = [_cells(name, own) for name, own in _by_model(group).items()]
        parts += [
            f"## {key['set']}\n",
            f"{_sizes(group)}, {key['draws']} draws of each noise, {key['attacked']} texts attacked with "
            f"{key['budget']} queries each.\n",
            f"{table_of(COLUMNS, rows)}\n",
            f"![Accuracy by strength of noise, one panel a kind]({picture})\n",
        ]
    parts += _label_noise(runs)
    if len(parts) == 1:
        parts.append("The measurements are being made.")
    return "\n".join(parts).rstrip() + "\n"


def _label_noise(runs: Sequence[Run]) -> list[str]:
    """One table a set, whose first column is without wrong labels, where that was run."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(_measured(run), []).append(run)
    parts: list[str] = []
    for _, group in sorted(groups.items()):
        shares = sorted({run["key"]["label_noise"] or 0.0 for run in group})
        noisy = _by_model([run for run in group if run["key"]["label_noise"]])
        rows = [
            [
                name,
                *(
                    _mean(
                        [run["clean"]["accuracy"] for run in own if (run["key"]["label_noise"] or 0) == share]
                    )
                    for share in shares
                ),
            ]
            for name, own in _by_model(group).items()
            if name in noisy
        ]
        if rows:
            columns = ["model", *(f"{100 * share:g} %" for share in shares)]
            parts += [f"{group[0]['key']['set']}, {_sizes(group)}:\n", f"{table_of(columns, rows)}\n"]
    return [_WRONG_LABELS, *parts] if parts else []


def _cells(name: str, runs: Sequence[Run]) -> list[str]:
    areas = {
        family: float(np.mean([run["families"][family]["relative_area"] for run in runs]))
        for family in FAMILIES
    }
    attacks = [run["attack"] for run in runs if "attack" in run]
    before, left = (
        _mean([found[figure] for found in attacks]) for figure in ("accuracy", "accuracy_under_attack")
    )
    return [
        name,
        str(len(runs)),
        _mean([run["clean"]["accuracy"] for run in runs]),
        f"{np.mean([run['relative_area'] for run in runs]):.3f}",
        min(areas, key=lambda family: areas[family]),
        *(f"{area:.3f}" for area in areas.values()),
        f"{left} of {before}" if attacks else NONE,
        f"{np.mean([run['train_seconds'] for run in runs]) / 60:.1f} min",
    ]


def _measured(run: Run, *more: str) -> tuple[Any, ...]:
    """What runs of one table have in common, in an order."""
    return tuple(run["key"][part] or 0 for part in ("set", "limit", "test_rows", *more))


def _by_model(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found = {name: [run for run in runs if run["key"]["model"] == name] for name in MODELS}
    return {name: own for name, own in found.items() if own}


def _sizes(runs: Sequence[Run]) -> str:
    return f"{runs[0]['num_train']:,} rows to train, {runs[0]['num_test']:,} to test"


def _mean(shares: Sequence[float]) -> str:
    return f"{100 * np.mean(shares):.2f}" if shares else NONE
