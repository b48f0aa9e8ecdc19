"""Edges between units that are alike: the nearest by cosine within a window, open by degrees."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

_SHUT = -2.0  # below any cosine


@torch.no_grad()
def similar_units(
    features: Float[Tensor, "num_units channels"],
    windows: Int[Tensor, "num_windows width"],
    filled: Bool[Tensor, "num_windows width"],
    *,
    num_similar: int,
    threshold: float,
    temperature: float,
) -> tuple[Int[Tensor, "num_places num_similar"], Float[Tensor, "num_places num_similar"]]:
    """For each place of the windows, row by row, the units most like its unit, and how far the edge to each is open.

    With c the cosine and c_(k+1) the best that is not among the k, w_j = clip((c_j - max(c_(k+1), threshold)) /
    temperature, 0, 1), so that a tie, or a rounding difference, changes nothing. No gradient flows.

    Args:
        features: Of each unit.
        windows: Units that are compared with one another, a row a window.
        filled: False where a place of `windows` holds no unit.
        num_similar: k, edges a unit.
        threshold: Cosine from which on an edge opens.
        temperature: Difference of cosines at which an edge is wholly open.
    """
    width = windows.shape[1]
    unit = F.normalize(features, dim=1).index_select(0, windows.reshape(-1))
    unit = unit.view(*windows.shape, features.shape[1])
    cosine = unit @ unit.transpose(1, 2)
    itself = torch.eye(width, dtype=torch.bool, device=filled.device)
    cosine = cosine.masked_fill(itself | ~filled[:, None, :], _SHUT)
    cosine = F.pad(cosine, (0, max(num_similar + 1 - width, 0)), value=_SHUT)
    best, slots = cosine.topk(num_similar + 1, dim=2)
    least = best[:, :, -1:].clamp(min=threshold)
    openness = ((best[:, :, :-1] - least) / temperature).clamp(0, 1)
    similar = windows[:, None, :].expand(-1, width, -1).gather(2, slots[:, :, :-1].clamp(max=width - 1))
    return similar.reshape(-1, num_similar), openness.reshape(-1, num_similar)
