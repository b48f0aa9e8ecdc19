"""The small world of tokens."""

import math
from dataclasses import dataclass
from typing import Literal

from textlattice.config.checks import MOST, require, require_at_most, require_seed

RandomEdges = Literal["affine", "uniform"]

MAX_DEGREE = 256
"""Most neighbours of a token, so that no folder can ask for more memory than a machine has."""
MAX_DISTANCE = 1_000_000_000
"""Longest distance on the ring of a document, in tokens."""


@dataclass(frozen=True, kw_only=True)
class GraphConfig:
    """Which tokens listen to which, for the two blocks.

    Args:
        lattice_offsets: Distances on the ring of a document, one tuple a block; each gives two neighbours.
        num_random_edges: Random neighbours per token, one number a block.
        random: `affine` permutations (closed-form inverse) or `uniform` independent draws.
        num_kept_edges: Strongest edges of block 1 that block 2 listens to as well; 0 turns rewiring off.
        keep_temperature: Width of the gate that opens for a kept edge, in natural-log units of attention.
        seed: Seed of the random neighbours at prediction.
    """

    lattice_offsets: tuple[tuple[int, ...], ...] = ((1, 2, 3, 4), (2, 4, 6, 8))
    num_random_edges: tuple[int, ...] = (2, 2)
    random: RandomEdges = "affine"
    num_kept_edges: int = 2
    keep_temperature: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        require(
            len(self.lattice_offsets) == len(self.num_random_edges) == 2,
            f"graph.lattice_offsets and graph.num_random_edges need one entry for each of the 2 blocks, "
            f"got {len(self.lattice_offsets)} and {len(self.num_random_edges)}.",
        )
        for offsets in self.lattice_offsets:
            require(
                all(0 < d <= MAX_DISTANCE for d in offsets) and len(set(offsets)) == len(offsets),
                f"graph.lattice_offsets must be distinct distances in 1..{MAX_DISTANCE}, got {offsets}.",
            )
        require(
            min(self.num_random_edges) >= 0,
            f"graph.num_random_edges must not be negative, got {self.num_random_edges}.",
        )
        degree = max(self.degree(0), self.degree(1))
        require(
            degree <= MAX_DEGREE,
            f"graph: a token may have {MAX_DEGREE} neighbours, itself included, got {degree}; take fewer "
            "lattice_offsets or num_random_edges.",
        )
        require(
            0 <= self.num_kept_edges < self.degree(0),
            f"graph.num_kept_edges must lie in 0..{self.degree(0) - 1} (the degree of block 1 less one), "
            f"got {self.num_kept_edges}.",
        )
        require(
            1e-6 <= self.keep_temperature < math.inf,
            f"graph.keep_temperature must be finite and at least 1e-6, got {self.keep_temperature}.",
        )
        require_at_most("graph", self, MOST, "keep_temperature")
        require_seed("graph.seed", self.seed)

    def degree(self, block: int) -> int:
        """Slots per token in the neighbour table of a block: lattice both ways, random, self."""
        return 2 * len(self.lattice_offsets[block]) + self.num_random_edges[block] + 1

    def random_slots(self, block: int) -> slice:
        """Where the random neighbours of a token stand in the neighbour table of a block: behind all others."""
        return slice(self.degree(block) - self.num_random_edges[block], self.degree(block))
