"""Rows of a source, streamed in order: csv, tsv, jsonl, parquet, standard input, built-in texts.

Every row of the input comes out as a `Row` or as a `Reject` with its reason. Blank lines are no rows.
What concerns the whole source (no such file, no such column) is a `DataError`.
"""

import csv
import dataclasses
import io
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from textlattice.data.docstrings import docstrings
from textlattice.data.rows import Reject, Row, Table
from textlattice.errors import DataError, MissingExtraError

MAX_FIELD_LINES = 1_000
MAX_FIELD_BYTES = 10_000_000
MAX_LINE_BYTES = 100_000_000
_CHUNK_BYTES = 1 << 20
_BUILTINS = {
    "builtin:docstrings": "all",
    "builtin:docstrings:train": "train",
    "builtin:docstrings:test": "test",
}


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """Which columns make a row."""

    source: str
    text: tuple[str, ...]
    label: str
    require_label: bool
    keep: bool

    def check(self, found: Sequence[str]) -> None:
        names = list(found)
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(
                f"{self.source}: column names must differ, but {repeated[0]!r} stands twice in the header "
                f"({', '.join(names)}); rename one."
            )
        needed = [*self.text, *([self.label] if self.require_label else [])]
        for name in needed:
            if name not in names:
                raise DataError(
                    f"{self.source}: expected a column {name!r}, found {', '.join(names) or 'none'}; "
                    f"name the text column with --text and the label column with --label."
                )


class _RowFault(Exception):
    """Why one row cannot be used."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


# Columns of a row with the line where it begins, or its fault with the line of the fault.
_Record = tuple[int | None, Mapping[str, object] | _RowFault]


def read_rows(
    source: str | os.PathLike[str],
    *,
    text_columns: Sequence[str] = ("text",),
    label_column: str = "label",
    require_label: bool,
    keep_columns: bool = False,
) -> Iterator[Row | Reject]:
    """Rows and rejects of a source, in order, one at a time.

    Args:
        source: A path (`.csv .tsv .jsonl .parquet`), `-` for JSON lines on standard input,
            `builtin:docstrings`, `builtin:docstrings:train` or `builtin:docstrings:test`.
        text_columns: Columns whose texts are joined by one space. A null is left out; if all are null the row
            is rejected (`missing_text`). An empty text is a row.
        label_column: Column of the class. Texts, whole numbers and booleans become text (`1.0` gives "1",
            `True` gives "True"). Where a parquet file has whole numbers in `label` and their names in `label_name`,
            `label` means the names.
        require_label: Reject rows without a usable label; otherwise their label is None.
        keep_columns: Fill `Row.columns`.

    Raises:
        DataError: There is no such file, its kind is unknown, or it lacks a column.
        MissingExtraError: Parquet without pyarrow.

    The csv reader knows only line feed, carriage return and the two together as ends of a line. It is strict
    about quotes: a quoted field may span 1,000 lines or 10 MB, beyond that, and wherever quoting breaks, the
    line that opened the field is rejected and reading resumes at the next line. A row that holds a line of
    broken UTF-8 is rejected alone. JSON is strict as well: no NaN, no key twice.
    """
    name = str(source)
    if not text_columns:
        raise DataError(f"{name}: expected at least one text column, got none.")
    wanted = _Wanted(
        source="standard input" if name == "-" else name,
        text=tuple(text_columns),
        label=label_column,
        require_label=require_label,
        keep=keep_columns,
    )
    if name == "-":
        return _numbered(_json_records(cast(io.BufferedIOBase, sys.stdin.buffer)), wanted)
    if name.startswith("builtin:"):
        return _read_builtin(name, wanted)
    path = Path(name)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{name}: cannot tell the format from the suffix {path.suffix!r}, expected one of "
            f"{', '.join(_READERS)}; for JSON lines on standard input give -."
        )
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"{name} {what}; expected a table ending in one of {', '.join(_READERS)}.")
    return reader(path, wanted)


def read_table(
    source: str | os.PathLike[str],
    *,
    text_columns: Sequence[str] = ("text",),
    label_column: str = "label",
    require_label: bool,
    keep_columns: bool = False,
) -> Table:
    """The whole source in memory; arguments and errors as for `read_rows`."""
    rows: list[Row] = []
    rejects: list[Reject] = []
    for item in read_rows(
        source,
        text_columns=text_columns,
        label_column=label_column,
        require_label=require_label,
        keep_columns=keep_columns,
    ):
        if isinstance(item, Row):
            rows.append(item)
        else:
            rejects.append(item)
    return Table(source=str(source), rows=rows, rejects=rejects)


def _numbered(records: Iterator[_Record], wanted: _Wanted) -> Iterator[Row | Reject]:
    for number, (line, values) in enumerate(records, start=1):
        try:
            if isinstance(values, _RowFault):
                raise values
            text = _text(values, wanted)
            label = _label(values.get(wanted.label), wanted)
        except _RowFault as fault:
            yield Reject(number=number, line=line, reason=fault.reason, detail=fault.detail)
        else:
            yield Row(number=number, text=text, label=label, columns=dict(values) if wanted.keep else None)


def _text(values: Mapping[str, object], wanted: _Wanted) -> str:
    parts = []
    for name in wanted.text:
        value = values.get(name)
        if isinstance(value, bytes):
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError:
                raise _RowFault("invalid_utf8", f"column {name!r} is not valid UTF-8") from None
        if value is None:
            continue
        if not isinstance(value, str):
            raise _RowFault("text_not_string", f"column {name!r} must hold text, got {type(value).__name__}")
        parts.append(value)
    if not parts:
        raise _RowFault("missing_text", f"no value in {', '.join(map(repr, wanted.text))}")
    return " ".join(parts)


def _label(value: object, wanted: _Wanted) -> str | None:
    try:
        return _label_text(value, wanted.label)
    except _RowFault:
        if wanted.require_label:
            raise
        return None


def _label_text(value: object, name: str) -> str:
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise _RowFault("invalid_utf8", f"column {name!r} is not valid UTF-8") from None
    if isinstance(value, list | tuple):
        raise _RowFault("multi_label_not_supported", f"column {name!r} holds a list; expected one label")
    if isinstance(value, float):
        if value != value:  # NaN is how many tools write a missing value
            value = None
        elif value.is_integer():
            value = int(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise _RowFault("missing_label", f"no value in {name!r}")
    if not isinstance(value, str | int):
        raise _RowFault(
            "invalid_label",
            f"column {name!r} must hold text or a whole number, got {type(value).__name__}",
        )
    return str(value)


# ---- lines ----


class _Line(NamedTuple):
    """One line with its end; `fault` says why its text cannot be trusted, quotes and delimiters still can."""

    number: int
    text: str
    num_bytes: int
    fault: _RowFault | None


def _split_lines(stream: io.BufferedIOBase) -> Iterator[bytes]:
    """Lines with their ends; a line beyond `MAX_LINE_BYTES` loses its rest and so stays known as too long.

    `bytes.splitlines` knows only line feed and carriage return, `str.splitlines` would end a line at U+2028.
    """
    held: list[bytes] = []
    num_held = 0
    while chunk := stream.read1(_CHUNK_BYTES):  # what a pipe has, without waiting for more
        if b"\n" not in chunk and b"\r" not in chunk:
            if num_held <= MAX_LINE_BYTES:
                held.append(chunk)
                num_held += len(chunk)
            continue
        pieces = b"".join([*held, chunk]).splitlines(keepends=True)
        # The last piece may go on, or its \r may be half of \r\n.
        held = [] if pieces[-1].endswith(b"\n") else [pieces.pop()]
        num_held = sum(map(len, held))
        yield from pieces
    yield from b"".join(held).splitlines(keepends=True)


def _decoded_lines(stream: io.BufferedIOBase) -> Iterator[_Line]:
    for number, raw in enumerate(_split_lines(stream), start=1):
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        fault = None
        if len(raw) > MAX_LINE_BYTES:
            fault = _RowFault("line_too_long", f"a line may hold {MAX_LINE_BYTES} bytes")
            raw = b""
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            text = raw.decode("utf-8", "replace")
            fault = _RowFault("invalid_utf8", f"byte {error.start + 1} of the line is not UTF-8")
        yield _Line(number, text, len(raw), fault)


# ---- csv, tsv ----


class _RowLines:
    """The lines that the csv reader takes for one row, kept so that a broken row can be read again.

    The reader asks for a second line only if the first left a quoted field open; that is how an open field is
    known here. A line inside a quoted field leaves the same field open if all its quotes are doubled.
    """

    def __init__(self, lines: Iterator[_Line]) -> None:
        self._lines = lines
        self._again: deque[_Line] = deque()
        self.max_fields: int | None = None
        self.start_row()

    def start_row(self) -> None:
        self.taken: list[_Line] = []
        self._opened = 0  # index in `taken` of the line that opened the pending field
        self._num_opened = 0
        self._num_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.taken:
            self._check_open_field()
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        if line.fault is not None and line.fault.reason == "line_too_long":
            raise line.fault
        return line.text

    def _check_open_field(self) -> None:
        last = self.taken[-1]
        if len(self.taken) == 1 or '"' in last.text.replace('""', ""):
            self._opened = len(self.taken) - 1
            self._num_opened += 1
            self._num_bytes = 0
        self._num_bytes += last.num_bytes
        if self.max_fields is not None and self._num_opened > self.max_fields:
            raise _RowFault("ragged_row", f"expected {self.max_fields} fields, got more")
        if len(self.taken) - self._opened >= MAX_FIELD_LINES or self._num_bytes > MAX_FIELD_BYTES:
            raise _RowFault(
                "unclosed_quote",
                f"a quoted field is still open after {MAX_FIELD_LINES} lines or {MAX_FIELD_BYTES} bytes",
            )

    def give_back(self) -> _Line:
        """The line that opened the broken field; all lines after it will be read again."""
        self._again.extendleft(reversed(self.taken[self._opened + 1 :]))
        return self.taken[self._opened]


def _csv_records(stream: io.BufferedIOBase, delimiter: str, wanted: _Wanted) -> Iterator[_Record]:
    # The limit belongs to the whole process: it is raised if needed, never lowered.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_BYTES))
    lines = _RowLines(_decoded_lines(stream))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        lines.start_row()
        fields: list[str] = []
        fault: _RowFault | None = None
        try:
            fields = next(reader)
            line = next((line for line in lines.taken if line.fault is not None), lines.taken[0])
        except StopIteration:
            return
        except _RowFault as error:
            line, fault = lines.give_back(), error
        except csv.Error as error:
            line, fault = lines.give_back(), _csv_fault(str(error))
        fault = line.fault or fault
        if fault is None and not fields:
            continue  # a blank line
        if header is None:
            if fault is not None:
                raise DataError(
                    f"{wanted.source}: the header cannot be read ({fault.reason}: {fault.detail}); "
                    f"expected column names in UTF-8."
                )
            header = fields
            wanted.check(header)
            lines.max_fields = len(header)
        elif fault is not None:
            yield line.number, fault
        elif len(fields) != len(header):
            yield line.number, _RowFault("ragged_row", f"expected {len(header)} fields, got {len(fields)}")
        else:
            yield line.number, dict(zip(header, fields, strict=True))


def _csv_fault(message: str) -> _RowFault:
    if "field limit" in message:
        return _RowFault("field_too_long", f"a field may hold {csv.field_size_limit()} characters")
    if "end of data" in message:
        return _RowFault("unclosed_quote", "a quoted field is still open at the end of the file")
    return _RowFault("broken_quote", "a quoted field goes on after its closing quote")


def _read_csv(path: Path, wanted: _Wanted) -> Iterator[Row | Reject]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open("rb") as stream:
        yield from _numbered(_csv_records(stream, delimiter, wanted), wanted)


# ---- jsonl ----


def _json_records(stream: io.BufferedIOBase) -> Iterator[_Record]:
    for line in _decoded_lines(stream):
        if line.fault is not None:
            yield line.number, line.fault
        elif line.text.strip():
            try:
                yield line.number, _json_object(line.text)
            except _RowFault as fault:
                yield line.number, fault


def _json_object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_distinct_keys)
    except json.JSONDecodeError as error:
        raise _RowFault("invalid_json", f"{error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise _RowFault("invalid_json", "nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise _RowFault("invalid_json", str(error).partition(";")[0]) from None
    if not isinstance(value, dict):
        raise _RowFault("not_an_object", f"expected a JSON object, got {type(value).__name__}")
    return value


def _refuse_constant(name: str) -> None:
    raise _RowFault("invalid_json", f"{name} is not JSON")


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _RowFault("duplicate_key", "a key stands twice in one object")
    return values


def _read_jsonl(path: Path, wanted: _Wanted) -> Iterator[Row | Reject]:
    with path.open("rb") as stream:
        yield from _numbered(_json_records(stream), wanted)


# ---- parquet ----


def _read_parquet(path: Path, wanted: _Wanted) -> Iterator[Row | Reject]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(f"reading {wanted.source}", "parquet") from None
    try:
        with pq.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            if wanted.label == "label" and "label_name" in names and _is_integer(file.schema_arrow, "label"):
                wanted = dataclasses.replace(wanted, label="label_name")
            wanted.check(names)
            columns = (
                None if wanted.keep else [name for name in names if name in {*wanted.text, wanted.label}]
            )
            yield from _numbered(_parquet_records(file, columns), wanted)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{wanted.source}: cannot be read as parquet ({str(error).splitlines()[0]}); "
            f"write the file again."
        ) from error


def _is_integer(schema: Any, name: str) -> bool:
    import pyarrow as pa

    return name in schema.names and pa.types.is_integer(schema.field(name).type)


def _parquet_records(file: Any, columns: list[str] | None) -> Iterator[_Record]:
    for batch in file.iter_batches(batch_size=1024, columns=columns):
        names = batch.schema.names
        for values in zip(*(_column_values(column) for column in batch.columns), strict=True):
            yield None, dict(zip(names, values, strict=True))


def _column_values(column: Any) -> list[Any]:
    """Python values of a column; text that is not UTF-8 comes as bytes."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]
    except ValueError:  # a time in nanoseconds has no Python value
        return column.cast(pa.string()).to_pylist()


def _decoded(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return value


# ---- built-in ----


def _read_builtin(name: str, wanted: _Wanted) -> Iterator[Row | Reject]:
    if name not in _BUILTINS:
        raise DataError(f"unknown built-in source {name!r}: expected one of {', '.join(_BUILTINS)}.")
    wanted.check(["text", "label"])
    return iter(docstrings(_BUILTINS[name], keep_columns=wanted.keep))


_READERS: dict[str, Callable[[Path, _Wanted], Iterator[Row | Reject]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
