"""Figures of a model on spoiled texts, by family and strength of noise, and one number for all of them."""

from collections.abc import Callable, Sequence
from operator import ne
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from textlattice.errors import DataError
from textlattice.evaluation.answers import evaluate_answers
from textlattice.progress import Progress
from textlattice.stress.area import area_interval, relative_area
from textlattice.task import Label, Task, TaskKind
from textlattice.text.noise import FAMILIES, check_family, corrupt

Probabilities = Callable[[Sequence[str]], Float[np.ndarray, "num_texts num_labels"]]
"""What answers: probabilities of texts, in the order of the task's labels."""
LEVELS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of characters or words that are spoiled."""
MEASURES: dict[TaskKind, str] = {
    "single": "accuracy",
    "multi": "macro_f1",
    "ordinal": "quadratic_weighted_kappa",
}
"""What the area is measured in, by kind of task."""
_OTHERS = ("accuracy", "macro_f1", "ece")


def stress_curves(
    probabilities: Probabilities,
    task: Task,
    texts: Sequence[str],
    labels: Sequence[Label],
    *,
    families: Sequence[str] = FAMILIES,
    levels: Sequence[float] = LEVELS,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Int[np.ndarray, "num_families num_levels num_rows"] | None]:
    """How answers change as texts are spoiled.

    The relative area of a family is the area under its measure, from no noise to the highest level, over that of a
    model that noise does not touch, both counted from chance: 1 means untouched, 0 guessing. With single labels chance
    is the share of the most frequent one among the texts, for kappa and macro F1 it is 0. A family that changes none of
    the texts, such as letters that look alike in Chinese, says nothing of the model and is left out of the mean.

    Args:
        probabilities: The model.
        task: Kind and labels; decides.
        texts: Texts to spoil.
        labels: What is right.
        families: Kinds of noise; one given twice counts once.
        levels: Strengths, ascending from 0.
        seeds: Draws of the noise; figures are means over them.
        progress: Told of each text that is answered.

    Returns:
        `measure`, `chance`, `clean` figures, `relative_area` (the mean over families), its 95 % `interval` of a
        bootstrap over the texts (None but with single labels), `worst` (family and its relative area), and under
        `families` each with its `relative_area`, the share of texts that its highest level changes (`spoiled`), and
        `points`: level, figures, the deviation of the measure between seeds, the share of answers that differ from
        those to the clean texts (`flip_rate`), and that of texts that are answered rightly in every draw
        (`always_right`, the worst case of each text). Beside them in how many draws each text was answered rightly
        (None but with single labels).

    Raises:
        ConfigError: A family is unknown, or a level no share.
        DataError: There is no text, none that any family changes, texts are of one class alone, or levels do not ascend
            from 0.
    """
    if not texts or not families or not seeds:
        raise DataError(
            f"stress needs texts, families and seeds, got {len(texts)}, {len(families)}, {len(seeds)}."
        )
    if len(levels) < 2 or levels[0] != 0 or (np.diff(levels) <= 0).any():
        raise DataError(f"stress needs levels that ascend from 0, got {list(levels)}.")
    families = tuple(dict.fromkeys(families))
    for family in families:
        check_family(family)
    progress, measure = progress or Progress(), MEASURES[task.kind]
    targets = task.targets(labels)
    chance = _chance(targets) if task.kind == "single" else 0.0
    if chance == 1:
        raise DataError(
            f"stress: expected texts of two labels or more, got {len(texts)} of one: always to give it cannot be "
            "bettered, so there is nothing to count from; give more texts."
        )
    progress.begin("answering", len(texts) * (1 + len(families) * (len(levels) - 1) * len(seeds)))

    def answer(spoiled: Sequence[str]) -> tuple[dict[str, Any], np.ndarray]:
        found = probabilities(spoiled)
        progress.advance(len(spoiled))
        return evaluate_answers(task, found, labels, num_bootstrap=0), task.decide(found)

    clean, decisions = answer(texts)
    if clean[measure] is None:
        raise DataError(
            f"stress: expected texts of which {measure.replace('_', ' ')} is defined, got {len(texts)} of one class "
            "that are all answered alike; give more texts."
        )
    by_family: dict[str, dict[str, Any]] = {}
    times_right: list[list[np.ndarray]] = []
    for family in families:
        points = [_point(0.0, measure, [clean], [0.0], [_agree(decisions, targets)])]
        times_right.append([len(seeds) * _agree(decisions, targets)])
        for level in levels[1:]:
            drawn = [[corrupt(text, family, level, seed) for text in texts] for seed in seeds]
            values, answers = zip(*map(answer, drawn), strict=True)
            flips = [float(1 - _agree(decisions, found).mean()) for found in answers]
            right_of_draws = [_agree(found, targets) for found in answers]
            points.append(_point(level, measure, values, flips, right_of_draws))
            times_right[-1].append(np.sum(right_of_draws, 0))
        heights = np.array([point[measure] for point in points]) - chance
        by_family[family] = {
            "relative_area": float(relative_area(heights, np.array(levels))),
            "spoiled": float(np.mean([[*map(ne, part, texts)] for part in drawn])),
            "points": points,
        }
    progress.end()
    areas = {name: float(curve["relative_area"]) for name, curve in by_family.items() if curve["spoiled"]}
    if not areas:
        raise DataError(f"stress: no noise of {', '.join(families)} changes any of these {len(texts)} texts.")
    worst = min(areas, key=lambda family: areas[family])
    right, interval = None, None
    if task.kind == "single":
        right = np.array(times_right)
        counted = right[[family in areas for family in by_family]] / len(seeds)
        found = area_interval(counted, np.array(levels), chance)
        interval = [found.low, found.high]
    figures = {
        "measure": measure,
        "chance": chance,
        "num_rows": len(texts),
        "seeds": list(seeds),
        "clean": {name: clean[name] for name in dict.fromkeys([measure, *_OTHERS]) if name in clean},
        "relative_area": float(np.mean([*areas.values()])),
        "interval": interval,
        "worst": {"family": worst, "relative_area": areas[worst]},
        "families": by_family,
    }
    return figures, right


def _chance(targets: Int[np.ndarray, " num_rows"]) -> float:
    """Accuracy of a guess that is always the most frequent of the labels that the task knows."""
    return float(np.bincount(targets[targets >= 0]).max(initial=0) / len(targets))


def _point(
    level: float,
    measure: str,
    figures: Sequence[dict[str, Any]],
    flips: Sequence[float],
    right: Sequence[np.ndarray],
) -> dict[str, float]:
    """Means over the seeds of which a figure is defined; 0 where it is of none, as of answers that are all alike."""
    names = [name for name in dict.fromkeys([measure, *_OTHERS]) if name in figures[0]]
    values = {name: [each[name] for each in figures if each[name] is not None] or [0.0] for name in names}
    means = {name: float(np.mean(values[name])) for name in names}
    deviation = float(np.std(values[measure]))
    return {
        "level": level,
        **means,
        "deviation": deviation,
        "flip_rate": float(np.mean(flips)),
        "always_right": float(np.all(right, axis=0).mean()),
    }


def _agree(decisions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each text has the same answer, of any number of labels all of them."""
    same = decisions == others
    return same.all(1) if same.ndim == 2 else same
