"""What the labels of the training rows say: the kind of task, the names in their order, the share of each."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from textlattice.artefact.folder_file import MAX_JSON_BYTES
from textlattice.errors import ConfigError, DataError
from textlattice.progress import Progress
from textlattice.task import Label, Task, TaskKind, each_label

TaskChoice = Literal["auto", "single", "multi", "ordinal"]
"""A kind of task, or `auto`: `multi` where a row has a list of labels, else `single`."""
MAX_LABELS = 5_000
"""Labels that a training takes; so many, and tables of so many rows, are trained on within some 4 GB."""
MAX_ORDERED_LABELS = 1_000
"""The same where labels have an order: agreement is counted over all pairs of them."""
MAX_CELLS = 100_000_000
"""Rows times labels where a text may have any number of them, for each pair has a target and a weight."""
_MAX_NAME_BYTES = MAX_JSON_BYTES - 200_000  # beside the other settings
_NUMBER_BYTES = 40  # of a share, a threshold or a cut point in JSON, at most
_SHOWN = 5  # labels that a message names


def task_of(
    labels: Sequence[Label],
    asked: TaskChoice = "auto",
    label_order: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Task:
    """The task that labels state, before anything is fitted: cut points are those of the shares alone.

    An order is never inferred from labels; where they are whole numbers, `progress` gets a note that one can be
    asked for.

    Args:
        labels: One a row, or a list or tuple of any number of them.
        asked: The kind of task.
        label_order: Labels from lowest to highest; None takes ascending numbers. A label of no row is left out.
        progress: Told of what a person should know of the labels.

    Raises:
        ConfigError: An order is given and the kind is not `ordinal`.
        DataError: There are fewer than two labels or more than `MAX_LABELS` (`MAX_ORDERED_LABELS` in an order), more
            than `MAX_CELLS` pairs of row and label, names that a model folder has no room for, a list where one label
            is asked for, or no order is known.
    """
    progress = progress or Progress()
    check_num_labels(len({name for label in labels for name in each_label(label)}))
    lists = next((row for row, label in enumerate(labels, 1) if isinstance(label, list | tuple)), None)
    kind: TaskKind = asked if asked != "auto" else "single" if lists is None else "multi"
    if lists is not None and kind != "multi":
        raise DataError(
            f"training of the task {kind} needs one label a row, got a list of labels in row {lists}; "
            "lists of labels are for --task multi."
        )
    if label_order is not None and kind != "ordinal":
        raise ConfigError(
            f"an order of labels is for the task ordinal, got it for {kind}; say --task ordinal or leave it out."
        )
    counts = Counter(name for label in labels for name in set(each_label(label)))
    if kind == "ordinal":
        check_num_labels(len(counts), MAX_ORDERED_LABELS)
    if len(counts) < 2:
        found = f"only {next(iter(counts))!r} in {len(labels)} rows" if counts else _no_labels(labels)
        raise DataError(f"training needs rows of two or more labels, got {found}; check the label column.")
    if kind == "multi" and len(labels) * len(counts) > MAX_CELLS:
        raise DataError(
            f"training of the task multi takes at most {MAX_CELLS:,} pairs of row and label, got {len(labels):,} rows "
            f"of {len(counts):,} labels; give fewer rows, or leave rare labels out."
        )
    names = _ordered(counts, label_order, progress) if kind == "ordinal" else tuple(sorted(counts))
    _check_name_bytes(names, kind)
    _tell(names, counts, asked, progress)
    shares = np.array([counts[name] for name in names], np.float64)
    shares /= len(labels) if kind == "multi" else shares.sum()
    cut_points: list[float] = []
    if kind == "ordinal":
        up_to = shares.cumsum()[:-1]
        cut_points = np.log(up_to / (1 - up_to)).tolist()
    return Task(kind=kind, labels=names, priors=tuple(shares.tolist()), cut_points=tuple(cut_points))


def check_num_labels(num_labels: int, most: int | None = None) -> None:
    """Does nothing where there are no more than `most` labels, or `MAX_LABELS`.

    Raises:
        DataError: They are too many.
    """
    most = MAX_LABELS if most is None else most
    if num_labels > most:
        raise DataError(
            f"expected at most {most:,} labels, got {num_labels:,}; check the label column, or leave rare labels out."
        )


def _check_name_bytes(names: Sequence[str], kind: TaskKind) -> None:
    """Raises `DataError` where names and the numbers of each would not fit into the settings of a model folder."""
    numbers = 1 if kind == "single" else 2
    size = sum(len(json.dumps(name)) + 8 + numbers * _NUMBER_BYTES for name in names)
    if size > _MAX_NAME_BYTES:
        raise DataError(
            f"expected labels of at most {_MAX_NAME_BYTES:,} bytes in all, got {size:,} for {len(names):,} labels; use "
            "fewer labels or shorter ones."
        )


def _no_labels(labels: Sequence[Label]) -> str:
    return f"{len(labels)} rows without any label" if labels else "no rows"


def _ordered(counts: Counter[str], label_order: Sequence[str] | None, progress: Progress) -> tuple[str, ...]:
    """The names from lowest to highest."""
    if label_order is None:
        numbers = {name: _number(name) for name in counts}
        if None in numbers.values() or len(set(numbers.values())) < len(numbers):
            odd = next((name for name, number in numbers.items() if number is None), None)
            found = "two that are the same number" if odd is None else repr(odd)
            raise DataError(
                f"labels in an order: expected numbers, got {found}; name all labels from the lowest to the highest "
                "with --label-order a,b,c."
            )
        return tuple(sorted(counts, key=lambda name: numbers[name] or 0.0))
    order = [str(name) for name in label_order]
    if missing := sorted(counts.keys() - set(order)):
        raise DataError(
            f"--label-order: expected every label of the training rows, got none for {missing[0]!r} "
            f"({counts[missing[0]]} rows); name all labels from the lowest to the highest."
        )
    if len(set(order)) < len(order):
        raise DataError(f"--label-order: expected each label once, got {', '.join(map(repr, order))}.")
    if idle := [name for name in order if name not in counts]:
        progress.note(f"--label-order: left out, for no training row has it: {_shown(idle)}")
    return tuple(name for name in order if name in counts)


def _tell(names: tuple[str, ...], counts: Counter[str], asked: TaskChoice, progress: Progress) -> None:
    once = [name for name in names if counts[name] == 1]
    if once:
        progress.note(
            f"{len(once)} of {len(names)} labels have a single row, so no held-out row shows how well they are "
            f"recognised: {_shown(once)}"
        )
    if asked == "auto" and len(names) > 2 and all(_is_whole(name) for name in names):
        progress.note(
            "the labels are whole numbers; if they have an order, as stars have, --task ordinal makes use of it"
        )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def _number(name: str) -> float | None:
    try:
        number = float(name)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_whole(name: str) -> bool:
    number = _number(name)
    return number is not None and number == int(number)
