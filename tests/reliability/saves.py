"""One checkpoint written over another, and what a crash in the middle leaves; each trial is counted.

A trial fails if what can be read afterwards is neither the old nor the new checkpoint, if the next one cannot be
written, or if anything else is left then.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reliability.crashes import TESTS, Server
from reliability.file_layer import FileLayer, Operation
from reliability.power_loss import read_tree, states_after, write_tree
from textlattice.errors import ArtefactError, ResumeError
from textlattice.progress import Progress
from textlattice.training.checkpoint import Checkpoint, TrainingRun

RUN = TrainingRun(data={}, settings={}, versions={}, threads=1)
NAME = "model.checkpoint"


@dataclass
class Tally:
    """Trials, and what was wrong in those that failed."""

    tried: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, fault: str | None, trial: str) -> None:
        """One trial; `fault` says what was wrong, or nothing."""
        self.tried += 1
        if fault:
            self.failures.append(f"{trial}: {fault}")


def save(path: Path, number: int, num_bytes: int = 4000) -> list[str]:
    """What a trainer does: starts, and writes checkpoint `number`; returns what it was told."""
    notes = Notes()
    checkpoint = Checkpoint(path, RUN, progress=notes)
    checkpoint.stage("choices")["number"] = number
    checkpoint.write(float(number), ("network", {"weights": np.full(num_bytes // 4, number, np.int32)}))
    return notes.notes


def end(path: Path) -> None:
    """What a trainer does last."""
    Checkpoint(path, RUN).remove()


def found(path: Path) -> int | None:
    """Number of the checkpoint that a new process finds; None for none, -1 for one that it cannot use."""
    try:
        checkpoint = Checkpoint(path, RUN)
        if not checkpoint.exists():
            return None
        checkpoint.resume()
    except (ArtefactError, ResumeError):
        return -1
    number: int = checkpoint.stage("choices")["number"]
    network = checkpoint.take_network("network")
    return number if network is not None and (network["weights"] == number).all() else -1


def fault_after(path: Path, allowed: tuple[int | None, ...]) -> str | None:
    """What is wrong with the folder that a crash left, or nothing."""
    if (number := found(path)) not in allowed:
        return f"found {number}, expected one of {allowed}"
    if notes := save(path, 9):
        return f"the next checkpoint could not be written: {notes}"
    if found(path) != 9 or os.listdir(path.parent) != [path.name]:
        return f"after the next checkpoint there are {sorted(os.listdir(path.parent))}, found {found(path)}"
    return None


class Notes(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        """Keeps it."""
        self.notes.append(message)


@contextmanager
def folder_with(number: int | None) -> Iterator[Path]:
    """A checkpoint of this number, or none, in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        if number is not None:
            save(Path(name) / NAME, number)
        yield Path(name) / NAME


def kill_at_every_operation(server: Server, double: int = 0) -> Tally:
    """Kills at each file operation of a first checkpoint, of one that replaces another, and of the removal of one.

    Args:
        server: Of saves.
        double: After each kill, the restart is killed too, at each of its operations with this stride; 0 for none.
    """
    tally = Tally()
    for work, before, after in (("save", None, 2), ("save", 1, 2), ("end", 1, None)):
        with folder_with(before) as path:
            num_operations = server.run([work, path, 2], root=path.parent).operations
        for kill_at in range(1, num_operations + 1):
            with folder_with(before) as path:
                ended = server.run([work, path, 2], root=path.parent, kill_at=kill_at)
                assert ended.killed
                tally.count(fault_after(path, (before, after)), f"{work} over {before}, killed at {kill_at}")
            again = double and 1
            while again:
                with folder_with(before) as path:
                    server.run([work, path, 2], root=path.parent, kill_at=kill_at)
                    ended = server.run(["save", path, 3], root=path.parent, kill_at=again)
                    trial = f"{work} over {before}, killed at {kill_at} and {again}"
                    if ended.killed:
                        tally.count(fault_after(path, (before, after, 3)), trial)
                again = again + double if ended.killed else 0
    return tally


def lose_power_at_every_operation() -> Tally:
    """Builds each state that a loss of power may leave of a first checkpoint, one that replaces another, a removal."""
    tally = Tally()
    for work, before, after in (("save", None, 2), ("save", 1, 2), ("end", 1, None)):
        with folder_with(before) as path:
            tree = read_tree(path.parent)
            operations = record(work, path)
            for done, state in states_after(tree, operations, path.parent):
                with folder_with(None) as fresh:
                    write_tree(fresh.parent, state)
                    # A removal may come to nothing: then a training that is done would end once more, the same.
                    allowed = (after,) if done and work == "save" else (before, after)
                    names = ", ".join(sorted(state))
                    tally.count(fault_after(fresh, allowed), f"{work} over {before}, {names}")
    return tally


def record(work: str, path: Path) -> list[Operation]:
    """The file operations of one save or removal, made in a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-m", "reliability.saves", work, path, "record"],
        capture_output=True,
        check=True,
        cwd=TESTS,
    )
    return [Operation(**fields) for fields in eval(answer.stdout)]


def fill_the_disk_at_every_operation(server: Server) -> Tally:
    """A full disk from each file operation of a checkpoint on: the old one stays and what was wrong is told."""
    tally = Tally()
    for before in (None, 1):
        with folder_with(before) as path:
            num_operations = server.run(["save", path, 2], root=path.parent).operations
        for full_from in range(1, num_operations + 1):
            with folder_with(before) as path:
                ended = server.run(["save", path, 2], root=path.parent, full_from=full_from)
                tally.count(_fault_of_full(path, ended.out, before), f"over {before}, full from {full_from}")
    return tally


def limit_every_file(server: Server, stride: int = 97) -> Tally:
    """A limit on the length of a file (`RLIMIT_FSIZE`), growing by `stride` bytes until the checkpoint fits."""
    tally = Tally()
    for before in (None, 1):
        most_bytes, fits = 0, False
        while not fits:
            with folder_with(before) as path:
                ended = server.run(["save", path, 2], root=path.parent, most_bytes=most_bytes)
                fits = not ended.out
                tally.count(
                    _fault_of_full(path, ended.out, before), f"over {before}, at most {most_bytes} bytes"
                )
            most_bytes += stride
    return tally


def _fault_of_full(path: Path, told: str, before: int | None) -> str | None:
    left = os.listdir(path.parent)
    if left != ([path.name] if told == "" or before is not None else []):
        return f"left {left}"
    if told and "No space left" not in told and "File too large" not in told:
        return f"told {told!r}"
    return fault_after(path, (before,) if told else (2,))


def tiny_disks(sizes: range) -> Tally | str:
    """Checkpoints of 100 kB on disks of these sizes in kB (tmpfs); or why none could be made.

    Each disk holds an old checkpoint; a new one that does not fit beside it is refused, and the old one stays.
    """
    probe = [
        sys.executable,
        "-m",
        "reliability.saves",
        "disks",
        str(sizes.start),
        str(sizes.stop),
        str(sizes.step),
    ]
    unshare = shutil.which("unshare")
    if unshare is None:
        return "there is no unshare here"
    done = subprocess.run(
        [unshare, "-r", "-m", *probe], capture_output=True, text=True, cwd=TESTS, check=False
    )
    if done.returncode == 3 or "unshare" in done.stderr:
        return f"mounting is not allowed here: {' '.join(done.stderr.split())[-200:]}"
    assert done.returncode == 0, done.stderr
    tried, *failures = eval(done.stdout)
    return Tally(tried=tried, failures=failures)


def _disks(sizes: range) -> None:
    tally = Tally()
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", name], capture_output=True, text=True
            )
            if mounted.returncode:
                sys.stderr.write(mounted.stderr)
                sys.exit(3)
            path = Path(name) / NAME
            if notes := save(path, 1, 100_000):
                tally.count(
                    None if os.listdir(name) == [] else f"left {os.listdir(name)}", f"{size} kB, first"
                )
            else:
                notes = save(path, 2, 100_000)
                fault = None if found(path) == (1 if notes else 2) else f"found {found(path)}"
                fault = fault or (None if os.listdir(name) == [NAME] else f"left {os.listdir(name)}")
                tally.count(fault, f"{size} kB, second")
            if notes and "are free" not in notes[0] and "No space left" not in notes[0]:
                tally.failures.append(f"{size} kB: told {notes}")
            subprocess.run(["umount", name], check=True)
    print(repr([tally.tried, *tally.failures]))


if __name__ == "__main__":
    if sys.argv[1] == "disks":
        _disks(range(*map(int, sys.argv[2:])))
    else:
        layer = FileLayer(Path(sys.argv[2]).parent)
        layer.install()
        save(Path(sys.argv[2]), 2) if sys.argv[1] == "save" else end(Path(sys.argv[2]))
        sys.stdout.write(repr([vars(operation) for operation in layer.operations]))
