"""Which edges a model keeps from block 1 for block 2: the long-range links it found worth hearing again."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from textlattice.batch.collate import Collator
from textlattice.batch.published_collate import PublishedCollator
from textlattice.batch.text_batch import Graph, map_arrays
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.models.published import PublishedClassifier
from textlattice.text.document import Document

EdgeKind = Literal["self", "all", "lattice", "random"]


@dataclass(frozen=True, kw_only=True)
class KeptEdge:
    """An edge of block 1 that block 2 hears as well.

    Args:
        token: The token that listens.
        neighbour: The token it listens to.
        openness: How far the edge is open, in (0, 1]; 1 in the published model.
        kind: `lattice` or `random`; `self` for a token that keeps hearing itself; `all` in a document so
            short that every token hears every other.
    """

    token: int
    neighbour: int
    openness: float
    kind: EdgeKind


def kept_edges(
    model: CnnGnnClassifier | PublishedClassifier,
    collator: Collator | PublishedCollator,
    document: Document,
) -> list[KeptEdge]:
    """The kept edges that are open, by token, the strongest first; none for a model without rewiring.

    Those from and to the end token of the published model are left out.

    Args:
        model: In evaluation mode.
        collator: Makes its batches.
        document: One text; an empty one has no edges.
    """
    if not document.num_tokens:
        return []
    batch: Any = map_arrays(collator.collate([document]), torch.from_numpy)
    graph: Graph[Tensor] = batch.graph1
    with torch.inference_mode():
        kept, openness = model.kept_edges(batch)
        is_slot = (kept[:, :, None] == graph.neighbours[:, None, :]) & graph.mask[:, None, :]
        slots = is_slot.to(torch.uint8).argmax(2)
    kinds = _slot_kinds(collator, len(graph.neighbours))
    return [
        KeptEdge(token=token, neighbour=neighbour, openness=width, kind=kinds[slot])
        for token, rows in enumerate(zip(kept.tolist(), openness.tolist(), slots.tolist(), strict=True))
        for neighbour, width, slot in zip(*rows, strict=True)
        if width > 0 and max(token, neighbour) < document.num_tokens
    ]


def _slot_kinds(collator: Collator | PublishedCollator, num_nodes: int) -> list[EdgeKind]:
    """What kind of edge each slot of block 1 holds."""
    num_lattice, num_random = 2 * len(collator.graph.lattice_offsets[0]), collator.graph.num_random_edges[0]
    kinds: list[EdgeKind] = ["self"] if isinstance(collator, Collator) else []
    if num_nodes - 1 <= num_lattice + num_random:
        return kinds + ["all"] * (num_lattice + num_random)
    return kinds + ["lattice"] * num_lattice + ["random"] * num_random
