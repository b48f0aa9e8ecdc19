"""Which documents share a batch: equal character load in training, a bounded load at prediction."""

import heapq
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from textlattice.hashing import mix

ItemT = TypeVar("ItemT")


def balanced_batches(
    loads: Int[np.ndarray, " num_docs"], batch_size: int, *, seed: int, epoch: int
) -> list[Int[np.ndarray, " batch_docs"]]:
    """Batches of nearly equal load that hold every document once.

    Documents are taken longest first; each goes to the least loaded batch that has room. From the second epoch
    on the order is shuffled inside consecutive runs of one batch's size, so that batches differ from epoch to epoch;
    in the first it is shuffled among equal loads. The batches come in random order.

    Args:
        loads: Characters of each document.
        batch_size: Most documents a batch.
        seed: Seed of the order.
        epoch: Counted from 0; the order is a function of (seed, epoch).

    Source: CNN-GNN (arXiv 2507.07414), algorithm 1, with a heap and without dummy documents.
    """
    num_docs = len(loads)
    num_batches = -(-num_docs // batch_size)
    draw = np.random.default_rng(mix(seed, epoch))
    order = np.lexsort((draw.permutation(num_docs), -loads))
    if epoch:
        for start in range(0, num_docs, max(1, num_batches)):
            run = order[start : start + num_batches]
            order[start : start + num_batches] = draw.permutation(run)
    groups: list[list[int]] = [[] for _ in range(num_batches)]
    heap = [(0, group) for group in range(num_batches)]
    for doc in order.tolist():
        load, group = heapq.heappop(heap)
        groups[group].append(doc)
        if len(groups[group]) < batch_size:
            heapq.heappush(heap, (load + int(loads[doc]), group))
    return [np.array(groups[group]) for group in draw.permutation(num_batches)]


def bounded_batches(
    items: Iterable[ItemT], loads: Iterable[int], *, max_load: int, max_items: int
) -> Iterator[list[ItemT]]:
    """Consecutive items in batches of at most `max_load` and `max_items`; a heavier item goes alone.

    Streams: an item is taken only when its batch is due.
    """
    batch: list[ItemT] = []
    total = 0
    for item, load in zip(items, loads, strict=True):
        if batch and (total + load > max_load or len(batch) == max_items):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += load
    if batch:
        yield batch
