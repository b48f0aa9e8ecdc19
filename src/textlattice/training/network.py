"""The network, trained on its own loss: steps, schedule, average of weights, time budget."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from textlattice.batch.collators import BatchMaker
from textlattice.batch.sampler import balanced_batches, bounded_batches
from textlattice.batch.text_batch import map_arrays
from textlattice.config import TrainConfig
from textlattice.errors import TrainingError
from textlattice.hashing import mix
from textlattice.models.classifier import Classifier, WideAndDeep
from textlattice.progress import Progress
from textlattice.runtime.predictor import MAX_DOCUMENTS, MAX_TOKENS
from textlattice.text.document import Document
from textlattice.training.checkpoint import Checkpoint
from textlattice.training.documents import character_counts, token_counts
from textlattice.training.noise import Noise
from textlattice.training.objectives import Objective
from textlattice.training.optim import (
    WeightAverage,
    adamw,
    clip_gradients,
    learned_state,
    rate_factor,
    restore_learned,
)

_TIMED_STEPS = range(5, 26)
_NORM_DOCUMENTS, _NORM_TOKENS = 256, 1 << 18  # read once, before the first step
_FORWARD_SHARE = 0.35  # of the time of a step, for a document that is only read


@dataclass
class Budget:
    """Time that training may take, all in seconds on the monotonic clock.

    Args:
        minutes: Budget in minutes, or None for no limit.
        start: When it began to run.
    """

    minutes: float | None
    start: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    @property
    def seconds(self) -> float:
        """The whole budget; infinite without a limit."""
        return math.inf if self.minutes is None else 60 * self.minutes

    @property
    def left(self) -> float:
        """Seconds until the budget is spent; never negative."""
        return max(0.0, self.seconds - self.elapsed)

    @property
    def overspent(self) -> bool:
        """Whether 1.2 times the budget is spent, where training stops at once."""
        return self.elapsed > 1.2 * self.seconds


@dataclass
class NetworkRecord:
    """What happened in one training of the network.

    Args:
        total_steps: Length of the schedule.
        steps: Steps that were made.
        seconds: Time they took, selection passes included.
        stopped: Why training ended before the schedule did, or None.
        diverged: Whether it ended because a number was not finite.
        step_losses: Loss of each step.
    """

    total_steps: int
    steps: int = 0
    seconds: float = 0.0
    stopped: str | None = None
    diverged: bool = False
    step_losses: list[float] = field(default_factory=list)


@dataclass
class _Reached:
    """How far a training has come.

    Args:
        epoch: The one that is under way, from 0.
        losses: Of its steps so far.
        timings: Seconds of the steps that were timed.
        ended: Whether no step is left to make.
    """

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    timings: list[float] = field(default_factory=list)
    ended: bool = False


def train_network(
    model: Classifier,
    collator: BatchMaker,
    documents: Sequence[Document],
    targets: Shaped[np.ndarray, " num_docs *labels"],
    weights: Float[Tensor, " num_docs *labels"],
    config: TrainConfig,
    *,
    objective: Objective,
    total_steps: int,
    stop_epoch: int | None = None,
    budget: Budget,
    budget_shares: float | None = 1.0,
    held_out_share: float = 0.0,
    on_epoch: Callable[[int, float], bool],
    progress: Progress,
    noise: Noise | None = None,
    checkpoint: Checkpoint | None = None,
    name: str = "network",
) -> NetworkRecord:
    """Trains the network in place; at each call of `on_epoch` the model holds the averaged weights.

    Every random number is drawn from (seed, epoch) or (seed, step), so the same settings give the same weights, and a
    training that continues from a checkpoint ends with those of one that was never cut.

    Args:
        model: Its wide branch is neither read nor changed.
        collator: Makes the batches.
        documents: None of them empty.
        targets: Place of the label of each, or which labels it has.
        weights: Weight of each in the loss, or of each of its labels.
        config: Settings.
        objective: The loss; its parameters are trained too.
        total_steps: Length of the schedule.
        stop_epoch: Epoch after which to stop, of the same schedule; None runs it to its end.
        budget: Time limit.
        budget_shares: Trainings like this one that the budget must still pay for, this one included; the schedule is
            then shortened once, after step 25, if the time asks for it. None keeps the schedule.
        held_out_share: Rows read at each selection pass, per row trained on.
        on_epoch: Called with (epoch from 1, mean loss) after each epoch and after the last step; False stops, and so
            does a TrainingError, which says that a number was not finite.
        progress: Told of each step.
        noise: Spoils some documents of each step; None leaves all as they are.
        checkpoint: Written after an epoch or a step when it is due; where it holds this training, that goes on. What
            `on_epoch` changes must be in its stages.
        name: What this training is called in the checkpoint.
    """
    checkpoint = checkpoint or Checkpoint()
    record = NetworkRecord(total_steps=total_steps)
    loads = character_counts(documents)
    steps_per_epoch = -(-len(documents) // config.batch_size)
    optimiser = adamw(
        nn.ModuleList([model, objective]),
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        betas=config.betas,
        tuned=model.tuned(),
        tune_rate=config.tune_rate,
    )
    average = WeightAverage(model, config.ema_decay)
    reached = _Reached()
    if (saved := checkpoint.take_network(name)) is not None:
        restore_learned(model, optimiser, average, saved["learned"])
        record = NetworkRecord(**saved["record"] | {"step_losses": saved["step_losses"].tolist()})
        reached = _Reached(**saved["reached"])
    started = time.monotonic() - record.seconds
    timings, step = reached.timings, record.steps

    def select(epoch: int, losses: list[float]) -> bool:
        average.swap()
        model.eval()
        try:
            return on_epoch(epoch, float(np.mean(losses)))
        except TrainingError as error:
            record.stopped, record.diverged = f"{error} in epoch {epoch}", True
            return False
        finally:
            model.train()
            average.swap()

    def save(epoch: int, losses: list[float], *, ended: bool = False) -> None:
        record.steps, record.seconds = step, time.monotonic() - started
        state = {
            "learned": learned_state(model, optimiser, average),
            "record": dataclasses.asdict(record) | {"step_losses": []},
            "step_losses": np.array(record.step_losses, np.float64),
            "reached": dataclasses.asdict(_Reached(epoch, losses, timings, ended)),
        }
        checkpoint.write(budget.elapsed, (name, state))

    def make(rows: np.ndarray, salt: int) -> Any:
        drawn = [documents[row] for row in rows]
        return _tensors(
            collator.collate_for_training(drawn if noise is None else noise.spoil(drawn, salt), salt)
        )

    model.train()
    if reached.ended:
        return record
    progress.begin("training", total_steps)
    if step:
        progress.advance(step, total=record.total_steps)
    with ThreadPoolExecutor(1) as collating:
        for epoch in range(reached.epoch, -(-total_steps // steps_per_epoch)):
            order = balanced_batches(loads, config.batch_size, seed=config.seed, epoch=epoch)
            draws = [
                (rows, mix(config.seed, epoch * steps_per_epoch + place)) for place, rows in enumerate(order)
            ]
            losses = reached.losses if epoch == reached.epoch else []
            before = time.monotonic()
            for rows, batch in _prefetched(collating, make, draws[len(losses) :]):
                factor = rate_factor(step, record.total_steps, config.halvings)
                for group in optimiser.param_groups:
                    group["lr"] = group["peak"] * factor
                truth = torch.from_numpy(targets[rows])
                loss = _step(model, objective, batch, truth, weights[rows], config, step, optimiser)
                if not math.isfinite(loss):
                    record.stopped = f"the loss or its gradient was not finite at step {step + 1}"
                    record.diverged = True
                    break
                average.update()
                losses.append(loss)
                step += 1
                now = time.monotonic()
                if step in _TIMED_STEPS:
                    timings.append(now - before)
                before = now
                if step == _TIMED_STEPS[-1] and budget.minutes is not None and budget_shares is not None:
                    seconds = statistics.median(timings) * (1 + _FORWARD_SHARE * held_out_share)
                    affordable = int(0.8 * budget.left / budget_shares / seconds)
                    record.total_steps = min(record.total_steps, step + affordable)
                progress.advance(1, loss=loss, total=record.total_steps)
                if budget.overspent:
                    record.stopped = f"the time budget of {budget.minutes:g} minutes was overspent"
                if step >= record.total_steps or record.stopped:
                    break
                if checkpoint.due():
                    save(epoch, losses)
            record.steps, record.seconds = step, time.monotonic() - started
            record.step_losses += losses
            more = bool(losses) and select(epoch + 1, losses)
            ended = not more or bool(record.stopped) or step >= record.total_steps or epoch + 1 == stop_epoch
            if checkpoint.due(epoch_ended=True):
                save(epoch + 1, [], ended=ended)
            if ended:
                break
    progress.end()
    record.seconds = time.monotonic() - started
    return record


def _prefetched(
    collating: ThreadPoolExecutor,
    make: Callable[[np.ndarray, int], Any],
    draws: list[tuple[np.ndarray, int]],
) -> Iterator[tuple[np.ndarray, Any]]:
    """Rows and batch of each draw, the next one being collated while the present one is trained on."""
    coming = [collating.submit(make, *draw) for draw in draws[:1]]
    for place, (rows, _) in enumerate(draws):
        batch = coming.pop().result()
        if place + 1 < len(draws):
            coming.append(collating.submit(make, *draws[place + 1]))
        yield rows, batch


def network_logits(
    model: Classifier, collator: BatchMaker, documents: Sequence[Document]
) -> Float[np.ndarray, "num_docs num_outputs"]:
    """Logits of the network alone, in evaluation mode.

    Raises:
        TrainingError: One is not finite.
    """
    assert not model.training
    logits = _read(collator, documents, model.deep_logits).numpy().astype(np.float64)
    if not np.isfinite(logits).all():
        raise TrainingError("the network's logits must be finite, got NaN or infinity")
    return logits


def begin_norms(
    model: WideAndDeep, collator: BatchMaker, documents: Sequence[Document], *, seed: int
) -> None:
    """Begins the norms with some documents, as the untrained network reads them.

    They are read as in training, for dropout shifts the largest values by more than documents differ.

    Args:
        model: Before its first step, its tables filled.
        collator: Makes the batches.
        documents: To draw from; of those drawn the first that have so many tokens together are read.
        seed: Of the draws.
    """
    drawn = np.random.default_rng(seed).permutation(len(documents))[:_NORM_DOCUMENTS]
    fitting = drawn[np.cumsum(token_counts(documents)[drawn]) <= _NORM_TOKENS]
    if len(fitting):
        sample = [documents[row] for row in fitting.tolist()]
        model.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model.begin_norms(partial(_read, collator, sample))


def _read(collator: BatchMaker, documents: Sequence[Document], part: Callable[[Any], Tensor]) -> Tensor:
    """What a part of the model makes of batches, a row a document."""
    rows = []
    for batch in bounded_batches(
        documents,
        map(int, token_counts(documents)),
        max_load=MAX_TOKENS,
        max_items=MAX_DOCUMENTS,
    ):
        with torch.inference_mode():
            rows.append(part(_tensors(collator.collate(batch))))
    return torch.cat(rows)


def _step(
    model: Classifier,
    objective: Objective,
    batch: Any,
    targets: Tensor,
    weights: Tensor,
    config: TrainConfig,
    step: int,
    optimiser: torch.optim.Optimizer,
) -> float:
    """One step of the optimiser; the loss before it, NaN if the gradient is not finite: then nothing changes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(config.seed, step))
        logits = model.deep_logits(batch)
    loss = objective(logits, targets, weights)
    value = loss.item()
    if math.isfinite(value):
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if not math.isfinite(
            clip_gradients([*model.parameters(), *objective.parameters()], config.clip).item()
        ):
            return math.nan
        optimiser.step()
    return value


def _tensors(batch: Any) -> Any:
    return map_arrays(batch, torch.from_numpy)
