"""Tokens to units of growing size: which unit is part of which, whom units hear, and where to look for similar ones."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Int32

from textlattice.batch.pyramid_batch import DocumentNodes, Scale, Units, Windows
from textlattice.batch.text_batch import Documents
from textlattice.config import ADJACENT
from textlattice.graph.neighbours import NeighbourTable

Array = np.ndarray
WHOLE, WINDOW = 256, 128
"""Units up to which a scale of a document is one window, and the width of the windows of a longer one."""
WIDTHS = (8, 16, 32, 64, 128, WHOLE)
"""Most units of a window, by class."""


def make_scales(
    doc_ptr: Int32[Array, " doc_bounds"],
    num_scales: int,
    sentences: Int32[Array, " num_tokens"] | None = None,
) -> tuple[Scale[Array], ...]:
    """The scales of a batch: each unit is made of two of the scale below, the last of a document perhaps of one.

    A document with fewer than two units in a scale has none in those above. With sentences no unit is part of two of
    them, and the units of the highest scale are the sentences.

    Args:
        doc_ptr: Bounds of the documents in tokens.
        num_scales: Scales, that of the tokens included.
        sentences: The sentence of each token, ascending over the whole batch, so that no two documents share one.

    Source: MSF-GNN (arXiv 2511.05752), multi-level features; the sizes are ours.
    """
    num_docs, num_tokens = len(doc_ptr) - 1, int(doc_ptr[-1])
    owner = np.repeat(np.arange(num_docs, dtype=np.int32), np.diff(doc_ptr))
    segment = owner if sentences is None else sentences  # that no unit crosses
    token_unit = np.arange(num_tokens, dtype=np.int32)
    scales: list[Scale[Array]] = []
    num_children = np.ones(num_tokens, np.int32)
    for number in range(num_scales):
        counts = np.bincount(owner, minlength=num_docs)
        num_units = len(owner)
        has_parent = (counts >= 2)[owner] if number + 1 < num_scales else np.zeros(num_units, bool)
        size = len(segment) + 1 if sentences is not None and number + 2 == num_scales else 2
        parent, first = _parents(segment, has_parent, size)
        scales.append(
            Scale(
                documents=Documents(
                    doc_ptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32), doc_index=owner
                ),
                num_children=num_children,
                num_tokens=np.bincount(token_unit, minlength=num_units + 1)[:num_units].astype(np.int32),
                parent=parent,
                token_unit=token_unit,
            )
        )
        num_children = np.bincount(parent, minlength=len(first) + 1)[: len(first)].astype(np.int32)
        token_unit = np.append(parent, np.int32(len(first)))[token_unit]
        owner, segment = owner[first], segment[first]
    return tuple(scales)


def _parents(
    segment: Int[Array, " num_units"], has_parent: Bool[Array, " num_units"], size: int
) -> tuple[Int32[Array, " num_units"], Int[Array, " num_above"]]:
    """The unit above each unit, one past the last where there is none, and the first unit of each unit above."""
    starts = np.flatnonzero(np.append(True, segment[1:] != segment[:-1])) if len(segment) else segment
    lengths = np.diff(np.append(starts, len(segment)))
    place = np.arange(len(segment)) - np.repeat(starts, lengths)
    begins = has_parent & (place % size == 0)
    above = np.cumsum(begins) - 1
    return np.where(has_parent, above, begins.sum()).astype(np.int32), np.flatnonzero(begins)


def make_units(
    scales: Sequence[Scale[Array]],
    *,
    adjacent: bool = True,
    tree: bool = True,
    document: bool = False,
    num_children: int = 2,
    small_world: NeighbourTable | None = None,
) -> Units[Array]:
    """The units of all scales as nodes: each hears itself, those beside it in its scale, its parent and its children.

    Of more than `num_children` children it hears as many, evenly spread. A void slot points
    into its own document.

    Args:
        scales: From `make_scales`.
        adjacent: Whether units one and two away are heard.
        tree: Whether parent and children are.
        document: Whether the units of the highest scale of a document hear its node.
        num_children: Slots of children.
        small_world: Whom the tokens hear as well, without slots of their own; what they hear already is void.

    Source: MSF-GNN (arXiv 2511.05752), graph over fused features; the edges are ours.
    """
    starts = np.cumsum([0, *(len(scale.parent) for scale in scales)])
    nodes = np.arange(starts[-1])
    bounds = [scale.documents.doc_ptr for scale in scales]
    doc_index = np.concatenate([scale.documents.doc_index for scale in scales])
    parent, first, count = _family(scales, starts)
    slots, masks = [nodes], [np.ones(len(nodes), bool)]
    if adjacent:
        owner = doc_index + (np.repeat(np.arange(len(scales)), np.diff(starts)) << 32)
        for distance in (sign * distance for distance in ADJACENT for sign in (-1, 1)):
            other = np.clip(nodes + distance, 0, max(len(nodes) - 1, 0))
            valid = (nodes + distance == other) & (owner[other] == owner) if len(nodes) else masks[0]
            slots.append(np.where(valid, other, nodes))
            masks.append(valid)
    if tree:
        slots.append(np.where(parent >= 0, parent, nodes))
        masks.append(parent >= 0)
        for number in range(num_children):
            spread = np.where(count > num_children, number * count // num_children, number)
            slots.append(np.where(number < count, first + spread, nodes))
            masks.append(number < count)
    if document:
        slots.append(np.where(parent < 0, len(nodes) + doc_index, nodes))
        masks.append(parent < 0)
    if small_world is not None:
        for heard, is_edge in zip(small_world.neighbours.T, small_world.mask.T, strict=True):
            other, valid = nodes.copy(), np.zeros(len(nodes), bool)
            other[: len(heard)], valid[: len(heard)] = heard, is_edge
            for earlier, was_edge in zip(slots, masks, strict=True):
                valid &= ~(was_edge & (earlier == other))
            slots.append(other)
            masks.append(valid)
    neighbours, mask, documents = np.stack(slots, 1), np.stack(masks, 1), None
    if document:
        num_docs = len(bounds[0]) - 1
        neighbours, mask, documents = _with_documents(neighbours, mask, parent < 0, doc_index, num_docs)
        bounds.append(np.arange(num_docs + 1, dtype=np.int32))
    windows, place = _windows(bounds)
    return Units(
        neighbours=neighbours.astype(np.int32), mask=mask, windows=windows, place=place, documents=documents
    )


def _with_documents(
    neighbours: Int[Array, "num_units degree"],
    mask: Bool[Array, "num_units degree"],
    highest: Bool[Array, " num_units"],
    doc_index: Int32[Array, " num_units"],
    num_docs: int,
) -> tuple[Int[Array, "num_nodes degree"], Bool[Array, "num_nodes degree"], DocumentNodes[Array]]:
    """The table with a row a document, which hears through no slot but its own, and who its units are."""
    nodes = np.arange(len(mask), len(mask) + num_docs)
    own = np.zeros((num_docs, mask.shape[1]), bool)
    own[:, 0] = True
    tied = np.where(highest, doc_index, np.int32(num_docs))
    counts = np.bincount(tied, minlength=num_docs + 1)[:num_docs]
    return (
        np.concatenate([neighbours, np.repeat(nodes[:, None], mask.shape[1], 1)]),
        np.concatenate([mask, own]),
        DocumentNodes(doc_index=tied, num_units=np.maximum(counts, 1).astype(np.int32)),
    )


def _family(scales: Sequence[Scale[Array]], starts: Array) -> tuple[Array, Array, Array]:
    """Parent of each node, -1 without one, its first child, and how many it has."""
    num_tokens = len(scales[0].parent)
    parents, firsts, counts = [], [np.zeros(num_tokens, np.int64)], [np.zeros(num_tokens, np.int32)]
    for number, scale in enumerate(scales):
        num_above = starts[number + 2] - starts[number + 1] if number + 1 < len(scales) else 0
        children = np.flatnonzero(scale.parent < num_above)
        parent = np.full(len(scale.parent), -1, np.int64)
        parent[children] = scale.parent[children] + starts[number + 1]
        parents.append(parent)
        if number + 1 < len(scales):
            first = np.searchsorted(scale.parent[children], np.arange(num_above))
            firsts.append(children[first] + starts[number])
            counts.append(scales[number + 1].num_children)
    return np.concatenate(parents), np.concatenate(firsts), np.concatenate(counts)


def _windows(
    bounds: Sequence[Int32[Array, " doc_bounds"]],
) -> tuple[tuple[Windows[Array], ...], Int32[Array, " num_nodes"]]:
    """Units of a document and scale, all together up to `WHOLE`, else in windows of `WINDOW`; by classes of width.

    A window is filled up to the widest of its class, not of the batch: one long text among many short ones would
    multiply the work.

    Args:
        bounds: Of the documents in each scale, whose units follow those of the scale before.
    """
    starts = np.cumsum([0, *(ptr[-1] for ptr in bounds)])
    begins = np.concatenate([ptr[:-1] + start for ptr, start in zip(bounds, starts[:-1], strict=True)])
    lengths = np.concatenate([np.diff(ptr) for ptr in bounds])
    parts = np.where(lengths > WHOLE, -(-lengths // WINDOW), (lengths > 0).astype(lengths.dtype))
    number = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    first = np.repeat(begins, parts) + number * WINDOW
    most = np.where(np.repeat(parts, parts) > 1, WINDOW, WHOLE)
    sizes = np.minimum(np.repeat(begins + lengths, parts) - first, most)
    place = np.empty(starts[-1], np.int32)
    windows, offset, least = [], 0, 0
    for width in WIDTHS:
        chosen = (sizes > least) & (sizes <= width)
        columns = np.arange(int(sizes[chosen].max(initial=1)))
        filled = columns < sizes[chosen, None]
        units = np.where(filled, first[chosen, None] + columns, first[chosen, None]).astype(np.int32)
        place[units[filled]] = offset + np.flatnonzero(filled)
        windows.append(Windows(units=units, filled=filled))
        offset, least = offset + units.size, width
    return tuple(windows), place
