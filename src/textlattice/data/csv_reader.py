"""Rows of csv and tsv files.

The standard library's reader in strict mode, fed line by line, so that every broken row has its line and reason
and the rows after it are read.
"""

import csv
import io
from collections import deque
from collections.abc import Iterator

from textlattice.data.lines import CORRUPT_GZIP, Line, decoded_lines
from textlattice.data.records import Record, RowFault, Wanted
from textlattice.errors import DataError

MAX_FIELD_LINES = 1_000
MAX_FIELD_BYTES = 10_000_000


class _RowLines:
    """The lines that the csv reader takes for one row, kept so that a broken row can be read again.

    The reader asks for a second line only if the first left a quoted field open; that is how an open field is
    known here. A line inside a quoted field leaves the same field open if all its quotes are doubled.
    """

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self.max_fields: int | None = None
        self.start_row()

    def start_row(self) -> None:
        self.taken: list[Line] = []
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
        if line.fault is not None and line.fault.reason in ("line_too_long", CORRUPT_GZIP):
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
            raise RowFault("ragged_row", f"expected {self.max_fields} fields, got more")
        if len(self.taken) - self._opened >= MAX_FIELD_LINES or self._num_bytes > MAX_FIELD_BYTES:
            raise RowFault(
                "unclosed_quote",
                f"a quoted field is still open after {MAX_FIELD_LINES} lines or {MAX_FIELD_BYTES} bytes",
            )

    def give_back(self) -> Line:
        """The line that opened the broken field; all lines after it will be read again.

        Where the file itself breaks off inside a row, all of the row is lost: the fault moves to its first line.
        """
        if (last := self.taken[-1]).fault is not None and last.fault.reason == CORRUPT_GZIP:
            return last._replace(number=self.taken[0].number)
        self._again.extendleft(reversed(self.taken[self._opened + 1 :]))
        return self.taken[self._opened]


def csv_records(stream: io.BufferedIOBase, wanted: Wanted, *, delimiter: str = ",") -> Iterator[Record]:
    """Rows of a table whose first row names the columns.

    Raises:
        DataError: The header cannot be read, names a column twice, or lacks a wanted one; the file is UTF-16.
    """
    # The limit belongs to the whole process: it is raised if needed, never lowered.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_BYTES))
    lines = _RowLines(decoded_lines(stream, wanted.source))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        lines.start_row()
        fields: list[str] = []
        fault: RowFault | None = None
        try:
            fields = next(reader)
            line = next((line for line in lines.taken if line.fault is not None), lines.taken[0])
        except StopIteration:
            return
        except RowFault as error:
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
            yield line.number, RowFault("ragged_row", f"expected {len(header)} fields, got {len(fields)}")
        else:
            yield line.number, dict(zip(header, fields, strict=True))


def _csv_fault(message: str) -> RowFault:
    if "field limit" in message:
        return RowFault("field_too_long", f"a field may hold {csv.field_size_limit()} characters")
    if "end of data" in message:
        return RowFault("unclosed_quote", "a quoted field is still open at the end of the file")
    return RowFault("broken_quote", "a quoted field goes on after its closing quote")
