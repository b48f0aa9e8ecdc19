"""The frame of every page: self-contained, without script, nothing fetched; and the file that it becomes."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from textlattice.app.terminal import printable
from textlattice.artefact.output_file import output_place, writing
from textlattice.errors import DataError

_MARK = '<meta name="generator" content="textlattice">'
_MARKED_BYTES = 1024  # of a file, in which the mark of a page of ours is looked for
_UNSHOWN = re.compile(r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\uD800-\uDFFF]")
_STYLE = """
body { font: 16px/1.6 system-ui, sans-serif; color: #111; background: #fff; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.note, .legend { color: #444; font-size: 0.9rem; }
table { border-collapse: collapse; }
td, th { padding: 0.25rem 0.9rem 0.25rem 0; text-align: left; vertical-align: baseline; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
""".strip()


def check_page(path: Path, *, force: bool) -> None:
    """Does nothing where a page can be written to `path`; call it before long work.

    A page of ours, an empty file, a pipe or a device is there to be written to.

    Args:
        path: The file.
        force: Whether any other file may be replaced too, and a link followed.

    Raises:
        DataError: There is a file that is no page of ours, or a link to a file; or nothing can be written there.
    """
    place = output_place(path)
    if place.streamed or force:
        return
    if path.is_symlink():
        raise DataError(
            f"{path} is a symbolic link; name the file itself, or add --force to replace what it leads to."
        )
    if path.exists() and not _is_ours(path):
        raise DataError(
            f"{path} is not a page of textlattice and would be overwritten; choose another file, or add --force."
        )


def write_page(path: Path, content: str) -> None:
    """Writes a page; it appears under its name when it is complete.

    Raises:
        DataError: It cannot be written.
    """
    with writing(path) as stream:
        stream.write(content.encode("utf-8", "backslashreplace"))


def shown(text: str) -> str:
    """A text escaped for a page; characters that no page may hold are U+FFFD."""
    return escape(_UNSHOWN.sub("\ufffd", text))


def isolated(text: str) -> str:
    """The same, in an element of its own direction: none of its characters can reorder the text around it."""
    return f"<bdi>{shown(text)}</bdi>"


def page(title: str, body: Sequence[str], *, style: str = "") -> str:
    """A page in HTML.

    Args:
        title: A text in one line, of which what would steer its display is shown as escapes.
        body: Parts, escaped, a line each.
        style: Rules beside those of every page.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{_MARK}\n"
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(printable(title))}</title>\n<style>\n{_STYLE}\n{style}\n</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is words and whose others are numbers; all are escaped here."""
    head = "".join(f"<th>{isolated(name)}</th>" for name in heads)
    body = "".join(
        f"<tr><td>{isolated(first)}</td>"
        + "".join(f'<td class="number">{shown(cell)}</td>' for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _is_ours(path: Path) -> bool:
    """Whether a file is a page of ours, or empty."""
    try:
        with path.open("rb") as file:
            start = file.read(_MARKED_BYTES)
    except OSError:
        return False
    return not start or _MARK.encode() in start
