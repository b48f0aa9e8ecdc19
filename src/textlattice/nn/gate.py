"""Kept edges: the strongest edges of one block, open by degrees to the next."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def keep_edges(
    neighbours: Int[Tensor, "num_tokens degree"],
    scores: Float[Tensor, "num_tokens degree num_heads"],
    num_kept: int,
    temperature: float,
) -> tuple[Int[Tensor, "num_tokens num_kept"], Float[Tensor, "num_tokens num_kept"]]:
    """The strongest neighbours of each token, and how far each is open.

    With s the mean score over heads and s_(k+1) the best score that is not kept,
    w_j = clip((s_j - s_(k+1)) / temperature, 0, 1): two edges that swap at a tie are both shut there,
    so a tie, or a rounding difference, changes nothing. A gradient flows through w.

    Args:
        neighbours: Table of the block that was just computed.
        scores: Its scores before the softmax, -1e4 in void slots.
        num_kept: k, less than the degree.
        temperature: Difference of scores at which an edge is wholly open, natural-log units.

    Source: CNN-GNN (arXiv 2507.07414), algorithm 2, whose hard top-k jumps at ties; the gate is ours.
    """
    strength = scores.mean(2)  # [num_tokens, degree]
    best, slots = strength.topk(num_kept + 1, dim=1)
    openness = ((best[:, :-1] - best[:, -1:]) / temperature).clamp(0, 1)
    return neighbours.gather(1, slots[:, :-1]), openness


def rewire(
    neighbours: Int[Tensor, "num_tokens degree"],
    mask: Bool[Tensor, "num_tokens degree"],
    kept: Int[Tensor, "num_tokens num_kept"],
    openness: Float[Tensor, "num_tokens num_kept"],
) -> tuple[Int[Tensor, "num_tokens degree+num_kept"], Float[Tensor, "num_tokens degree+num_kept"]]:
    """A new graph with kept edges behind its own: the table and the gate of each slot.

    A kept edge that the new graph holds already is void.
    """
    repeated = ((kept[:, :, None] == neighbours[:, None, :]) & (mask > 0)[:, None, :]).any(2)
    kept_gate = openness * ~repeated
    return torch.cat([neighbours, kept], 1), torch.cat([mask.to(openness.dtype), kept_gate], 1)
