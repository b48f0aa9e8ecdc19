"""Rows of a source, streamed in order: the door to all formats.

Every row of the input comes out as a `Row` or as a `Reject` with its reason. Blank lines are no rows.
What concerns the whole source (no such file, no such column) is a `DataError`.
"""

import dataclasses
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from textlattice.data import hub
from textlattice.data.csv_reader import csv_records
from textlattice.data.docstrings import docstrings
from textlattice.data.fasttext_reader import fasttext_records
from textlattice.data.gzip_stream import GunzipStream
from textlattice.data.json_reader import json_records
from textlattice.data.parquet_reader import read_parquet
from textlattice.data.records import Record, RowFault, Wanted, rows_and_rejects
from textlattice.data.rows import Reject, Row, Table
from textlattice.data.stored_rows import StoredRejects, StoredRows, StoredTable
from textlattice.errors import DataError

_BUILTINS = {
    "builtin:docstrings": "all",
    "builtin:docstrings:train": "train",
    "builtin:docstrings:test": "test",
}
_TEXT_FORMATS: dict[str, Callable[[io.BufferedIOBase, Wanted], Iterator[Record]]] = {
    ".csv": csv_records,
    ".tsv": partial(csv_records, delimiter="\t"),
    ".jsonl": json_records,
    ".txt": fasttext_records,
}
_SUFFIXES = (*_TEXT_FORMATS, ".parquet", *(f"{suffix}.gz" for suffix in _TEXT_FORMATS))


def read_rows(
    source: str | os.PathLike[str],
    *,
    text_columns: Sequence[str] = ("text",),
    label_column: str = "label",
    label_separator: str | None = None,
    require_label: bool,
    keep_columns: bool = False,
) -> Iterator[Row | Reject]:
    """Rows and rejects of a source, in order, one at a time.

    Args:
        source: A path (`.csv .tsv .jsonl .parquet`, `.txt` in fastText format, `.gz` of the text formats), `-` for
            JSON lines on standard input, `hf:owner/name` (see `hub`), `builtin:docstrings`,
            `builtin:docstrings:train` or `builtin:docstrings:test`.
        text_columns: Columns whose texts are joined by one space. A null is left out; if all are null the row
            is rejected (`missing_text`). An empty text is a row.
        label_column: Column of the class. Texts, whole numbers and booleans become text (`1.0` gives "1",
            `True` gives "True"); a list becomes a tuple. Where a parquet file has whole numbers in `label` and their
            names in `label_name`, `label` means the names.
        label_separator: What parts a text of the label column into a list of labels; names are trimmed, empty ones
            left out, so that an empty text is an empty list. None means that a text is one label.
        require_label: Reject rows without a usable label; otherwise their label is None.
        keep_columns: Fill `Row.columns`.

    Raises:
        DataError: There is no such source, its kind is unknown, it lacks a column, or it is UTF-16.
        MissingExtraError: Parquet without pyarrow, `hf:` without datasets.

    The csv reader knows only line feed, carriage return and the two together as ends of a line. It is strict
    about quotes: a quoted field may span 1,000 lines or 10 MB, beyond that, and wherever quoting breaks, the
    line that opened the field is rejected and reading resumes at the next line. A row that holds a line of
    broken UTF-8 is rejected alone. JSON is strict as well: no NaN, no key twice. Of a gzip file that breaks off, the
    rows before the fault are read and one reject (`corrupt_gzip`) stands for the rest.
    """
    name = str(source)
    if not text_columns:
        raise DataError(f"{name}: expected at least one text column, got none.")
    if label_separator == "":
        raise DataError(f"{name}: expected a label separator of at least one character, got none.")
    wanted = Wanted(
        source="standard input" if name == "-" else name,
        text=tuple(text_columns),
        label=label_column,
        label_separator=label_separator,
        require_label=require_label,
        keep=keep_columns,
    )
    if name == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed, so it holds no rows; open it, or name a file.")
        return rows_and_rejects(json_records(cast(io.BufferedIOBase, sys.stdin.buffer), wanted), wanted)
    if name.startswith("builtin:"):
        return _read_builtin(name, wanted)
    if name.startswith(hub.PREFIX):
        return hub.read_hub(name, wanted)
    return _read_file(Path(name), wanted)


def read_table(
    source: str | os.PathLike[str],
    *,
    text_columns: Sequence[str] = ("text",),
    label_column: str = "label",
    label_separator: str | None = None,
    require_label: bool,
    keep_columns: bool = False,
    group_column: str | None = None,
    fault_of: Callable[[str], RowFault | None] | None = None,
) -> Table:
    """The whole source, its texts in a temporary file; arguments and errors as for `read_rows`.

    Args:
        source: As there, and so are the others but the last.
        text_columns: As there.
        label_column: As there.
        label_separator: As there.
        require_label: As there.
        keep_columns: As there.
        group_column: The one column that `Row.columns` holds; a row without it holds none.
        fault_of: Why a text cannot be used, if it cannot; its row is rejected.

    Raises:
        DataError: Also where there is no room for that file, or where no row has the column of groups.
    """
    rows, rejects, found = StoredRows(), StoredRejects(), False
    for item in read_rows(
        source,
        text_columns=text_columns,
        label_column=label_column,
        label_separator=label_separator,
        require_label=require_label,
        keep_columns=keep_columns or group_column is not None,
    ):
        fault = None if fault_of is None or isinstance(item, Reject) else fault_of(item.text)
        if fault is not None:
            item = Reject(number=item.number, line=None, reason=fault.reason, detail=fault.detail)
        if isinstance(item, Reject):
            rejects.append(item)
        elif group_column is None:
            rows.append(item)
        else:
            held = item.columns or {}
            kept = {group_column: held[group_column]} if group_column in held else None
            found = found or kept is not None
            rows.append(dataclasses.replace(item, columns=kept))
    if group_column is not None and len(rows) and not found:
        raise DataError(
            f"{source}: expected a column {group_column!r} of groups, got none; name a column of the table."
        )
    return StoredTable(source=str(source), rows=rows, rejects=rejects)


def _read_file(path: Path, wanted: Wanted) -> Iterator[Row | Reject]:
    suffix = path.suffix.lower()
    if packed := suffix == ".gz":
        suffix = Path(path.stem).suffix.lower() + suffix
    if suffix == ".parquet.gz":
        raise DataError(
            f"{path}: parquet files are compressed inside, expected one without .gz; unpack it with gunzip."
        )
    if suffix not in _SUFFIXES:
        raise DataError(
            f"{path}: cannot tell the format from the suffix {suffix!r}, expected one of "
            f"{', '.join(_SUFFIXES)}; for JSON lines on standard input give -."
        )
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; expected a table ending in one of {', '.join(_SUFFIXES)}.")
    if suffix == ".parquet":
        return read_parquet(path, wanted)
    return _read_text(path, suffix.removesuffix(".gz"), packed, wanted)


def _read_text(path: Path, suffix: str, packed: bool, wanted: Wanted) -> Iterator[Row | Reject]:
    with path.open("rb") as file:
        stream = GunzipStream(file, wanted.source) if packed else file
        yield from rows_and_rejects(_TEXT_FORMATS[suffix](stream, wanted), wanted)


def _read_builtin(name: str, wanted: Wanted) -> Iterator[Row | Reject]:
    if name not in _BUILTINS:
        raise DataError(f"unknown built-in source {name!r}: expected one of {', '.join(_BUILTINS)}.")
    wanted.check(["text", "label"])
    return iter(docstrings(_BUILTINS[name], keep_columns=wanted.keep))
