"""Models under noise: curves by kind and strength, an attack, and what wrong training labels cost."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from accuracy import Telling, judge
from cells import NONE, table_of
from neural import NETWORKS, Learned
from pyramid_study import (
    BOTH,
    FINE_TUNED,
    FOLD,
    FROZEN,
    LINEAR,
    NOISE,
    OURS,
    LanguageModel,
    Ours,
    baseline_of,
    inputs_of,
)
from records import pack_places, unpack_places
from sets import Dataset, Part
from textlattice.config import TextConfig
from textlattice.evaluation.significance import Interval
from textlattice.stress.area import area_interval
from textlattice.stress.attack import attack
from textlattice.stress.curves import stress_curves
from textlattice.task import Label, Task
from textlattice.text.document import TextReader
from textlattice.text.noise import FAMILIES
from textlattice.training.fit import fit
from textlattice.training.labels import task_of
from textlattice.training.noise import FAMILIES as TRAINED
from textlattice.training.save import predictor_of

NORMALISED = "tfidf_lr, texts normalised"
"""Reads what our reader makes of texts, without characters that have no form: what that part of ours is worth."""
FIRST = "tfidf_lr"
USUAL: dict[str, Ours | None] = {
    "base": OURS["base"],
    "base, noise in training": Ours(preset="base", reads="text", settings=NOISE),
    "base, confusables folded": Ours(preset="base", reads="text", settings=FOLD),
    "base, both": Ours(preset="base", reads="text", settings=BOTH),
    "pyramid over our own encoder": OURS["pyramid over our own encoder"],
    "pyramid over our own encoder, both": Ours(reads="text", settings=BOTH),
    "pyramid": OURS["pyramid"],
    "pyramid, both": Ours(settings=BOTH),
    "pyramid-graph": OURS["pyramid-graph"],
    "pyramid-graph, both": Ours(preset="pyramid-graph", settings=BOTH),
    "tfidf_lr": None,
    NORMALISED: None,
    "char_svm": None,
    **dict.fromkeys([name for name in FROZEN if name.startswith("frozen MiniLM + LR")]),
    FINE_TUNED: None,
}
"""What `fit` trains for each name, where none is asked for; None where `baseline_of` trains it."""
_MORE = (
    "pyramid over a token table",
    "pyramid, language model tuned by LoRA",
    "pyramid, language model tuned whole",
)
MODELS = (
    USUAL
    | {"paper": Ours(preset="paper", reads="text"), **{name: OURS[name] for name in _MORE}}
    | {name: None for name in (*LINEAR, *NETWORKS, *FROZEN) if name not in (*USUAL, "majority")}
)
"""The same of all that can be asked for; a model that always gives one answer has nothing to lose."""
LABEL_NOISE_MODELS = ("base", "pyramid over our own encoder", "pyramid", "tfidf_lr")
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
    source.read_seconds.clear()
    start = time.perf_counter()
    learned, task = _trained(name, data, seed=seed, threads=threads, source=source)
    read_seconds = learned.read_seconds + sum(source.read_seconds)
    seconds = learned.former_seconds + time.perf_counter() - start - read_seconds
    source.keep_no_more()
    probabilities, texts, labels = learned.probabilities, data.test.texts, data.test.labels
    figures = {
        "num_train": len(data.train.texts),
        "num_test": len(texts),
        "threads": torch.get_num_threads(),
        "train_seconds": round(seconds, 2),
        "read_seconds": round(read_seconds, 2),
        "clean": judge(task, probabilities(texts), labels),
    }
    if draws is None or attacked is None or budget is None:
        return figures
    start = time.perf_counter()
    curves, right = stress_curves(
        *(probabilities, task, texts, labels), seeds=range(draws), progress=Telling()
    )
    assert right is not None  # all sets here have single labels
    figures |= _compact(curves) | {"right": pack_places(right)}
    if attacked:
        figures["attack"] = attack(
            *(probabilities, task, texts[:attacked], labels[:attacked]), budget=budget, progress=Telling()
        )
    return figures | {"stress_seconds": round(time.perf_counter() - start, 2)}


def _trained(
    name: str, data: Dataset, *, seed: int, threads: int, source: LanguageModel
) -> tuple[Learned, Task]:
    row, task = MODELS[name], task_of(data.train.labels, data.task, data.label_order)
    if name == NORMALISED:
        train = Part(texts=_normalised(data.train.texts), labels=data.train.labels)
        learned = baseline_of(FIRST, dataclasses.replace(data, train=train), task, seed, source)
        return Learned(probabilities=lambda texts: learned.probabilities(_normalised(texts))), task
    if row is None:
        return baseline_of(name, data, task, seed, source), task
    config = row.config(seed=seed, threads=threads)
    inputs = inputs_of(row, data, config, source)
    trained = fit(data.train.texts, data.train.labels, config, task=data.task, progress=Telling(), **inputs)
    return Learned(probabilities=predictor_of(trained).probabilities), trained.task


def _normalised(texts: Sequence[str]) -> list[str]:
    reader = TextReader(config=TextConfig())
    return [reader.read(text).normalised.text for text in texts]


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

`benchmarks/run.py stress`: nine kinds of noise spoil up to 20 % of the characters or words of test texts. The protocol
is ours: the paper behind the pyramid (arXiv 2511.05752) claims robustness and prints no protocol. The relative area is
the area under accuracy from no noise to 20 %, counted from chance (the share of the most frequent label), over that of
a model that noise does not touch: 1 is untouched, 0 guessing; means over draws of the noise and over seeds of
training. *Area* is the mean over kinds. A model that is better on clean texts has further to fall; *under noise* is
the accuracy itself, its mean over strengths and kinds. Characters without a form (`invisible`) are taken away by our
reader before anything reads them, and by the tokenizer of MiniLM, so that kind says 1 of those models by construction;
*seen* is the mean without it. *Untrained* is the mean of `ocr` and `truncation`, which neither the reader removes nor
`train.noise` draws from. Differences of areas to other models are those of mean accuracies over the seeds that both
have, with the 95 % interval of a paired bootstrap over test rows. *Noise in training* is `train.noise=0.3`,
*confusables folded* `text.fold_confusables=true`, *both* is both: all letters that `homoglyph` draws are among those
folded, so this column says that the fold works, not what other letters would do. *Texts normalised* reads what our
reader leaves. *Attacked* is the accuracy that an attack on single characters leaves, with half of its 95 % interval,
and that before it; against folded confusables half of its edits do nothing. Not drawn, and not defended against, are
orders turned by bidi controls and letters rubbed out by backspaces: the reader takes these characters away and reads
the letters in the order in which they stand, which is not what a screen shows. All pyramids and the models named base
hold the wide branch, which is always fitted on clean texts. A model that reads 256 tokens reads less of a long text
the more noise cuts its words to pieces. The results keep macro F1, calibration error, the share of answers that change
and the deviation between draws of every point; the second table shows the last one. The margins of `char_svm` are no
probabilities, so its calibration says nothing. *Training* is without the states of a frozen language model, see
[there](pyramid.md).
"""
COLUMNS = (
    *("model", "seeds", "accuracy", "under noise", "area", "seen", "untrained", "area less that of tfidf_lr"),
    *("less that of the fine-tuned", "worst", *FAMILIES, "attacked", "training"),
)
AT_MOST = ("model", "accuracy", "macro F1", "ece", "answers changed", "deviation between draws")
GOALS = ("pyramid, both", "pyramid")
"""Models that should bear noise better than `tfidf_lr` and than a language model that was tuned."""
UNTRAINED = tuple(family for family in FAMILIES if family not in (*TRAINED, "invisible"))
_WRONG_LABELS = """## Wrong labels in training

Accuracy on all clean test rows where this share of all training labels, also of the rows that choose and calibrate, is
another one, drawn at random; means over seeds.
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
        key, by_model = group[0]["key"], _by_model(group)
        rows = [_cells(name, by_model) for name in by_model]
        parts += [
            f"## {key['set']}\n",
            f"{_sizes(group)}, {key['draws']} draws of each noise, "
            + (
                f"{key['attacked']} texts attacked with {key['budget']} queries each"
                if key["attacked"]
                else "none attacked"
            )
            + ".\n",
            *_goals(by_model),
            f"{table_of(COLUMNS, rows)}\n",
            f"At {100 * group[0]['levels'][-1]:g} %, means over kinds:\n",
            f"{table_of(AT_MOST, [_at_most(name, own) for name, own in by_model.items()])}\n",
            f"![Accuracy by strength of noise, one panel a kind]({picture})\n",
        ]
    parts += _label_noise(runs)
    if len(parts) == 1:
        parts.append("The measurements are being made.")
    return "\n".join(parts).rstrip() + "\n"


def _label_noise(runs: Sequence[Run]) -> list[str]:
    """One table a set, one column a share."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if run["key"]["label_noise"] is not None:
            groups.setdefault(_measured(run), []).append(run)
    parts: list[str] = []
    for _, group in sorted(groups.items()):
        shares = sorted({run["key"]["label_noise"] for run in group})
        rows = [
            [
                name,
                str(len(_seeds(own))),
                *(
                    _mean([run["clean"]["accuracy"] for run in own if run["key"]["label_noise"] == share])
                    for share in shares
                ),
            ]
            for name, own in _by_model(group).items()
        ]
        columns = ["model", "seeds", *(f"{100 * share:g} %" for share in shares)]
        parts += [f"{group[0]['key']['set']}, {_sizes(group)}:\n", f"{table_of(columns, rows)}\n"]
    return [_WRONG_LABELS, *parts] if parts else []


def _cells(name: str, by_model: dict[str, list[Run]]) -> list[str]:
    runs = by_model[name]
    areas = {
        family: float(np.mean([run["families"][family]["relative_area"] for run in runs]))
        for family in FAMILIES
    }

    def mean(families: Sequence[str]) -> str:
        return f"{np.mean([areas[family] for family in families]):.3f}"

    return [
        name,
        str(len(runs)),
        _mean([run["clean"]["accuracy"] for run in runs]),
        _mean([_under_noise(run) for run in runs]),
        mean(FAMILIES),
        mean([family for family in FAMILIES if family != "invisible"]),
        mean(UNTRAINED),
        *(
            area_cell(area_difference(runs, by_model[other]))
            if other != name and _seeds(runs) & _seeds(by_model.get(other, []))
            else NONE
            for other in (FIRST, FINE_TUNED)
        ),
        min(areas, key=lambda family: areas[family]),
        *(f"{area:.3f}" for area in areas.values()),
        _attack_cell([run["attack"] for run in runs if "attack" in run]),
        f"{np.mean([run['train_seconds'] for run in runs]) / 60:.1f} min",
    ]


def _goals(by_model: dict[str, list[Run]]) -> list[str]:
    """Whether the pyramid bears noise better than others, a line each where both were run."""
    lines = [
        f"- The relative area of `{name}` less that of {other}: "
        f"{area_cell(area_difference(by_model[name], by_model[other]))}."
        for name in GOALS
        for other in (FIRST, FINE_TUNED)
        if _seeds(by_model.get(name, [])) & _seeds(by_model.get(other, []))
    ]
    return ["\n".join(lines) + "\n"] if lines else []


def _at_most(name: str, runs: Sequence[Run]) -> list[str]:
    """A row of the second table: figures at the highest level."""
    accuracy, macro_f1, ece, flips, deviation = (
        float(np.mean([[run["families"][family][figure][-1] for family in FAMILIES] for run in runs]))
        for figure in _CURVES
    )
    draws = runs[0]["key"]["draws"]
    return [
        name,
        *(f"{100 * accuracy:.2f}", f"{100 * macro_f1:.2f}", f"{ece:.4f}", f"{100 * flips:.2f}"),
        f"{100 * deviation:.2f}" if draws > 1 else NONE,
    ]


def _under_noise(run: Run) -> float:
    """Mean accuracy over strengths and kinds: the relative areas, put back."""
    area = float(np.mean([run["families"][family]["relative_area"] for family in FAMILIES]))
    return float(run["chance"] + area * (run["clean"]["accuracy"] - run["chance"]))


def area_difference(ours: Sequence[Run], others: Sequence[Run]) -> Interval:
    """Mean relative area of one model less that of another, and its 95 % interval of a paired bootstrap over rows.

    Areas of the points' accuracies, over the draws of noise and the seeds of training that both have.
    """
    seeds = _seeds(ours) & _seeds(others)
    shares = [_shares([run for run in runs if run["key"]["seed"] in seeds]) for runs in (ours, others)]
    return area_interval(shares[0], np.array(ours[0]["levels"]), ours[0]["chance"], less=shares[1])


def _seeds(runs: Sequence[Run]) -> set[int]:
    return {run["key"]["seed"] for run in runs}


def _shares(runs: Sequence[Run]) -> np.ndarray:
    """How often each row was right, over draws and seeds, [num_families, num_levels, num_rows]."""
    shape = (len(FAMILIES), len(runs[0]["levels"]), runs[0]["num_test"])
    return np.mean([unpack_places(run["right"]).reshape(shape) / run["key"]["draws"] for run in runs], 0)


def area_cell(interval: Interval) -> str:
    """A difference of areas and its interval."""
    return f"{interval.difference:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"


def _attack_cell(attacks: Sequence[dict[str, Any]]) -> str:
    if not attacks:
        return NONE
    left = float(np.mean([found["accuracy_under_attack"] for found in attacks]))
    half = 1.96 * np.sqrt(left * (1 - left) / attacks[0]["num_rows"])
    return f"{100 * left:.1f} ± {100 * half:.1f} of {_mean([found['accuracy'] for found in attacks])}"


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
