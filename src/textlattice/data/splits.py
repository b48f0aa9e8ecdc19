"""Disjoint sets of rows: slices of given sizes and cross-validation folds, stratified by label."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from textlattice.errors import DataError

Rows = Int[np.ndarray, " _"]
"""Indices of rows, ascending."""
_NONE = "\0no label"


def slice_sizes(num_rows: int) -> int:
    """Rows of the selection slice, and of the calibration slice: a twentieth, at least 200, at most 2,000."""
    return min(max(num_rows // 20, 200), 2000)


def strata(labels: Sequence[str | tuple[str, ...]]) -> list[str]:
    """By what each row is stratified: its label; of several the one that the fewest rows have, the first of equals.

    So a rare label is spread as evenly as if it were the only one of its rows. Rows without a label are one stratum.
    """
    counts = Counter(name for label in labels if not isinstance(label, str) for name in label)
    return [
        label if isinstance(label, str) else min(label, key=lambda name: (counts[name], name), default=_NONE)
        for label in labels
    ]


def stratified_slices(
    labels: Sequence[str], sizes: Sequence[int], *, seed: int, groups: Sequence[str] | None = None
) -> list[Rows]:
    """One set of rows for each size, and the remaining rows last; disjoint, together all rows.

    Each class has its share of a slice, rounded by largest remainder. As long as the sizes allow it, a class
    keeps at least one row among the remaining ones, so a class with one member is not in a slice.

    Args:
        labels: Class of each row.
        sizes: Rows of each slice.
        seed: Which rows; the same rows, sizes and seed give the same slices.
        groups: Group of each row, kept whole. Then a slice may hold fewer rows than its size, never more,
            and a class always keeps a row among the remaining ones.

    Raises:
        DataError: The sizes are negative or exceed the rows, or groups and labels differ in length.
    """
    if any(size < 0 for size in sizes) or sum(sizes) > len(labels):
        raise DataError(
            f"slice sizes must not be negative and sum to at most the number of rows, "
            f"got {list(sizes)} for {len(labels)} rows."
        )
    rng = np.random.default_rng(seed)
    class_index = _index(labels)
    if groups is not None:
        return _group_slices(class_index, sizes, _group_index(groups, len(labels)), rng)
    counts = np.bincount(class_index)
    pools = _shuffled_classes(class_index, rng)
    taken = np.zeros_like(counts)
    slices = []
    for size in sizes:
        shares = _shares(counts, taken, size)
        slices.append(_rows([pool[t : t + n] for pool, t, n in zip(pools, taken, shares, strict=True)]))
        taken = taken + shares
    slices.append(_rows([pool[t:] for pool, t in zip(pools, taken, strict=True)]))
    return slices


def affordable_rows(
    costs: Int[np.ndarray, " num_rows"], most: int, labels: Sequence[str], *, seed: int
) -> Rows:
    """Rows that together cost no more than `most`: all of them, or a share of every class.

    Args:
        costs: Of each row, not negative.
        most: What the rows may cost in all; one row may always be kept.
        labels: Class of each row.
        seed: Which rows.
    """
    total, size = int(costs.sum()), len(costs)
    rows = np.arange(size)
    while total > most and size > 1:
        size = max(1, min(size - 1, size * most // total))
        rows = stratified_slices(labels, [size], seed=seed)[0]
        total = int(costs[rows].sum())
    return rows


def stratified_folds(
    labels: Sequence[str], num_folds: int, *, seed: int, groups: Sequence[str] | None = None
) -> list[Rows]:
    """Rows of each fold; disjoint, together all rows.

    Without groups the folds differ by at most one row, in all and in each class; a class with fewer rows
    than folds is missing in some. With groups, kept whole, they are as even as greedy assignment makes them.

    Args:
        labels: Class of each row.
        num_folds: Number of folds, at least 2.
        seed: Which rows.
        groups: Group of each row.

    Raises:
        DataError: There are fewer rows, or groups, than folds.
    """
    class_index = _index(labels)
    group_index = None if groups is None else _group_index(groups, len(labels))
    num_units, units = (len(labels), "rows") if groups is None else (len(set(groups)), "groups")
    if not 2 <= num_folds <= num_units:
        raise DataError(
            f"the number of folds must lie between 2 and the number of {units}, "
            f"got {num_folds} folds for {num_units} {units}."
        )
    rng = np.random.default_rng(seed)
    if group_index is None:
        # Dealing class after class round the table keeps both the folds and the classes even.
        dealt = np.concatenate(_shuffled_classes(class_index, rng))
        return [np.sort(dealt[fold::num_folds]) for fold in range(num_folds)]
    contents = _group_contents(class_index, group_index)
    counts = contents.sum(0)
    order = rng.permutation(len(contents))
    order = order[np.argsort(-contents[order].sum(1), kind="stable")]  # large groups while there is room
    fold_of_group = np.zeros(len(contents), dtype=np.int64)
    filled = np.zeros((num_folds, len(counts)))
    for group in order:
        # The fullest classes count least: need is measured in shares of a class.
        lack = ((counts / num_folds - filled) / counts) @ contents[group]
        fold = int(np.argmax(lack))
        fold_of_group[group] = fold
        filled[fold] += contents[group]
    return [np.flatnonzero(fold_of_group[group_index] == fold) for fold in range(num_folds)]


def _group_slices(
    class_index: Rows, sizes: Sequence[int], group_index: Rows, rng: np.random.Generator
) -> list[Rows]:
    contents = _group_contents(class_index, group_index)
    counts = contents.sum(0)
    num_slices = len(sizes)
    room = np.array(sizes, dtype=np.int64)
    shares = np.maximum(np.outer(room, counts / max(len(class_index), 1)), 1e-9)  # [num_slices, num_classes]
    filled = np.zeros_like(shares)
    outside = counts.copy()  # rows of each class that are in no slice
    slice_of_group = np.full(len(contents), num_slices, dtype=np.int64)
    remaining_share = counts * (1 - room.sum() / max(len(class_index), 1))
    remaining = np.zeros(len(counts))
    for group in rng.permutation(len(contents)):
        content = contents[group]
        present = content > 0
        fits = room >= content.sum()
        last = bool((outside[present] <= content[present]).any())
        if last or not fits.any():
            remaining += content
            continue
        lack = np.where(fits, (1 - filled / shares) @ content, -np.inf)
        best = int(np.argmax(lack))
        if lack[best] < (1 - remaining / np.maximum(remaining_share, 1e-9)) @ content:
            remaining += content
            continue
        slice_of_group[group] = best
        filled[best] += content
        room[best] -= content.sum()
        outside = outside - content
    slice_of_row = slice_of_group[group_index]
    return [np.flatnonzero(slice_of_row == number) for number in range(num_slices + 1)]


def _shares(counts: Rows, taken: Rows, size: int) -> Rows:
    """Rows of each class in a slice: its proportion, by largest remainder; one row is left if possible."""
    quota = counts * (size / max(int(counts.sum()), 1))
    shares = np.zeros_like(counts)
    for spare in (1, 0):
        room = np.maximum(counts - taken - spare, 0)
        if spare:
            shares = np.minimum(np.floor(quota).astype(counts.dtype), room)
        while shares.sum() < size and (shares < room).any():
            lack = np.where(shares < room, quota - shares, -np.inf)
            shares[np.argmax(lack)] += 1
    return shares


def _shuffled_classes(class_index: Rows, rng: np.random.Generator) -> list[Rows]:
    order = np.argsort(class_index, kind="stable")
    counts = np.bincount(class_index)
    return [rng.permutation(rows) for rows in np.split(order, np.cumsum(counts))[:-1]]


def _index(names: Sequence[str]) -> Rows:
    """Place of each name among the sorted distinct names."""
    place = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.fromiter((place[name] for name in names), dtype=np.int64, count=len(names))


def _group_index(groups: Sequence[str], num_rows: int) -> Rows:
    if len(groups) != num_rows:
        raise DataError(f"groups and labels must be equally long, got {len(groups)} and {num_rows}.")
    return _index(groups)


def _group_contents(class_index: Rows, group_index: Rows) -> Int[np.ndarray, "num_groups num_classes"]:
    num_groups, num_classes = (int(index.max(initial=-1)) + 1 for index in (group_index, class_index))
    cells = np.bincount(group_index * num_classes + class_index, minlength=num_groups * num_classes)
    return cells.reshape(num_groups, num_classes)


def _rows(parts: Sequence[Rows]) -> Rows:
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
