"""The formulas of the small world: for each slot of a document, the map from a token to its neighbour.

Every slot but those of independent (`uniform`) draws is a permutation `i -> (a * i + b) mod n` of the n
tokens of a document: the token itself (a = 1, b = 0), the lattice (a = 1, b = +-d), and random edges (a and
b drawn by a hash). Nothing is stored, in-degree equals out-degree, and the inverse is a map of the same kind.

Not here: tables over a batch (`neighbours.py`).
"""

from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, UInt64

from textlattice.hashing import splitmix64

AffineMap = tuple[int, int]  # multiplier a, shift b, both in 0..n-1; a = 0 marks a slot without a map
VOID: AffineMap = (0, 0)

LONGEST_LISTED = 4096  # tokens; up to here all valid multipliers of a length are listed once
WINDOW = 64  # candidates looked at together in longer documents


def graph_keys(
    seed: int, block: int, lengths: Int[np.ndarray, " num_docs"], salt: int = 0
) -> UInt64[np.ndarray, " num_docs"]:
    """Hash keys that decide the random edges of documents of these lengths.

    Args:
        seed: Seed of the graphs, any integer (taken modulo 2^64).
        block: Attention block, 0 or 1.
        lengths: Tokens per document, at least 0.
        salt: 0 at prediction; another number for each training step.
    """
    state = np.zeros(1, np.uint64)
    for part in (seed, block, salt):
        state = splitmix64(state ^ np.uint64(part % 2**64))
    return splitmix64(state ^ lengths.astype(np.uint64))


def graph_key(seed: int, block: int, length: int, salt: int = 0) -> int:
    """The hash key of one document length, in 0..2^64-1; see `graph_keys`."""
    return int(graph_keys(seed, block, np.array([length]), salt)[0])


def is_valid_multiplier(
    candidates: Int[np.ndarray, " num_candidates"], length: int
) -> Bool[np.ndarray, " num_candidates"]:
    """Whether `i -> candidate * i + b` makes good random edges in a document of `length` tokens.

    It must be a permutation (coprime) and lie in n/8 .. 7n/8, for a small step acts like a lattice; and none
    of its first four multiples may come within min(8, n // 40) of a multiple of n, for near n/2, n/3, n/4 a
    few steps together act like a lattice again. Lengths below 5 have no valid multiplier.
    """
    valid = (8 * candidates >= length) & (8 * candidates <= 7 * length)
    valid &= np.gcd(candidates, length) == 1
    for multiple in (1, 2, 3, 4):
        remainders = multiple * candidates % max(length, 1)
        valid &= np.minimum(remainders, length - remainders) > min(8, length // 40)
    return valid


@lru_cache(maxsize=LONGEST_LISTED + 1)
def valid_multipliers(length: int) -> Int[np.ndarray, " num_valid"]:
    """All valid multipliers of a length, ascending."""
    candidates = np.arange(length)
    found = candidates[is_valid_multiplier(candidates, length)].astype(np.int16)
    found.flags.writeable = False
    return found


def _draw_multipliers(length: int, draws: list[int]) -> list[int]:
    """Distinct valid multipliers, one for each 64-bit draw as far as there are enough."""
    chosen: list[int] = []
    if length > LONGEST_LISTED:
        for draw in draws:
            chosen.append(_next_valid(draw % length, length, chosen))
        return chosen
    listed = valid_multipliers(length)
    moved: dict[int, int] = {}  # a Fisher-Yates shuffle that touches only what it draws
    for last, draw in zip(range(len(listed) - 1, -1, -1), draws, strict=False):
        place = draw % (last + 1)
        chosen.append(int(listed[moved.get(place, place)]))
        moved[place] = moved.get(last, last)
    return chosen


def _next_valid(start: int, length: int, taken: list[int]) -> int:
    """The first valid multiplier from `start` on, around the ring, that is not taken."""
    while True:
        candidates = (start + np.arange(WINDOW)) % length
        for candidate in candidates[is_valid_multiplier(candidates, length)].tolist():
            if candidate not in taken:
                return int(candidate)
        start += WINDOW


def affine_maps(
    length: int, num_maps: int, key: int
) -> tuple[Int[np.ndarray, " num_maps"], Int[np.ndarray, " num_maps"]]:
    """Multipliers and shifts of the random edges of one document: slot r joins i to (a_r * i + b_r) mod n.

    In a document of even length every multiplier is odd, so a map with an even shift keeps the parity of i,
    as an even lattice does; shifts therefore alternate odd, even, odd, ..., and the document stays in one
    piece. The multipliers of a document differ.

    Args:
        length: Tokens of the document.
        num_maps: Random edges per token.
        key: 64-bit number that decides the draw; see `graph_key`.

    Returns:
        Two int64 arrays. Multiplier 0 marks a void slot: a short document has too few valid multipliers.
    """
    drawn = _draw_affine_maps(length, num_maps, key)
    return (
        np.array([a for a, _ in drawn], np.int64),
        np.array([b for _, b in drawn], np.int64),
    )


def _draw_affine_maps(length: int, num_maps: int, key: int) -> list[AffineMap]:
    draws = splitmix64(np.uint64(key) ^ np.arange(2 * num_maps, dtype=np.uint64)).tolist()
    multipliers = _draw_multipliers(length, draws[:num_maps])
    maps = []
    for slot, (multiplier, draw) in enumerate(zip(multipliers, draws[num_maps:], strict=False)):
        shift = draw % length if length % 2 else 2 * (draw % (length // 2)) + (1 - slot % 2)
        maps.append((multiplier, shift))
    return maps + [VOID] * (num_maps - len(maps))


def slot_maps(
    length: int,
    key: int,
    *,
    lattice_offsets: tuple[int, ...],
    num_random_edges: int,
    random: Literal["affine", "uniform"],
    self_slot: bool,
) -> list[AffineMap]:
    """The map of every slot of one document: self, lattice +d1, -d1, +d2, -d2, ..., random.

    A document that is too short for its slots (n - 1 <= slots besides self) connects each token to all
    others by the maps i + 1 + slot instead; what these repeat is voided with all other repeats. A random slot
    without a map points at the token itself. With `random="uniform"` the random slots of longer documents do
    so too, until `neighbours.py` fills them.

    Source: CNN-GNN (arXiv 2507.07414), equations 3-6; affine maps and the rule for short documents are ours.
    """
    own: list[AffineMap] = [(1, 0)] if self_slot else []
    num_others = 2 * len(lattice_offsets) + num_random_edges
    if length - 1 <= num_others:
        return own + [(1, (1 + slot) % max(length, 1)) for slot in range(num_others)]
    lattice = [(1, sign * offset % length) for offset in lattice_offsets for sign in (1, -1)]
    if random == "affine":
        drawn = _draw_affine_maps(length, num_random_edges, key) if num_random_edges else []
    else:
        drawn = [VOID] * num_random_edges
    return own + lattice + [(1, 0) if affine == VOID else affine for affine in drawn]


def inverse_map(affine: AffineMap, length: int) -> AffineMap:
    """The map that undoes `affine` among `length` tokens."""
    multiplier, shift = affine
    undo = 1 if multiplier == 1 else pow(multiplier, -1, length)
    return undo, -undo * shift % max(length, 1)
