"""Standard streams that are closed, full or without a reader, for each verb that is cheap to run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StreamCase:
    """A command, how its streams are connected, and how it has to end.

    Args:
        words: Of the command line.
        redirections: In the language of bash.
        code: How it ends.
        says: Part of the one line on stderr; None where stderr cannot be seen or may hold other lines.
    """

    words: tuple[str, ...]
    redirections: str
    code: int
    says: str | None = None


def stream_cases(model: Path, source: Path) -> Iterator[tuple[str, StreamCase]]:
    """Every case with its name.

    Args:
        model: A model folder.
        source: A csv of some thousand rows, more answers than a pipe holds.
    """
    verbs = {
        "help": ("--help",),
        "version": ("--version",),
        "info": ("info", str(model)),
        "info --json": ("info", str(model), "--json"),
        "graph": ("graph", "--tokens", "40"),
        "explain": ("explain", str(model), "--text", "we left: a dull play"),
        "explain --json": ("explain", str(model), "--text", "we left: a dull play", "--json"),
        "predict": ("predict", str(model), str(source)),
    }
    for verb, words in verbs.items():
        for stream, redirections, code, says in (
            ("stdout closed", ">&-", 1, "standard output is closed"),
            ("stdout full", ">/dev/full", 1, "standard output: cannot be written: No space left"),
            ("stderr closed", ">/dev/null 2>&-", 0, None),
            ("stderr full", ">/dev/null 2>/dev/full", 0, None),
            ("both closed", ">&- 2>&-", 1, None),
            ("all closed", "<&- >&- 2>&-", 1, None),
            ("stdin closed", "<&- >/dev/null", 0, None),
        ):
            yield (
                f"{verb}, {stream}",
                StreamCase(words=words, redirections=redirections, code=code, says=says),
            )
    predict = ("predict", str(model))
    for name, words, redirections, code, says in (
        ("a reader that goes away", (*predict, str(source)), "| head -n 1", 1, "its reader went away"),
        ("a reader that goes away before the help", ("--help",), "| true", 1, "its reader went away"),
        ("rows from a closed stdin", (*predict, "-"), "<&-", 1, "standard input is closed"),
        ("rows from /dev/null", (*predict, "-"), "</dev/null", 0, "0 rows"),
        ("answers to /dev/full", (*predict, str(source), "-o", "/dev/full"), "", 1, "/dev/full: cannot be written"),
        ("answers to a file, stdout closed", (*predict, str(source), "-o", "a.csv"), ">&-", 0, "rows"),
        ("a page, stdout full", ("explain", str(model), "--text", "x", "--html", "a.html"), ">/dev/full", 1, None),
        ("wrong usage, stdout closed", ("graph", "--tokens", "many"), ">&-", 2, None),
        ("wrong usage, stderr closed", ("graph", "--tokens", "many"), "2>&-", 2, None),
    ):  # fmt: skip
        yield name, StreamCase(words=words, redirections=redirections, code=code, says=says)
