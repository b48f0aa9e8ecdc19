"""Figures of a model on spoiled texts, by family and strength of noise, and one number for all of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from textlattice.errors import DataError
from textlattice.evaluation.answers import evaluate_answers
from textlattice.progress import Progress
from textlattice.task import Label, Task, TaskKind
from textlattice.text.noise import FAMILIES, corrupt

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
) -> dict[str, Any]:
    """How answers change as texts are spoiled.

    The relative area of a family is the area under its measure, from no noise to the highest level, over that of a
    model that noise does not touch, both counted from chance: 1 means untouched, 0 guessing.

    Args:
        probabilities: The model.
        task: Kind and labels; decides.
        texts: Texts to spoil.
        labels: What is right.
        families: Kinds of noise.
        levels: Strengths, ascending from 0.
        seeds: Draws of the noise; figures are means over them.
        progress: Told of each text that is answered.

    Returns:
        `measure`, `chance`, `clean` figures, `relative_area` (the mean over families), `worst` (family and its
        relative area), and under `families` each with its `relative_area` and `points`: level, figures, the deviation
        of the measure between seeds, and the share of answers that differ from those to the clean texts.

    Raises:
        ConfigError: A family is unknown, or a level no share.
        DataError: There is no text, or levels do not ascend from 0.
    """
    if not texts or not families or not seeds:
        raise DataError(
            f"stress needs texts, families and seeds, got {len(texts)}, {len(families)}, {len(seeds)}."
        )
    if len(levels) < 2 or levels[0] != 0 or (np.diff(levels) <= 0).any():
        raise DataError(f"stress needs levels that ascend from 0, got {list(levels)}.")
    progress, measure = progress or Progress(), MEASURES[task.kind]
    chance = 1 / len(task.labels) if task.kind == "single" else 0.0
    progress.begin("answering", len(texts) * (1 + len(families) * (len(levels) - 1) * len(seeds)))

    def figures(spoiled: Sequence[str]) -> tuple[dict[str, Any], np.ndarray]:
        found = probabilities(spoiled)
        progress.advance(len(spoiled))
        return evaluate_answers(task, found, labels, num_bootstrap=0), task.decide(found)

    clean, decisions = figures(texts)
    if clean[measure] is None:
        raise DataError(
            f"stress: expected texts of which {measure.replace('_', ' ')} is defined, got {len(texts)} of one class "
            "that are all answered alike; give more texts."
        )
    by_family: dict[str, dict[str, Any]] = {}
    for family in families:
        points = [_point(0.0, measure, [clean], [0.0])]
        for level in levels[1:]:
            told, flips = [], []
            for seed in seeds:
                found, decided = figures([corrupt(text, family, level, seed) for text in texts])
                told.append(found)
                flips.append(_flip_rate(decisions, decided))
            points.append(_point(level, measure, told, flips))
        heights = np.array([point[measure] for point in points]) - chance
        area = float(relative_area(heights, np.array(levels)))
        by_family[family] = {"relative_area": area, "points": points}
    progress.end()
    areas: dict[str, float] = {family: curve["relative_area"] for family, curve in by_family.items()}
    worst = min(areas, key=lambda family: areas[family])
    return {
        "measure": measure,
        "chance": chance,
        "num_rows": len(texts),
        "seeds": list(seeds),
        "clean": {name: clean[name] for name in dict.fromkeys([measure, *_OTHERS]) if name in clean},
        "relative_area": float(np.mean([*areas.values()])),
        "worst": {"family": worst, "relative_area": areas[worst]},
        "families": by_family,
    }


def _point(
    level: float, measure: str, figures: Sequence[dict[str, Any]], flips: Sequence[float]
) -> dict[str, float]:
    """Means over the seeds of which a figure is defined; 0 where it is of none, as of answers that are all alike."""
    names = [name for name in dict.fromkeys([measure, *_OTHERS]) if name in figures[0]]
    values = {name: [each[name] for each in figures if each[name] is not None] or [0.0] for name in names}
    means = {name: float(np.mean(values[name])) for name in names}
    deviation = float(np.std(values[measure]))
    return {"level": level, **means, "deviation": deviation, "flip_rate": float(np.mean(flips))}


def _flip_rate(before: np.ndarray, after: np.ndarray) -> float:
    """Share of rows whose answer is another, of any number of labels whose set is."""
    changed = before != after
    return float(changed.any(1).mean() if changed.ndim == 2 else changed.mean())


def relative_area(
    heights: Float[np.ndarray, "*curves num_levels"], levels: Float[np.ndarray, " num_levels"]
) -> Float[np.ndarray, "*curves"]:
    """Area under the heights over that of the first height; 0 where that is nothing or less.

    Args:
        heights: A measure less what chance gives, level by level.
        levels: Ascending from 0.
    """
    first = heights[..., 0]
    area = np.trapezoid(heights, levels, axis=-1) / (levels[-1] - levels[0])
    return np.asarray(np.where(first > 0, area / np.where(first > 0, first, 1.0), 0.0))
