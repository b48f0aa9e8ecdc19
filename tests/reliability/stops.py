"""`predict -o FILE` that is stopped by a signal in the middle of it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reliability.processes import command

FORMER = "what the user had"


@dataclass(frozen=True, kw_only=True)
class StopCase:
    """A signal, and the file that is being written.

    Args:
        number: The signal.
        output: The file that it writes.
        ignored: Whether it was started with the signal ignored, as `nohup` does.
    """

    number: signal.Signals
    output: str
    ignored: bool = False

    @property
    def code(self) -> int:
        """How the process has to end, as `subprocess` reports it."""
        return -self.number if self.number == signal.SIGKILL else 128 + self.number


def stop_cases() -> Iterator[tuple[str, StopCase]]:
    """Every case with its name."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        for output in ("a.csv", "a.tsv", "a.jsonl", "a.parquet"):
            yield f"{number.name}, {output}", StopCase(number=number, output=output)
    yield "SIGHUP under nohup", StopCase(number=signal.SIGHUP, output="a.csv", ignored=True)


def start_and_stop(case: StopCase, model: Path, folder: Path) -> tuple[int, str, list[str]]:
    """Exit code, stderr, and the names of what lay beside the output before the signal.

    Some thousand rows come through a pipe; then the signal is sent while the command waits for more. Where it is
    ignored there are no more.
    """
    former = signal.signal(case.number, signal.SIG_IGN) if case.ignored else None
    process = subprocess.Popen(
        command(["predict", model, "-", "-o", case.output]),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if case.ignored:
        signal.signal(case.number, former)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write('{"text": "we stayed: a film so hopeful"}\n' * 5000)
    process.stdin.flush()
    beside = _await_temporary(folder, case.output)
    process.send_signal(case.number)
    if case.ignored:
        process.stdin.close()
    code = process.wait(120)
    process.stdin.close()
    said = process.stderr.read()
    process.stderr.close()
    return code, said, beside


def _await_temporary(folder: Path, output: str) -> list[str]:
    for _ in range(6000):
        if found := [name for name in os.listdir(folder) if name.startswith(f".{output}.tmp-")]:
            return found
        time.sleep(0.01)
    raise AssertionError("no file was begun")
