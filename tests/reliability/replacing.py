"""Folders that are replaced while others read them; each read is counted.

    python -m reliability.replacing SECONDS READERS [PAUSE]

A read fails if it raises, or if what it gives is not the content of one folder.
"""

import multiprocessing
import sys
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

from reliability.saves import Tally
from textlattice.artefact.folder import read_folder, write_folder
from textlattice.errors import ArtefactError


def read_while_replaced(seconds: float, num_readers: int, *, pause: float = 0.0) -> tuple[Tally, int]:
    """Reads of all readers, and how often the folder was replaced.

    Args:
        seconds: For which it goes on.
        num_readers: Processes that read as often as they can.
        pause: Seconds between two replacements; 0 for as many as the disk makes.
    """
    context = multiprocessing.get_context("spawn")  # nothing of the test goes along
    tally, replaced = Tally(), 0
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "model"
        write_folder(path, _files(0))
        stop, told = context.Event(), context.Queue()
        workers = [context.Process(target=_write, args=(path, pause, stop, told))]
        workers += [context.Process(target=_read, args=(path, stop, told)) for _ in range(num_readers)]
        for worker in workers:
            worker.start()
        time.sleep(seconds)
        stop.set()
        for _ in workers:
            what, count, failures = told.get()
            if what == "replaced":
                replaced = count
            else:
                tally.tried += count
            tally.failures += failures
        for worker in workers:
            worker.join()
    return tally, replaced


def _files(number: int) -> dict[str, bytes]:
    """Files that name their folder; their number and length change too."""
    content = b"%d " % number
    names = ["config.json", "model.bin", *(f"part{place}" for place in range(number % 3))]
    return {name: content * (1 + number % 5000) for name in names}


def _write(path: Path, pause: float, stop: Event, told: "Queue[tuple[str, int, list[str]]]") -> None:
    number, failures = 0, []
    while not stop.is_set():
        number += 1
        try:
            write_folder(path, _files(number))
        except ArtefactError as error:
            failures.append(f"writing: {error}")
        time.sleep(pause)
    told.put(("replaced", number, failures[:10]))


def _read(path: Path, stop: Event, told: "Queue[tuple[str, int, list[str]]]") -> None:
    tried, failures = 0, []
    while not stop.is_set():
        tried += 1
        try:
            files = read_folder(path).files
        except ArtefactError as error:
            failures.append(f"read {tried}: {error}")
            continue
        number = int(files["config.json"].split()[0])
        if files != _files(number):
            failures.append(f"read {tried}: files of several folders")
    told.put(("read", tried, failures[:100]))


if __name__ == "__main__":
    found, times = read_while_replaced(
        float(sys.argv[1]), int(sys.argv[2]), pause=float(sys.argv[3]) if sys.argv[3:] else 0.0
    )
    print(f"{times} replacements, {found.tried} reads, {len(found.failures)} failed", *found.failures[:5])
