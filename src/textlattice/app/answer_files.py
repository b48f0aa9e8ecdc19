"""Answers to rows, streamed: JSON lines, or the input table with our columns added (csv, tsv, parquet).

A file appears under its name only when it is complete; a pipe or a device gets the answers as they come.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from textlattice.app.spreadsheet import harmless
from textlattice.app.terminal import json_text
from textlattice.artefact.output_file import output_place, writing
from textlattice.data.arrow_values import arrow_array, num_bytes
from textlattice.data.rows import Reject, Row
from textlattice.errors import DataError, MissingExtraError, TextTooLongError
from textlattice.runtime.predictor import MAX_DOCUMENTS, Answer, Predictor
from textlattice.task import Task

ADDED = ("label", "probability", "status", "error")
"""Columns that a table gains; where the input has one of that name, ours gets `predicted_` before it."""
ADDED_OF_MANY = ("labels", "probabilities", "status", "error")
"""The same where a text may have any number of labels: they stand in one cell, and so do their probabilities."""
EXTRA_COLUMN = "extra_column"
"""Error of a row with a column that the first usable row has not; JSON lines take any row."""
TEXT_TOO_LONG = "text_too_long"
"""Error of a row whose text has more tokens or characters than are read."""
_ROW_GROUP = 4096
_HELD_BYTES = 16_000_000
"""What rows may hold in all, counted in characters, before they are answered or written; one row may hold more."""


@dataclass(frozen=True, kw_only=True)
class AnswerForm:
    """How an answer stands in the columns of a table.

    Args:
        task: What is answered.
        separator: Between the labels of one cell.
        safe: Whether text cells of csv and tsv are made harmless for spreadsheets.
    """

    task: Task
    separator: str = "|"
    safe: bool = False

    def check(self) -> None:
        """Does nothing where the labels of one cell can be told apart.

        Raises:
            DataError: A label holds the separator.
        """
        if self.task.kind != "multi":
            return
        broken = next((name for name in self.task.labels if self.separator in name), None)
        if not self.separator or broken is not None:
            raise DataError(
                f"--label-separator: expected a text that stands in no label, got {self.separator!r}"
                + (f", and the label {broken!r}" if broken is not None else "")
                + "; choose another one, or write the answers as .jsonl."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return ADDED_OF_MANY if self.task.kind == "multi" else ADDED

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of those that hold numbers."""
        return () if self.task.kind == "multi" else ("probability",)

    def cells(self, answer: Answer) -> tuple[object, ...]:
        """What stands in them."""
        if isinstance(answer.label, str):
            return answer.label, answer.probabilities[answer.label], answer.status, None
        probabilities = (f"{answer.probabilities[name]:.6g}" for name in answer.label)
        return self.separator.join(answer.label), self.separator.join(probabilities), answer.status, None


@runtime_checkable
class AnswerWriter(Protocol):
    """Takes the answers one by one, in order."""

    def write(self, item: Row | Reject, answer: Answer | None) -> str | None:
        """Adds a row with its answer, or a reject; the reason if the row got no answer."""
        ...

    def finish(self) -> None:
        """Writes what was held back."""
        ...


def answered(
    predictor: Predictor, items: Iterator[Row | Reject]
) -> Iterator[tuple[Row | Reject, Answer | None]]:
    """Each row with its answer and each reject with None, in order; a few hundred are held at a time, or fewer long
    ones."""
    while chunk := _chunk(items):
        answers = predictor.answers_or_errors(item.text for item in chunk if isinstance(item, Row))
        for item in chunk:
            answer = next(answers) if isinstance(item, Row) else None
            if isinstance(answer, TextTooLongError):
                fault = {
                    "reason": TEXT_TOO_LONG,
                    "detail": f"expected at most {answer.most}, got {answer.found}",
                }
                yield Reject(number=item.number, line=None, **fault), None
            else:
                yield item, answer


def _chunk(items: Iterator[Row | Reject]) -> list[Row | Reject]:
    chunk: list[Row | Reject] = []
    load = 0
    for item in islice(items, MAX_DOCUMENTS):
        chunk.append(item)
        if isinstance(item, Row):
            load += len(item.text) + num_bytes(item.columns)
        if load > _HELD_BYTES:
            break
    return chunk


def check_answer_file(output: Path | None, source: str) -> None:
    """Does nothing where answers can go to `output`; call it before long work.

    Raises:
        DataError: The suffix is unknown, nothing can be written there, or the output is the source itself.
        MissingExtraError: Parquet without pyarrow.
    """
    if output is None:
        return
    suffix = output.suffix.lower()
    place = output_place(output)
    if suffix not in _SUFFIXES and not place.streamed:
        raise DataError(
            f"{output}: cannot tell the format from the suffix {output.suffix!r}, expected one of "
            f"{', '.join(_SUFFIXES)}; without -o, JSON lines go to standard output."
        )
    if place.streamed:
        if suffix == ".parquet":
            raise DataError(
                f"{output}: parquet goes to a file, and this is a pipe or a device; write the answers as .jsonl, .csv "
                "or .tsv."
            )
        return
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise DataError(f"{output}: expected another file than the source; choose another name.")
    if suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise MissingExtraError(f"writing {output}", "parquet") from None


def answer_format(output: Path | None) -> str:
    """The suffix that says how answers are written; a pipe or a device without one gets JSON lines."""
    suffix = "" if output is None else output.suffix.lower()
    return suffix if suffix in _SUFFIXES else ".jsonl"


def keeps_columns(output: Path | None) -> bool:
    """Whether the columns of the input are written again."""
    return answer_format(output) != ".jsonl"


@contextmanager
def answer_writer(output: Path | None, source: str, form: AnswerForm) -> Iterator[AnswerWriter]:
    """A writer for a file by its suffix, or for JSON lines on stdout; finished at the end of the block.

    Args:
        output: The file, or None.
        source: What the rows come from; a table in parquet gives its types.
        form: How an answer stands in a table.
    """
    if output is None:
        yield _JsonLines(sys.stdout, json_text)
        sys.stdout.flush()
        return
    format_, streamed = answer_format(output), output_place(output).streamed
    with writing(output) as file:
        if format_ == ".parquet":
            parquet = _Parquet(file, source, form)
            try:
                yield parquet
                parquet.finish()
            finally:
                parquet.close()
        else:
            # Written through, so that nothing waits here for a reader when the block fails.
            stream = io.TextIOWrapper(
                file, encoding="utf-8", errors="backslashreplace", newline="", write_through=True
            )
            writer: AnswerWriter
            if format_ == ".jsonl":
                writer = _JsonLines(stream, json_text if streamed else _plain_json)
            else:
                writer = _Delimited(stream, "\t" if format_ == ".tsv" else ",", form)
            yield writer
            writer.finish()
            stream.detach()


@runtime_checkable
class _Stream(Protocol):
    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...


class _JsonLines:
    def __init__(self, stream: _Stream, dump: Callable[[object], str]) -> None:
        self.stream, self.dump, self.num_written = stream, dump, 0

    def write(self, item: Row | Reject, answer: Answer | None) -> str | None:
        values: dict[str, Any]
        if answer is None:
            assert isinstance(item, Reject)
            values = {"row": item.number, "error": item.reason}
        else:
            several = isinstance(answer.label, tuple)
            values = {"labels" if several else "label": answer.label, "probabilities": answer.probabilities}
            if answer.status != "ok":
                values["status"] = answer.status
        self.stream.write(self.dump(values) + "\n")
        self.num_written += 1
        if self.num_written % MAX_DOCUMENTS == 0:
            self.stream.flush()
        return item.reason if isinstance(item, Reject) else None

    def finish(self) -> None:
        self.stream.flush()


class _Table:
    """Columns of the first usable row, then ours. Rejects before it wait until the columns are known.

    A later row with a column more has no place for it: it keeps the others and gets `extra_column` for an answer.
    """

    def __init__(self, form: AnswerForm) -> None:
        form.check()
        self.form = form
        self.columns: list[str] | None = None
        self.known: set[str] = set()
        self.waiting: list[Reject] = []

    def write(self, item: Row | Reject, answer: Answer | None) -> str | None:
        if isinstance(item, Reject):
            if self.columns is None:
                self.waiting.append(item)
            else:
                self.emit({}, (None, None, None, item.reason))
            return item.reason
        assert answer is not None
        values = item.columns or {}
        if self.columns is None:
            self.settle(list(values))
        assert self.columns is not None
        if not values.keys() <= self.known:
            self.emit(values, (None, None, None, EXTRA_COLUMN))
            return EXTRA_COLUMN
        self.emit(values, self.form.cells(answer))
        return None

    def settle(self, columns: list[str]) -> None:
        self.columns, self.known = columns, set(columns)
        added = [f"predicted_{name}" if name in self.known else name for name in self.form.columns]
        taken = [name for name in added if name in self.known]
        if taken:
            raise DataError(f"the source has a column {taken[0]!r} already; rename it.")
        self.begin(columns, added)
        for reject in self.waiting:
            self.emit({}, (None, None, None, reject.reason))
        self.waiting = []

    def finish(self) -> None:
        if self.columns is None:
            self.settle([])

    def begin(self, columns: list[str], added: list[str]) -> None:
        raise NotImplementedError

    def emit(self, values: Mapping[str, object], added: tuple[object, ...]) -> None:
        raise NotImplementedError


class _Delimited(_Table):
    def __init__(self, stream: _Stream, delimiter: str, form: AnswerForm) -> None:
        super().__init__(form)
        self.writer = csv.writer(_LineFeeds(stream), delimiter=delimiter)

    def write_row(self, cells: list[object]) -> None:
        if self.form.safe:
            cells = [harmless(cell) if isinstance(cell, str) else cell for cell in cells]
        self.writer.writerow(cells)

    def begin(self, columns: list[str], added: list[str]) -> None:
        self.write_row([*columns, *added])

    def emit(self, values: Mapping[str, object], added: tuple[object, ...]) -> None:
        assert self.columns is not None
        cells = [values.get(name) for name in self.columns]
        self.write_row([*map(_cell, cells), *added])


class _LineFeeds:
    """Ends lines by line feed alone; the csv writer is left to think of both ends, so that it quotes both."""

    def __init__(self, stream: _Stream) -> None:
        self.stream = stream

    def write(self, line: str) -> int:
        return self.stream.write(line.removesuffix("\r\n") + "\n")


class _Parquet(_Table):
    """Columns of a parquet source keep their types; those of other sources become text."""

    def __init__(self, stream: BinaryIO, source: str, form: AnswerForm) -> None:
        super().__init__(form)
        self.stream = stream
        self.types = _parquet_types(source)
        self.file: Any = None
        self.schema: Any = None
        self.held: list[tuple[object, ...]] = []
        self.num_held = 0

    def begin(self, columns: list[str], added: list[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kept = [self.types.get(name, pa.string()) for name in columns]
        kinds = [pa.float64() if name in self.form.numbers else pa.string() for name in self.form.columns]
        self.schema = pa.schema(list(zip(_distinct([*columns, *added]), [*kept, *kinds], strict=True)))
        self.file = pq.ParquetWriter(self.stream, self.schema)

    def emit(self, values: Mapping[str, object], added: tuple[object, ...]) -> None:
        assert self.columns is not None
        cells = [
            values.get(name) if name in self.types else _text_or_none(values.get(name))
            for name in self.columns
        ]
        self.held.append((*cells, *map(_encodable, added)))
        self.num_held += sum(map(num_bytes, cells))
        if len(self.held) >= _ROW_GROUP or self.num_held > _HELD_BYTES:
            self.flush()

    def finish(self) -> None:
        super().finish()
        self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if not self.held:
            return
        columns = zip(*self.held, strict=True)
        try:
            arrays = [
                arrow_array(column, field.type) for column, field in zip(columns, self.schema, strict=True)
            ]
            self.file.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(
                f"a column cannot be written as parquet ({str(error).splitlines()[0]}); "
                "write the answers as .csv or .jsonl."
            ) from error
        self.held, self.num_held = [], 0

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def _parquet_types(source: str) -> dict[str, Any]:
    """Types of the columns of a parquet source; nothing for other sources."""
    if Path(source).suffix.lower() != ".parquet":
        return {}
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(source)
    except (pa.ArrowException, OSError):
        return {}  # the reader will say what is wrong
    types = {field.name: field.type for field in schema}
    return {n: t.value_type if pa.types.is_dictionary(t) else t for n, t in types.items()}


def _plain_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(value: object) -> object:
    """A value for csv: nothing for None, JSON for lists and objects, escapes for bytes that are no UTF-8."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=_text_of)
    return _text_of(value) if isinstance(value, bytes) else value


def _text_or_none(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else _escaped(value)
    if isinstance(value, list | dict | tuple | bool | int | float):
        return _escaped(json.dumps(value, ensure_ascii=False, default=_text_of))
    return _escaped(_text_of(value))


def _text_of(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _escaped(text: str) -> str:
    """The text as UTF-8 can hold it: a lone surrogate stands escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _encodable(value: object) -> object:
    return _escaped(value) if isinstance(value, str) else value


def _distinct(names: list[str]) -> list[str]:
    """The names as UTF-8 can hold them, each of its own."""
    found: dict[str, None] = {}
    for name in map(_escaped, names):
        while name in found:
            name += "_"
        found[name] = None
    return list(found)


_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
