"""What the commands show: results on stdout, progress and warnings on stderr, colour only in a terminal."""

import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import regex
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table as RichTable
from rich.text import Text

from textlattice.data.rows import Reject
from textlattice.progress import Progress

SECONDS_BETWEEN_LINES = 10.0
"""Between two lines of progress where stderr is no terminal."""
SHOWN_REJECTS = 5
MEASURES = {"accuracy": "accuracy", "micro_f1": "micro F1"}
"""Words for the figure that tells how training goes."""
LABELS = {"single": "", "multi": ", any number a text", "ordinal": " in an order"}
"""What stands behind a number of labels, by kind of task."""
MOST_LETTERS = 480
"""Of one line that says what went wrong; names and values in it may come from files of others."""
_INVISIBLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # fillers that count as letters, marks or symbols
)
_UNSHOWN = regex.compile(rf"[\p{{C}}\p{{Zl}}\p{{Zp}}{_INVISIBLE}]")
_WIDE = 100_000  # columns where the output is no terminal, so that nothing is wrapped


def console(*, errors: bool = False) -> Console:
    """A console of stdout, or of stderr; outside a terminal it writes plain text and wraps nothing."""
    stream = sys.stderr if errors else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDE, highlight=False, emoji=False)


def printable(value: object) -> str:
    """A text in one line that cannot steer a terminal: control and invisible characters stand as escapes."""
    return "".join(c if c.isprintable() and c not in _INVISIBLE else ascii(c)[1:-1] for c in str(value))


def one_line(message: str) -> str:
    """A message as one printable line; of one that is too long the middle goes, so that what to do stays.

    At most `MOST_LETTERS` characters come out.
    """
    line = printable(" ".join(message.split()))
    if len(line) <= MOST_LETTERS:
        return line
    return f"{line[: MOST_LETTERS // 2]} ... {line[-(MOST_LETTERS // 2 - 5) :]}"


def percent(share: float | int | None) -> str:
    """A share as percents with one decimal; a dash for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def number(value: float | int | None, digits: int = 4) -> str:
    """A number for a table: whole ones with separators, others rounded; a dash for None."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def say(message: str) -> None:
    """One line on stdout."""
    console().print(Text(printable(message)), soft_wrap=True)


def warn(message: str) -> None:
    """One line on stderr."""
    console(errors=True).print(Text(printable(message)), soft_wrap=True)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that cannot steer a terminal: control, bidirectional and invisible characters stand as `\\uXXXX`.

    It means the same as if they stood there themselves.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=_plain)
    lines = (_UNSHOWN.sub(lambda found: json.dumps(found[0])[1:-1], line) for line in text.split("\n"))
    return "\n".join(lines)


def print_json(value: Any) -> None:
    """A result as indented JSON on stdout."""
    sys.stdout.write(json_text(value, indent=2) + "\n")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, num_left: int = 1
) -> None:
    """A table on stdout.

    Args:
        columns: Headings; empty texts for a list of figures without one.
        rows: Cells; a rich `Text` keeps its style.
        title: Line above.
        num_left: Columns, from the first, that are aligned left; the others are aligned right.
    """
    table = RichTable(box=box.SIMPLE_HEAD, show_header=any(columns), show_edge=False, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(Text(printable(name)), justify="left" if place < num_left else "right")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    screen = console()
    with screen.capture() as captured:
        screen.print(table)
    if title is not None:
        say(title)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()) + "\n")


def report_rejects(rejects: Sequence[Reject], source: str) -> None:
    """Warns of rejected rows: how many for each reason, and where the first ones are."""
    if not rejects:
        return
    warn(f"{source}: {count(len(rejects), 'row')} rejected: {reasons(rejects)}")
    for reject in rejects[:SHOWN_REJECTS]:
        line = "" if reject.line is None else f" (line {reject.line})"
        warn(f"  row {reject.number}{line}: {reject.reason}: {reject.detail}")
    if len(rejects) > SHOWN_REJECTS:
        warn(f"  and {len(rejects) - SHOWN_REJECTS:,} more")


def reasons(rejects: Iterable[Reject]) -> str:
    """How many rejects for each reason, in words."""
    counts = Counter(reject.reason for reject in rejects)
    return ", ".join(f"{num:,} {reason}" for reason, num in counts.most_common())


def count(num: int, noun: str) -> str:
    """A number and its noun."""
    return f"{num:,} {noun}" if num == 1 else f"{num:,} {noun}s"


@contextmanager
def progress() -> Iterator[Progress]:
    """A listener of long work that shows it on stderr: a bar in a terminal, a line now and then elsewhere."""
    listener: _Shown = _Bar() if sys.stderr.isatty() else _Lines()
    try:
        yield listener
    finally:
        listener.hide()


class _Shown(Progress):
    """Keeps the figures of the present stage; the two looks below show them."""

    def begin(self, stage: str, total: int | None = None) -> None:
        self.hide()
        self.stage, self.total, self.done = stage, total, 0
        self.figures: dict[str, float | int] = {}
        self.started = time.monotonic()
        self.show()

    def advance(self, steps: int = 1, **figures: float | int) -> None:
        self.done += steps
        total = figures.pop("total", self.total)
        self.total = None if total is None else int(total)
        self.figures = figures
        self.show()

    def end(self) -> None:
        self.hide()

    def note(self, message: str) -> None:
        warn(message)

    def epoch(self, record: dict[str, Any]) -> None:
        parts = [f"epoch {record['epoch']}:"]
        if "train_loss" in record:
            parts.append(f"loss {record['train_loss']:.4f},")
        measure = "accuracy" if "accuracy" in record else "micro_f1"
        words = MEASURES[measure]
        parts.append(f"held-out log loss {record['log_loss']:.4f}, {words} {percent(record[measure])}")
        if f"wide_{measure}" in record:
            wide, deep = percent(record[f"wide_{measure}"]), percent(record[f"deep_{measure}"])
            parts.append(f"(n-grams alone {wide}, network alone {deep})")
        self.note(" ".join(parts))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def words(self) -> str:
        """The newest figures and the speed."""
        parts = [f"{name} {value:.4f}" for name, value in self.figures.items()]
        if self.done and self.seconds > 0:
            parts.append(f"{self.done / self.seconds:,.1f} steps/s")
        return ", ".join(parts)

    def show(self) -> None:
        raise NotImplementedError

    def hide(self) -> None:
        raise NotImplementedError


class _Bar(_Shown):
    """One live line that vanishes at the end of its stage."""

    def __init__(self) -> None:
        self.bar: RichProgress | None = None

    def show(self) -> None:
        if self.bar is None:
            self.bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[words]}"),
                TimeRemainingColumn(compact=True),
                console=console(errors=True),
                transient=True,
            )
            self.task = self.bar.add_task(self.stage, total=self.total, words="")
            self.bar.start()
        self.bar.update(self.task, completed=self.done, total=self.total, words=self.words())

    def note(self, message: str) -> None:
        if self.bar is None:
            super().note(message)
        else:
            self.bar.console.print(Text(printable(message)))

    def hide(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


class _Lines(_Shown):
    """A line every ten seconds, and one at the end of a stage that took as long."""

    def __init__(self) -> None:
        self.last_line: float | None = None

    def show(self) -> None:
        now = time.monotonic()
        if self.last_line is None:
            self.last_line = now
        elif now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            self.write()

    def hide(self) -> None:
        if self.last_line is not None and self.seconds >= SECONDS_BETWEEN_LINES:
            self.write()
        self.last_line = None

    def write(self) -> None:
        of_total = "" if self.total is None else f" of {self.total:,}"
        parts = [f"{self.stage}: {self.done:,}{of_total}", self.words()]
        if self.total and 0 < self.done < self.total:
            parts.append(f"{self.seconds / self.done * (self.total - self.done):,.0f} s left")
        warn(", ".join(part for part in parts if part))


def _plain(value: Any) -> Any:
    """Plain JSON values of what results may hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")
