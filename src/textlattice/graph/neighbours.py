"""Tables of neighbours for a batch of documents: who listens to whom, which slots are void, and the inverse.

Not here: the formulas (`small_world.py`), scores or features.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Int32, Int64, UInt64

from textlattice.graph.small_world import AffineMap, graph_keys, inverse_map, slot_maps
from textlattice.hashing import splitmix64

BLOCK = 16_384  # tokens worked on at a time, so that the columns of a block stay in cache


@dataclass(frozen=True, kw_only=True)
class NeighbourTable:
    """The edges of a batch, a fixed number of slots per token.

    Args:
        neighbours: Row i holds the tokens that token i listens to, as places in the batch.
        mask: True where the slot is an edge. A void slot still points into its own document.
        inverse: `inverse[j, k]` is the token whose slot k points at j, void slots included: the backward
            pass of a gather along slot k is a gather along `inverse[:, k]`. Independent draws, which are the last
            slots, have none. None where it was not asked for.
    """

    neighbours: Int32[np.ndarray, "num_tokens degree"]
    mask: Bool[np.ndarray, "num_tokens degree"]
    inverse: Int32[np.ndarray, "num_tokens num_mapped"] | None


def neighbour_table(
    doc_ptr: Int[np.ndarray, " doc_bounds"],
    *,
    lattice_offsets: tuple[int, ...],
    num_random_edges: int,
    random: Literal["affine", "uniform"],
    seed: int,
    block: int,
    salt: int = 0,
    self_slot: bool = True,
    with_inverse: bool = False,
) -> NeighbourTable:
    """The neighbours of every token of a batch.

    A document's rows depend on its length and the settings alone. Slots in order: the token itself (if
    `self_slot`), lattice +d1, -d1, +d2, -d2, ..., random. In a document of n - 1 <= slots besides self, all
    tokens listen to all others instead. A slot is void where it repeats an earlier slot, and where it points
    at its own token (but for the self slot).

    Args:
        doc_ptr: Bounds of the documents in tokens, from 0; empty documents have no rows.
        lattice_offsets: Distances on the ring of a document, in tokens; each gives two neighbours.
        num_random_edges: Random neighbours per token.
        random: `affine` permutations, or `uniform` independent draws that never hit the token itself.
        seed: Seed of the random edges.
        block: Attention block; each has random edges of its own.
        salt: 0 at prediction; another number for each training step.
        self_slot: Whether slot 0 is the token itself.
        with_inverse: Whether to give `inverse`.

    Source: CNN-GNN (arXiv 2507.07414), equations 1-6; affine maps, short documents and voids are ours.
    """
    lengths = np.diff(doc_ptr)
    distinct, kind = np.unique(lengths, return_inverse=True)
    keys = graph_keys(seed, block, distinct, salt)
    maps = [
        slot_maps(
            length,
            key,
            lattice_offsets=lattice_offsets,
            num_random_edges=num_random_edges,
            random=random,
            self_slot=self_slot,
        )
        for length, key in zip(distinct.tolist(), keys.tolist(), strict=True)
    ]
    num_tokens = int(doc_ptr[-1]) if len(doc_ptr) else 0
    degree = int(self_slot) + 2 * len(lattice_offsets) + num_random_edges
    num_mapped = degree - (num_random_edges if random == "uniform" else 0)
    inverse_maps = [
        [inverse_map(affine, length) for affine in row[:num_mapped]]
        for length, row in zip(distinct.tolist(), maps if with_inverse else [], strict=with_inverse)
    ]
    neighbours = np.empty((num_tokens, degree), np.int32)
    mask = np.empty((num_tokens, degree), bool)
    inverse = np.empty((num_tokens, num_mapped), np.int32) if with_inverse else None
    doc_index = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    doc_starts, doc_sizes = doc_ptr.astype(np.int32), lengths.astype(np.int32)
    for first in range(0, num_tokens, BLOCK):
        rows = slice(first, min(first + BLOCK, num_tokens))
        docs = doc_index[rows]
        starts, sizes, kinds = doc_starts[docs], doc_sizes[docs], kind[docs]
        places = np.arange(rows.start, rows.stop, dtype=np.int32) - starts
        columns = _follow(maps, places, sizes, kinds)
        if random == "uniform" and num_random_edges:
            is_long = sizes - 1 > degree - self_slot
            drawn = _draw_uniform(num_random_edges, places, sizes, keys[kinds])
            columns[-num_random_edges:] = np.where(is_long, drawn, columns[-num_random_edges:])
        mask[rows] = _first_visits(columns, places, self_slot).T
        neighbours[rows] = (columns + starts).T
        if inverse is not None:
            inverse[rows] = (_follow(inverse_maps, places, sizes, kinds) + starts).T
    return NeighbourTable(neighbours=neighbours, mask=mask, inverse=inverse)


def _follow(
    maps: list[list[AffineMap]],
    places: Int32[np.ndarray, " rows"],
    sizes: Int32[np.ndarray, " rows"],
    kinds: Int[np.ndarray, " rows"],
) -> Int32[np.ndarray, "degree rows"]:
    """Where the map of each slot leads, as a place in the document."""
    table = np.array(maps, np.int64).reshape(len(maps), len(maps[0]), 2)
    columns = np.empty((table.shape[1], len(places)), np.int32)
    for slot, column in enumerate(columns):
        multipliers, shifts = table[:, slot].T
        if (multipliers == 1).all():  # a step along the ring: no division
            np.add(places, shifts.astype(np.int32)[kinds], out=column)
            column -= sizes * (column >= sizes)
        else:  # products of places pass 2^31 from 46,342 tokens on
            column[:] = (places * multipliers[kinds] + shifts[kinds]) % sizes
    return columns


def _draw_uniform(
    num_random_edges: int,
    places: Int32[np.ndarray, " rows"],
    sizes: Int32[np.ndarray, " rows"],
    keys: UInt64[np.ndarray, " rows"],
) -> Int32[np.ndarray, "num_random_edges rows"]:
    """Independent random places in the same document, never the token's own if it has another."""
    slots = np.arange(num_random_edges)[:, None]
    counters = (places.astype(np.int64) * num_random_edges + slots).astype(np.uint64)
    draws = splitmix64(splitmix64(counters) ^ keys)
    steps = 1 + (draws % np.maximum(sizes - 1, 1).astype(np.uint64)).astype(np.int64)
    return ((places + steps) % sizes).astype(np.int32)


def _first_visits(
    columns: Int32[np.ndarray, "degree rows"], places: Int32[np.ndarray, " rows"], self_slot: bool
) -> Bool[np.ndarray, "degree rows"]:
    """True where a slot leads to a token that neither an earlier slot nor standing still leads to."""
    mask = columns != places
    for slot in range(1, len(columns)):
        for earlier in range(int(self_slot), slot):
            mask[slot] &= columns[slot] != columns[earlier]
    if self_slot:
        mask[0] = True
    return mask


def edge_index(table: NeighbourTable) -> Int64[np.ndarray, "2 num_edges"]:
    """The valid slots as an edge list: row 0 the neighbour (source), row 1 the listener (target)."""
    target, slot = np.nonzero(table.mask)
    return np.stack([table.neighbours[target, slot].astype(np.int64), target.astype(np.int64)])
