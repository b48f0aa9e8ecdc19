"""Rows of text files in fastText format: `__label__first __label__second and then the text`."""

import io
import re
from collections.abc import Iterator

from textlattice.data.lines import decoded_lines
from textlattice.data.records import Record, Wanted

COLUMNS = ("text", "label")
PREFIX = "__label__"
_LABEL = rf"{PREFIX}([^ \t\r\n]*)"
_LABELS = re.compile(
    rf"[ \t]*(?:{PREFIX}[^ \t\r\n]*+[ \t]*+)*+"
)  # possessive: nothing is kept to come back to


def fasttext_records(stream: io.BufferedIOBase, wanted: Wanted) -> Iterator[Record]:
    """Rows of a file, one a line, with columns `text` and `label`.

    Labels are the words at the start of a line that begin with `__label__`; one is a label, several are a list, and
    a line without any, or with nothing behind the prefix, has none. The text is what follows them, less the end of
    the line, so a file of plain texts is read as well. Blank lines are no rows.

    Raises:
        DataError: Other columns are wanted; the file is UTF-16.
    """
    wanted.check(COLUMNS)
    for line in decoded_lines(stream, wanted.source):
        if line.fault is not None:
            yield line.number, line.fault
        elif line.text.strip(" \t\r\n"):
            start = _LABELS.match(line.text)
            assert start is not None
            labels = [name for name in re.findall(_LABEL, start.group()) if name]
            label = None if not labels else labels[0] if len(labels) == 1 else labels
            yield line.number, {"text": line.text[start.end() :].rstrip("\r\n"), "label": label}
