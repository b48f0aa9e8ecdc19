"""Trainings that are killed and continued; each trial is counted.

A trial fails if `--resume` does not end well, if the model differs in one bit from that of a training that was never
cut, or if anything but the model is left.
"""

import json
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reliability.crashes import Ended, Server, digest_of_model, write_rows
from reliability.saves import Tally

SETTINGS = (
    *("--preset", "tiny", "--threads", "1", "--steps", "7"),
    *("--set", "train.batch_size=64", "--set", "train.learning_rate=0.03"),
)
"""Some steps of two to four epochs on 150 rows; the network has a part in what comes of them."""


@dataclass(frozen=True, kw_only=True)
class Uncut:
    """A training from its beginning to its end.

    Args:
        slices: Validation rows choose; else three-fold cross-fitting does.
        digest: Of what came of it.
        operations: File operations that it made.
        seconds: Time it took.
    """

    slices: bool
    digest: str
    operations: int
    seconds: float


def uncut(server: Server, *, slices: bool) -> Uncut:
    """A training that nothing disturbs, a checkpoint after each step."""
    with _folder() as folder:
        ended = train(server, folder, slices=slices)
        assert ended.code == 0, ended.err
        assert json.loads((folder / "model" / "training.json").read_text())["sum"]["b"] > 0
        return Uncut(
            slices=slices,
            digest=digest_of_model(folder / "model"),
            operations=ended.operations,
            seconds=ended.seconds,
        )


def train(
    server: Server, folder: Path, *, slices: bool, resume: bool = False, **fault: float | None
) -> Ended:
    """One call of `textlattice train` in a folder; `fault` goes to the server."""
    words = ["train", folder / "rows.csv", "-o", folder / "model", *SETTINGS, "--checkpoint-minutes", "0"]
    words += ["--validation", folder / "held_out.csv"] if slices else []
    return server.run([*words, *(["--resume"] if resume else [])], root=folder, **fault)  # type: ignore[arg-type]


def kill_at_operations(server: Server, whole: Uncut, stride: int = 1, last: int | None = None) -> Tally:
    """Kills a training at every so many-th of its file operations, or of its last ones alone, and continues it."""
    tally = Tally()
    first = 1 if last is None else whole.operations + 1 - last
    for kill_at in range(first, whole.operations + 1, stride):
        _attempt(server, whole, tally, [{"kill_at": kill_at}])
    return tally


def kill_at_random_times(server: Server, whole: Uncut, number: int, seed: int = 0) -> Tally:
    """Kills so many trainings at a random time, and continues them."""
    draw, tally = random.Random(seed), Tally()
    for _ in range(number):
        _attempt(server, whole, tally, [{"kill_after": draw.uniform(0, whole.seconds)}])
    return tally


def kill_twice(server: Server, whole: Uncut, number: int, seed: int = 1) -> Tally:
    """Kills so many trainings at a random file operation, and again at one of the first of the restart, or any."""
    draw, tally = random.Random(seed), Tally()
    for trial in range(number):
        faults = [
            {"kill_at": draw.randint(1, whole.operations)},
            {"kill_at": draw.randint(1, 20 if trial % 2 else whole.operations)},
        ]
        _attempt(server, whole, tally, faults)
    return tally


def fill_the_disk(server: Server, whole: Uncut, stride: int) -> Tally:
    """Fills the disk from a file operation on: the training goes on as far as it can, and later from there."""
    tally = Tally()
    for full_from in range(1, whole.operations, stride):
        with _folder() as folder:
            ended = train(server, folder, slices=whole.slices, full_from=full_from)
            told = (
                ended.code == 1 and "No space left on device" in ended.err and "unexpected" not in ended.err
            )
            fault = None if told else _fault(ended, folder, whole)  # what needs no room may still end well
            ended = train(server, folder, slices=whole.slices, resume=True)
            tally.count(fault or _fault(ended, folder, whole), f"full from {full_from}")
    return tally


def _attempt(server: Server, whole: Uncut, tally: Tally, faults: list[dict[str, float]]) -> None:
    trial = f"{'slices' if whole.slices else 'folds'}, {faults}"
    with _folder() as folder:
        for number, fault in enumerate(faults):
            train(server, folder, slices=whole.slices, resume=number > 0, **fault)
        ended = train(server, folder, slices=whole.slices, resume=True)
        tally.count(_fault(ended, folder, whole), trial)


def _fault(ended: Ended, folder: Path, whole: Uncut) -> str | None:
    if ended.killed or ended.code:
        return f"ended with {ended.code}: {ended.err[-500:]}"
    if digest_of_model(folder / "model") != whole.digest:
        return "the model differs from that of an uncut training"
    left = sorted(set(os.listdir(folder)) - {"rows.csv", "held_out.csv"})
    return None if left == ["model"] else f"left {left}"


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder with rows to train on and rows that choose."""
    with tempfile.TemporaryDirectory() as name:
        write_rows(Path(name) / "rows.csv", 150)
        write_rows(Path(name) / "held_out.csv", 40, seed=1)
        yield Path(name)
