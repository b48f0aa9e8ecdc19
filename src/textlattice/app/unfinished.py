"""Trainings that were cut short, as a command sees them: where they are kept, how they are gone on with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textlattice.app.stopping import Stopped
from textlattice.app.terminal import warn
from textlattice.artefact.folder import check_target, clear_stale, read_folder
from textlattice.artefact.lock import only_writer
from textlattice.errors import ArtefactError
from textlattice.progress import Progress

if TYPE_CHECKING:
    from textlattice.training.checkpoint import Checkpoint, TrainingRun


def checkpoint_path(output: Path) -> Path:
    """Where the training of a model folder is kept until that is written: `NAME.checkpoint` beside it."""
    path = Path(os.path.abspath(output))
    return path.with_name(f"{path.name}.checkpoint")


def check_output(output: Path) -> None:
    """Does nothing where a model may be written, and no other process trains one; call it before long work.

    Raises:
        ArtefactError: Something else is there or where the checkpoint goes, another process is training, or nothing
            can be written.
    """
    from textlattice.training.checkpoint import FILES

    check_target(output, ("config.json",))
    check_target(checkpoint_path(output), FILES, again=True)
    if output.absolute().parent.is_dir():
        with only_writer(output):
            pass


def open_checkpoint(
    output: Path, run: "TrainingRun", *, resume: bool, minutes: float, progress: Progress
) -> tuple["Checkpoint", dict[str, Any] | None]:
    """The checkpoint of a training, taken over if that is asked for; and the record of the model if it is done already.

    What was found is reported, and what writers that died left is removed. A checkpoint that is not gone on with stays
    until the first one of this training takes its place.

    Args:
        output: The model folder, of which this process is the only writer.
        run: What the training is made of.
        resume: Whether to go on with what is there; where nothing is, the training begins.
        minutes: Between two checkpoints.
        progress: Told where one cannot be written.

    Raises:
        ResumeError: What is there belongs to another training, or is damaged.
    """
    from textlattice.training.checkpoint import Checkpoint

    clear_stale(output)
    checkpoint = Checkpoint(checkpoint_path(output), run, minutes=minutes, progress=progress)
    finished = None
    if not checkpoint.exists():
        finished = _finished_record(output, run) if resume else None
        if resume and finished is None:
            warn(f"nothing to resume at {checkpoint.path}: training begins.")
    elif resume:
        checkpoint.resume()
        warn(f"going on with {checkpoint.path}, after {checkpoint.seconds_spent:,.0f} s of training.")
    else:
        warn(
            f"{checkpoint.path} holds an unfinished training. This one begins anew and replaces it at its first "
            "checkpoint; to go on with it instead, stop now and add --resume."
        )
    return checkpoint, finished


def _finished_record(output: Path, run: "TrainingRun") -> dict[str, Any] | None:
    """The `training.json` of a model folder that this very training wrote, or None."""
    try:
        record = read_folder(output).json("training.json")
    except ArtefactError:
        return None
    return record if isinstance(record, dict) and record.get("run") == run.digest else None


@contextmanager
def telling_of(checkpoint: "Checkpoint") -> Iterator[None]:
    """Whoever interrupts the body, or whatever the disk does in it: says what is kept and how to go on."""
    try:
        yield
    except (KeyboardInterrupt, Stopped, MemoryError, ArtefactError):
        if checkpoint.exists():
            warn(
                f"{checkpoint.path} keeps the training so far; the same command with --resume goes on with it."
            )
        raise
