"""Figures of a graph of tokens: density, diameter, clustering and path length, and a null model to compare.

Sets of tokens are rows of bits, 64 to a word, so that a few thousand tokens take a second or two.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int64, UInt64

from textlattice.errors import ConfigError

WORDS = 16  # words of 64 target tokens that a breadth-first search carries at a time
EDGES = 65_536  # edges worked on at a time


@dataclass(frozen=True, kw_only=True)
class GraphStatistics:
    """Figures of a directed simple graph; self loops and repeated edges do not count.

    Args:
        num_tokens: Nodes.
        num_edges: Directed edges.
        degree: Mean number of tokens that a token listens to; 0 without tokens.
        density: Edges over ordered pairs of tokens; 0 below two tokens.
        strongly_connected: Whether every token reaches every other along the edges.
        diameter: Longest shortest path, in edges; None if not strongly connected.
        average_shortest_path: Mean over ordered pairs, in edges; None if not strongly connected.
        average_clustering: Mean over all tokens of the directed clustering coefficient, in [0, 1].
    """

    num_tokens: int
    num_edges: int
    degree: float
    density: float
    strongly_connected: bool
    diameter: int | None
    average_shortest_path: float | None
    average_clustering: float


def graph_statistics(edge_index: Int[np.ndarray, "2 num_edges"], num_tokens: int) -> GraphStatistics:
    """The figures of the directed graph with these edges, source row first.

    Time grows with edges * tokens / 64 (paths: times the diameter), memory with tokens^2 / 8 bytes.
    A graph of one token is connected with path length 0; so is, by convention, one without tokens.

    Source: Fagiolo (arXiv physics/0612169) for the clustering of directed graphs; a token that cannot have a
    triangle counts as 0.
    """
    source, target = _simple(edge_index, num_tokens)
    num_pairs = num_tokens * (num_tokens - 1)
    diameter, total = _distances(source, target, num_tokens)
    connected = diameter is not None
    return GraphStatistics(
        num_tokens=num_tokens,
        num_edges=len(source),
        degree=len(source) / max(num_tokens, 1),
        density=len(source) / max(num_pairs, 1),
        strongly_connected=connected,
        diameter=diameter,
        average_shortest_path=total / max(num_pairs, 1) if connected else None,
        average_clustering=_average_clustering(source, target, num_tokens),
    )


def random_edge_index(num_tokens: int, num_edges: int, seed: int) -> Int64[np.ndarray, "2 num_edges"]:
    """Distinct directed edges without self loops, all sets of `num_edges` equally likely.

    Raises:
        ConfigError: There are fewer than `num_edges` ordered pairs of tokens.
    """
    num_pairs = num_tokens * (num_tokens - 1)
    if not 0 <= num_edges <= num_pairs:
        raise ConfigError(
            f"num_edges must lie in 0..{num_pairs} (ordered pairs of {num_tokens} tokens), got {num_edges}."
        )
    generator = np.random.default_rng(seed)
    codes = generator.choice(num_pairs, num_edges, replace=False) if num_edges else np.empty(0, np.int64)
    source, rest = np.divmod(codes, max(num_tokens - 1, 1))
    return np.stack([source, rest + (rest >= source)])


def null_model(num_tokens: int, num_edges: int, seed: int) -> GraphStatistics:
    """The figures of a directed random graph with as many tokens and edges, to hold a small world against."""
    return graph_statistics(random_edge_index(num_tokens, num_edges, seed), num_tokens)


def _simple(
    edge_index: Int[np.ndarray, "2 num_edges"], num_tokens: int
) -> tuple[Int64[np.ndarray, " num_distinct"], Int64[np.ndarray, " num_distinct"]]:
    """Source and target of the distinct edges that are no self loops, sorted by source."""
    source, target = edge_index.astype(np.int64)
    codes = np.unique((source * num_tokens + target)[source != target])
    return codes // max(num_tokens, 1), codes % max(num_tokens, 1)


def _bit_rows(
    owner: Int64[np.ndarray, " num_edges"], member: Int64[np.ndarray, " num_edges"], num_tokens: int
) -> UInt64[np.ndarray, "num_tokens num_words"]:
    """The set of members of each owner, as bits."""
    rows = np.zeros((num_tokens, -(-num_tokens // 64)), np.uint64)
    np.bitwise_or.at(rows, (owner, member // 64), np.uint64(1) << (member % 64).astype(np.uint64))
    return rows


def _distances(
    source: Int64[np.ndarray, " num_edges"], target: Int64[np.ndarray, " num_edges"], num_tokens: int
) -> tuple[int | None, int]:
    """The diameter (None if some token is out of reach) and the sum of all shortest paths.

    All tokens search at once: what a token reaches in t + 1 steps is what its neighbours reach in t. Blocks
    of targets do not touch one another, so one block is carried to its end before the next begins.
    """
    every = np.arange(num_tokens)
    sources, targets = np.concatenate([source, every]), np.concatenate([target, every])
    order = np.argsort(sources, kind="stable")
    targets = targets[order]
    starts = np.searchsorted(sources[order], every)
    diameter = total = 0
    for first in range(0, num_tokens, 64 * WORDS):
        block = every[first : first + 64 * WORDS]
        reached = np.zeros((num_tokens, -(-len(block) // 64)), np.uint64)
        reached[block, (block - first) // 64] = np.uint64(1) << ((block - first) % 64).astype(np.uint64)
        missing = num_tokens * len(block) - len(block)
        steps = 0
        while missing:
            total += missing  # each pair that is still apart is one step longer
            reached = np.bitwise_or.reduceat(reached[targets], starts, axis=0)
            still_missing = num_tokens * len(block) - int(np.bitwise_count(reached).sum())
            if still_missing == missing:
                return None, 0
            missing = still_missing
            steps += 1
        diameter = max(diameter, steps)
    return diameter, total


def _average_clustering(
    source: Int64[np.ndarray, " num_edges"], target: Int64[np.ndarray, " num_edges"], num_tokens: int
) -> float:
    """Mean of (A + A')^3_ii / (2 [d (d - 1) - 2 d_both]), d = in- plus out-degree, d_both = two-way edges."""
    if not len(source):
        return 0.0
    forward = _bit_rows(source, target, num_tokens)
    backward = _bit_rows(target, source, num_tokens)
    layers = (forward | backward, forward & backward)  # A + A' is the sum of these two 0/1 matrices
    degree = np.bincount(source, minlength=num_tokens) + np.bincount(target, minlength=num_tokens)
    mutual = np.bitwise_count(layers[1]).sum(axis=1, dtype=np.int64)
    # (A + A')^3_ii sums, over both directions of every edge at i, the two-step walks between its ends.
    closed = np.zeros(num_tokens, np.int64)
    for first in range(0, len(source), EDGES):
        ends = source[first : first + EDGES], target[first : first + EDGES]
        walks = np.zeros(len(ends[0]), np.int64)
        for left in layers:
            for right in layers:
                shared = left[ends[0]] & right[ends[1]]
                walks += np.bitwise_count(shared).sum(axis=1, dtype=np.int64)
        for end in ends:
            np.add.at(closed, end, walks)
    possible = 2 * (degree * (degree - 1) - 2 * mutual)
    return float(np.mean(np.where(possible > 0, closed / np.maximum(possible, 1), 0.0)))
