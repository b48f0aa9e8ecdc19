"""How a model is trained."""

import math
from dataclasses import dataclass
from typing import Literal

from textlattice.config.checks import MOST, MOST_CHANNELS, changed, require, require_at_most, require_seed

_EPOCHS = 2
_SMALLEST_BATCH = 8
_MOST_HALVINGS = 1_000
_TUNE_RATES = {"none": 0.0, "lora": 3e-4, "full": 5e-5}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained; saved for the record, never needed to load.

    Args:
        wide: Whether the wide branch of `ngrams` stands beside the network, or `none` does.
        epochs: Passes over the fit rows; the schedule spans them. None takes 2, or as many as give `least_steps`.
        steps: Exact number of optimiser steps instead of epochs.
        max_minutes: Budget for everything after reading, in minutes.
        batch_size: Most documents per batch; batches carry equal numbers of characters.
        least_steps: With fewer steps than these, batches are smaller, down to 8 documents: few rows need small ones.
        learning_rate: Peak of the one-cycle schedule, or where the halvings begin.
        halvings: Shares of the schedule, in (0, 1), at which the rate is halved; none takes the one-cycle schedule.
        loss: Of a single label: `cross_entropy`, or `binary` cross entropy of each label by itself.
        focal: Exponent of the focal loss: the higher, the less rows count that are answered rightly; 0 turns it off.
        weight_decay: Decoupled weight decay of matrices and embedding rows.
        betas: Moments of AdamW.
        clip: Largest gradient norm.
        ema_decay: Decay of the exponential moving average of weights; 0 turns it off.
        label_smoothing: Mass spread over all classes.
        tune: What becomes of a pyramid's language model: `none` leaves it as it is, `lora` teaches each matrix of it a
            small addition, `full` changes all of its numbers.
        tune_learning_rate: Peak for the language model; None takes 3e-4 with `lora`, 5e-5 with `full`.
        lora_rank: Rank of the additions.
        tune_bfloat16: Whether the language model computes its training steps in bfloat16: faster on a processor with
            instructions for it, many times slower on another.
        noise: Share of the documents of each training step that the network reads from a spoiled text, in [0, 1); the
            wide branch, and the rows that choose and calibrate, stay as they are.
        word_vectors: What word rows begin as: vectors of `cooccurrence` in the fit rows, or `random` small numbers.
        class_weight: `balanced` weighs each class by the inverse of its frequency.
        patience: Epochs without a better selection loss, in the second half of the schedule, before training stops.
        seed: Seed of weights, row order, dropout and graph salts.
        threads: PyTorch threads; 0 keeps PyTorch's own choice.
    """

    wide: Literal["ngrams", "none"] = "ngrams"
    epochs: int | None = None
    steps: int | None = None
    max_minutes: float | None = None
    batch_size: int = 64
    least_steps: int = 900
    learning_rate: float = 2e-3
    halvings: tuple[float, ...] = ()
    loss: Literal["cross_entropy", "binary"] = "cross_entropy"
    focal: float = 0.0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    ema_decay: float = 0.99
    label_smoothing: float = 0.1
    tune: Literal["none", "lora", "full"] = "none"
    tune_learning_rate: float | None = None
    lora_rank: int = 8
    tune_bfloat16: bool = False
    noise: float = 0.0
    word_vectors: Literal["cooccurrence", "random"] = "cooccurrence"
    class_weight: Literal["none", "balanced"] = "none"
    patience: int = 3
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "steps", "batch_size", "least_steps", "lora_rank", "patience"):
            value = getattr(self, name)
            require(value is None or value > 0, f"train.{name} must be positive, got {value}.")
        for name in ("max_minutes", "learning_rate", "tune_learning_rate", "clip"):
            value = getattr(self, name)
            require(
                value is None or 0 < value < math.inf,
                f"train.{name} must be positive and finite, got {value}.",
            )
        require_at_most("train", self, MOST, "epochs", "steps", "batch_size", "least_steps", "patience")
        require_at_most("train", self, MOST_CHANNELS, "lora_rank", "threads")
        require_at_most("train", self, MOST, "max_minutes", "learning_rate", "tune_learning_rate", "clip")
        require(
            len(self.halvings) <= _MOST_HALVINGS,
            f"train.halvings must be at most {_MOST_HALVINGS}, got {len(self.halvings)}.",
        )
        require(
            0 <= self.weight_decay < math.inf,
            f"train.weight_decay must be finite and not negative, got {self.weight_decay}.",
        )
        require_at_most("train", self, MOST, "weight_decay")
        require(0 <= self.focal <= 10, f"train.focal must lie in [0, 10], got {self.focal}; try 2.")
        require(
            len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas),
            f"train.betas must be two numbers in [0, 1), got {self.betas}.",
        )
        require(
            all(0 < share < 1 for share in self.halvings),
            f"train.halvings must lie in (0, 1), got {self.halvings}.",
        )
        require(
            0 <= self.label_smoothing < 1,
            f"train.label_smoothing must lie in [0, 1), got {self.label_smoothing}.",
        )
        require(0 <= self.noise < 1, f"train.noise must lie in [0, 1), got {self.noise}; try 0.3.")
        require(0 <= self.ema_decay < 1, f"train.ema_decay must lie in [0, 1), got {self.ema_decay}.")
        require(self.threads >= 0, f"train.threads must not be negative, got {self.threads}.")
        require_seed("train.seed", self.seed)
        idle = changed(self, *(("tune_learning_rate", "tune_bfloat16") if self.tune == "none" else ()))
        idle += changed(self, *(("lora_rank",) if self.tune != "lora" else ()))
        require(
            not idle,
            f"{', '.join(f'train.{name}' for name in idle)} would do nothing with train.tune={self.tune}; set "
            f"train.tune to {'lora' if 'lora_rank' in idle else 'lora or full'}.",
        )

    @property
    def tune_rate(self) -> float:
        """Peak learning rate of the language model."""
        return self.tune_learning_rate or _TUNE_RATES[self.tune]

    def batch_size_for(self, num_rows: int) -> int:
        """Documents per batch for so many fit rows."""
        passes = self.epochs or _EPOCHS
        return min(self.batch_size, max(_SMALLEST_BATCH, passes * num_rows // self.least_steps))

    def total_steps(self, num_rows: int) -> int:
        """Length of the schedule for so many fit rows, before any time budget."""
        steps_per_epoch = -(-num_rows // self.batch_size_for(num_rows))
        epochs = self.epochs or max(_EPOCHS, -(-self.least_steps // max(1, steps_per_epoch)))
        return self.steps or epochs * steps_per_epoch
