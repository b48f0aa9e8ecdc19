"""Figures R5, R6 and R7, in a process of their own: `python -m reliability.crash_figures R5 200` in `tests`.

Prints one line of JSON for each part: its name, how often it was tried, what failed, seconds.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator

from reliability import saves, trainings
from reliability.crashes import Server
from reliability.saves import Tally

Parts = Iterator[tuple[str, Callable[[], Tally | str]]]


def kills(number: int) -> Parts:
    """R5: a checkpoint alone, then whole trainings; `number` of them are killed at a random time.

    The last 90 file operations hold a checkpoint, the model folder, and the removal of the checkpoint.
    """
    with Server(saves=True) as server:
        yield "checkpoint, killed at every file operation", lambda: saves.kill_at_every_operation(server)
        yield (
            "checkpoint, and killed again at every operation of the restart",
            lambda: saves.kill_at_every_operation(server, double=1),
        )
    with Server() as server:
        folds, slices = (trainings.uncut(server, slices=slices) for slices in (False, True))
        for name, whole in (("slices", slices), ("folds", folds)):
            yield (
                f"training with {name}, killed at each of its last 90 file operations",
                lambda whole=whole: trainings.kill_at_operations(server, whole, last=90),
            )
            yield (
                f"training with {name}, killed at a random time",
                lambda whole=whole: trainings.kill_at_random_times(server, whole, number // 2),
            )
            yield (
                f"training with {name}, killed at random and again after the restart",
                lambda whole=whole: trainings.kill_twice(server, whole, max(2, number // 10)),
            )


def power_loss(number: int) -> Parts:
    """R6: every state; nothing is drawn, so `number` says nothing."""
    yield "states of the disk after a loss of power", saves.lose_power_at_every_operation


def full_disks(number: int) -> Parts:
    """R7: growing limits in steps of `number` bytes, and disks and operations of all sizes."""
    with Server(saves=True) as server:
        yield (
            "checkpoint, the disk full from each file operation on",
            lambda: saves.fill_the_disk_at_every_operation(server),
        )
        yield "checkpoint, a limit on the length of files", lambda: saves.limit_every_file(server, number)
    yield "checkpoint, small disks (tmpfs)", lambda: saves.tiny_disks(range(60, 500, 4))
    with Server() as server:
        whole = trainings.uncut(server, slices=True)
        yield (
            "training, the disk full from a file operation on, then resumed",
            lambda: trainings.fill_the_disk(server, whole, stride=max(7, 3 * number)),
        )


FIGURES = {"R5": kills, "R6": power_loss, "R7": full_disks}


def show(parts: Parts) -> None:
    """Prints the parts of a figure as they are done."""
    for part, work in parts:
        start = time.perf_counter()
        tally = work()
        seconds = round(time.perf_counter() - start, 1)
        if isinstance(tally, str):
            line = {"part": part, "skipped": tally, "seconds": seconds}
        else:
            line = {"part": part, "tried": tally.tried, "failures": tally.failures, "seconds": seconds}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    show(FIGURES[sys.argv[1]](int(sys.argv[2])))
