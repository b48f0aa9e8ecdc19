"""Which edges a model keeps from block 1 for block 2: the long-range links it found worth hearing again."""

from dataclasses import dataclass
from typing import Literal

import torch

from textlattice.batch.collate import Collator
from textlattice.batch.text_batch import map_arrays
from textlattice.models.cnn_gnn import CnnGnnClassifier, GraphBlocks
from textlattice.text.document import Document

EdgeKind = Literal["self", "all", "lattice", "random"]


@dataclass(frozen=True, kw_only=True)
class KeptEdge:
    """An edge of block 1 that block 2 hears as well.

    Args:
        token: The token that listens.
        neighbour: The token it listens to.
        openness: How far the edge is open, in (0, 1].
        kind: `lattice` or `random`; `self` for a token that keeps hearing itself; `all` in a document so
            short that every token hears every other.
    """

    token: int
    neighbour: int
    openness: float
    kind: EdgeKind


def kept_edges(model: CnnGnnClassifier, collator: Collator, document: Document) -> list[KeptEdge]:
    """The kept edges that are open, by token, the strongest first; none for a model without rewiring.

    Args:
        model: In evaluation mode.
        collator: Makes its batches.
        document: One text; an empty one has no edges.
    """
    blocks = model.blocks
    if not isinstance(blocks, GraphBlocks) or not document.num_tokens:
        return []
    batch = map_arrays(collator.collate([document]), torch.from_numpy)
    graph = batch.graph1
    with torch.inference_mode():
        tokens = model.read_tokens(batch, model.encode_forms(batch.forms))
        _, kept, openness = blocks.keep(tokens, batch.documents, graph)
        is_slot = (kept[:, :, None] == graph.neighbours[:, None, :]) & graph.mask[:, None, :]
        slots = is_slot.to(torch.uint8).argmax(2)
    kinds = _slot_kinds(collator, document.num_tokens)
    return [
        KeptEdge(token=token, neighbour=neighbour, openness=width, kind=kinds[slot])
        for token, rows in enumerate(zip(kept.tolist(), openness.tolist(), slots.tolist(), strict=True))
        for neighbour, width, slot in zip(*rows, strict=True)
        if width > 0
    ]


def _slot_kinds(collator: Collator, num_tokens: int) -> list[EdgeKind]:
    """What kind of edge each slot of block 1 holds."""
    num_lattice, num_random = 2 * len(collator.graph.lattice_offsets[0]), collator.graph.num_random_edges[0]
    kinds: list[EdgeKind] = ["self"]
    if num_tokens - 1 <= num_lattice + num_random:
        return kinds + ["all"] * (num_lattice + num_random)
    return kinds + ["lattice"] * num_lattice + ["random"] * num_random
