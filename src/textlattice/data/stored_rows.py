"""Rows and rejects of a source of any size: texts in a temporary file, 24 bytes of memory a row."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from textlattice.data.rows import Reject, Row, Table
from textlattice.data.spool import OnDemand, StoredTexts


class StoredRows(OnDemand[Row]):
    """Rows, read when they are asked for; columns that they keep stay in memory."""

    def __init__(self) -> None:
        self.texts = StoredTexts()
        self.labels: list[str | tuple[str, ...] | None] = []
        self._numbers = array("q")
        self._known: dict[str | tuple[str, ...] | None, str | tuple[str, ...] | None] = {}
        self._columns: dict[int, dict[str, object]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def append(self, row: Row) -> None:
        """Adds a row at the end."""
        if row.columns is not None:
            self._columns[len(self)] = row.columns
        self.texts.append(row.text)
        self.labels.append(self._known.setdefault(row.label, row.label))  # equal labels are one object
        self._numbers.append(row.number)

    def item(self, place: int) -> Row:
        """The row at a place."""
        return Row(
            number=self._numbers[place],
            text=self.texts.item(place),
            label=self.labels[place],
            columns=self._columns.get(place),
        )


class StoredRejects(OnDemand[Reject]):
    """Rejects, read when they are asked for."""

    def __init__(self) -> None:
        self._numbers, self._lines = array("q"), array("q")  # -1 for no line
        self._reasons: list[str] = []
        self._known: dict[str, str] = {}
        self._details = StoredTexts()

    def __len__(self) -> int:
        return len(self._numbers)

    def append(self, reject: Reject) -> None:
        """Adds a reject at the end."""
        self._numbers.append(reject.number)
        self._lines.append(-1 if reject.line is None else reject.line)
        self._reasons.append(self._known.setdefault(reject.reason, reject.reason))
        self._details.append(reject.detail)

    def item(self, place: int) -> Reject:
        """The reject at a place."""
        line = self._lines[place]
        return Reject(
            number=self._numbers[place],
            line=None if line < 0 else line,
            reason=self._reasons[place],
            detail=self._details.item(place),
        )


@dataclass(frozen=True, kw_only=True)
class StoredTable(Table):
    """All rows and rejects of a source of any size."""

    rows: StoredRows
    rejects: StoredRejects

    @property
    def texts(self) -> Sequence[str]:
        """Text of each row."""
        return self.rows.texts

    @property
    def labels(self) -> list[str | tuple[str, ...] | None]:
        """Label of each row."""
        return self.rows.labels
