"""Optimiser, schedule, average of weights, and the memory allocator that training needs."""

import ctypes
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from textlattice.models.classifier import Classifier

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # AdamW's own names


def adamw(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    tuned: Iterable[nn.Parameter] = (),
    tune_rate: float = 0.0,
) -> torch.optim.AdamW:
    """AdamW that decays matrices and tables but neither biases nor norms; each group keeps its peak rate as `peak`.

    Args:
        model: Its parameters are trained, frozen ones aside.
        learning_rate: Peak.
        weight_decay: Decoupled.
        betas: Moments.
        tuned: Those of the parameters that have a peak of their own.
        tune_rate: That peak.
    """
    own = {id(parameter) for parameter in tuned}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in own, parameter.ndim <= 1), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "weight_decay": 0.0 if is_vector else weight_decay,
            "peak": tune_rate if is_tuned else learning_rate,
        }
        for (is_tuned, is_vector), parameters in sorted(groups.items(), key=lambda group: group[0])
    ]
    return torch.optim.AdamW(settings, lr=learning_rate, betas=betas, fused=True)


def one_cycle(step: int, total: int, *, warm_up: float = 0.15) -> float:
    """Factor on the peak learning rate at a step: linear up to 1, then a cosine down to 0.

    Args:
        step: Counted from 0.
        total: Steps of the whole schedule.
        warm_up: Share of the steps that go up.
    """
    place = (step + 0.5) / total
    if place < warm_up:
        return place / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (place - warm_up) / (1 - warm_up))))


def rate_factor(step: int, total: int, halvings: Sequence[float]) -> float:
    """Factor on the learning rate at a step: a half for each halving that lies behind, or one cycle without any.

    Args:
        step: Counted from 0.
        total: Steps of the whole schedule.
        halvings: Shares of the schedule.
    """
    if not halvings:
        return one_cycle(step, total)
    return float(0.5 ** sum(step >= share * total for share in halvings))


class WeightAverage:
    """Exponential moving average of a model's parameters.

    The decay rises with the number of updates, min(decay, (1 + n) / (10 + n)), so the start is forgotten.

    Args:
        model: Its parameters are followed.
        decay: Share of the old average that stays at each update; 0 copies the newest weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.num_updates = 0
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the present weights."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the average and the present weights; twice is as before."""
        for parameter, average in zip(self.parameters, self.average, strict=True):
            present = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(present)


def learned_state(model: Classifier, optimiser: torch.optim.AdamW, average: WeightAverage) -> dict[str, Any]:
    """What the next step reads of the steps before: weights, moments, averages, also those that norms run.

    Views, to be written at once. Parameters that never had a gradient stand as they were built and are left out.
    """
    averages = {id(p): value for p, value in zip(average.parameters, average.average, strict=True)}
    norms = {name: value.numpy() for name, value in _norm_averages(model).items()}
    state: dict[str, Any] = {"num_updates": average.num_updates, "norms": norms}
    for place, parameter in enumerate(_parameters(optimiser)):
        if moments := optimiser.state.get(parameter):
            arrays = {"weight": parameter.detach(), **{name: moments[name] for name in _MOMENTS}}
            if id(parameter) in averages:
                arrays["average"] = averages[id(parameter)]
            state[str(place)] = {name: array.numpy() for name, array in arrays.items()}
    return state


@torch.no_grad()
def restore_learned(
    model: Classifier, optimiser: torch.optim.AdamW, average: WeightAverage, state: Mapping[str, Any]
) -> None:
    """Puts back what `learned_state` gave, into an optimiser and an average over parameters built as those were."""
    averages = {id(p): value for p, value in zip(average.parameters, average.average, strict=True)}
    average.num_updates = state["num_updates"]
    for name, value in _norm_averages(model).items():
        value.copy_(torch.from_numpy(state["norms"][name]))
    for place, parameter in enumerate(_parameters(optimiser)):
        if arrays := state.get(str(place)):
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            parameter.copy_(tensors["weight"])
            # cloned, so that they lie in memory as PyTorch lays it out
            optimiser.state[parameter] = {name: tensors[name].clone() for name in _MOMENTS}
            if "average" in tensors:
                averages[id(parameter)].copy_(tensors["average"])


def _norm_averages(model: Classifier) -> dict[str, Tensor]:
    """What training changes but no optimiser does."""
    parameters = {name for name, _ in model.named_parameters()}
    return {name: value for name, value in model.learned().items() if name not in parameters}


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def clip_gradients(parameters: Iterable[Tensor], largest: float) -> Tensor:
    """Scales gradients so that their joint norm is at most `largest`; gives the norm they had."""
    return nn.utils.clip_grad_norm_(parameters, largest, foreach=True)


def keep_freed_memory() -> None:
    """Tells glibc to keep large freed buffers for reuse, for this process.

    Training allocates and frees the same large buffers at every step; by default each comes fresh from the kernel
    and is faulted in page by page, which can cost half of a step. Elsewhere than glibc this does nothing.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        mmap_max, trim_threshold, top_pad = -4, -1, -2
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 256 * 2**20)
    except (OSError, AttributeError):
        return
