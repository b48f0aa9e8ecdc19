"""Figures R22 to R25, in a process of their own: `python -m reliability.hostile_figures R22 60` in `tests`.

Each part runs the cases of one generator and prints a line of JSON: its name, how often it was tried, what failed,
seconds.
"""

import contextlib
import io
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from reliability import forged_trials, forks, graph_trials
from reliability.crash_figures import Parts, show
from reliability.crashes import write_rows
from reliability.foreign_files import attempt, foreign_files
from reliability.hostile_tables import large_tables, wide_tables
from reliability.processes import run
from reliability.replacing import read_while_replaced
from reliability.saves import Tally
from reliability.stops import start_and_stop, stop_cases
from reliability.streams import stream_cases
from reliability.table_trials import fault_of
from textlattice.app.main import main as command_line

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny-format-1"


def users_files(seconds: int) -> Parts:
    """R22: what a user has under names of ours, then reads for so many seconds of a folder that is replaced."""
    yield "files of a user in the way of a command", _foreign
    yield "reads of a folder that is replaced all the time", lambda: read_while_replaced(seconds, 3)[0]


def forged(number: int) -> Parts:
    """R23: language models, tokenizers and graphs with digests that agree; so many graphs are mutated at random."""
    for kind, name in forged_trials.KINDS.items():
        yield f"{name}, crafted", lambda kind=kind: _forged(kind)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "exported"
        graph_trials.export(folder)
        yield "exported graphs, crafted", lambda: _graphs(folder, {"refused"}, "crafted")
        yield (
            "exported graphs, mutated at random",
            lambda: _graphs(folder, {"refused", "answered"}, "mutated", 0, number),
        )


def tables(number: int) -> Parts:
    """R24: tables that would take gigabytes; nothing is drawn, so `number` says nothing."""
    yield "small files of large values, wide tables", _tables


def processes(number: int) -> Parts:
    """R25: streams, signals, places for output; so many forks."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "exported"
        graph_trials.export(folder)
        yield "streams that are closed, full or without a reader", lambda: _streams(folder)
        yield "predict -o FILE, stopped by a signal", lambda: _stops(folder)
        for engine, model in (("PyTorch", GOLDEN), ("ONNX Runtime", folder)):
            yield (
                f"{engine}: children forked while threads predict",
                lambda model=model: Tally(number, forks.fork_while_predicting(str(model), number)),
            )


def _each(cases: Iterator[tuple[str, Callable[[Path], str | None]]]) -> Tally:
    """Each case in a folder of its own; it gives what went wrong."""
    tally = Tally(0, [])
    for name, case in cases:
        tally.tried += 1
        with tempfile.TemporaryDirectory() as folder:
            if fault := case(Path(folder)):
                tally.failures.append(f"{name}: {fault}")
    return tally


def _foreign() -> Tally:
    def tried(case: Any, folder: Path) -> str | None:
        write_rows(folder / "rows.csv", 40)
        if case.with_model:
            shutil.copytree(GOLDEN, folder / "model")
        with contextlib.chdir(folder):
            return attempt(case, folder, _command)

    return _each((case.name, lambda folder, case=case: tried(case, folder)) for case in foreign_files(GOLDEN))


def _command(*words: object) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = command_line([str(word) for word in words])
    return code, said.getvalue()


def _forged(kind: str) -> Tally:
    with tempfile.TemporaryDirectory() as place:
        found = forged_trials.outcomes(kind, Path(place))
    return Tally(len(found), [case["name"] for case in found if not forged_trials.is_refused(case)])


def _graphs(folder: Path, good: set[str], kind: str, *numbers: int) -> Tally:
    found = list(graph_trials.outcomes(folder, kind, *numbers))
    failures = [
        case["name"] for case in found if case["outcome"].split()[0] not in good or case["seconds"] > 10
    ]
    return Tally(len(found), failures)


def _tables() -> Tally:
    return _each((case.name, partial(fault_of, case)) for case in [*large_tables(), *wide_tables()])


def _streams(model: Path) -> Tally:
    source = model.with_name("rows.csv")
    source.write_text("text\n" + "we stayed: a film so hopeful\n" * 3_000)

    def tried(case: Any, folder: Path) -> str | None:
        ran = run(case.words, case.redirections, folder=folder)
        lines = ran.stderr.splitlines()
        good = ran.returncode == case.code and (
            case.says is None or (len(lines) == 1 and case.says in lines[0])
        )
        return None if good else f"{ran.returncode}: {ran.stderr[-300:]}"

    return _each(
        (name, lambda folder, case=case: tried(case, folder)) for name, case in stream_cases(model, source)
    )


def _stops(model: Path) -> Tally:
    def tried(case: Any, folder: Path) -> str | None:
        code, said, beside = start_and_stop(case, model, folder)
        left = set(os.listdir(folder)) & set(beside)
        good = code == (0 if case.ignored else case.code) and (not left or case.number == signal.SIGKILL)
        return None if good else f"{code}, left {left}: {said[-300:]}"

    return _each((name, lambda folder, case=case: tried(case, folder)) for name, case in stop_cases())


FIGURES = {"R22": users_files, "R23": forged, "R24": tables, "R25": processes}

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    show(FIGURES[sys.argv[1]](int(sys.argv[2])))
