"""What a reader gives: rows that can be used, rejects with their reason, and a table of both."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from textlattice.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Row:
    """One usable row of a source.

    Args:
        number: Place in the source, from 1; usable rows and rejects count alike.
        text: The text, possibly empty; several text columns are joined by one space.
        label: The class as text; a tuple of distinct ones where the source gives a list, empty if none of them
            applies; None where the source has none.
        columns: All columns of the input row, None unless the reader was asked to keep them.
    """

    number: int
    text: str
    label: str | tuple[str, ...] | None
    columns: dict[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class Reject:
    """One row of a source that cannot be used.

    Args:
        number: Place in the source, from 1; usable rows and rejects count alike.
        line: Line of the file, from 1, header included; None where a format has no lines.
        reason: Code in snake case, e.g. `invalid_utf8`.
        detail: What was wrong, in words; never holds text of the row.
    """

    number: int
    line: int | None
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """All rows and rejects of a source, each in order."""

    source: str
    rows: Sequence[Row]
    rejects: Sequence[Reject]

    @property
    def texts(self) -> Sequence[str]:
        """Text of each row."""
        return [row.text for row in self.rows]

    @property
    def labels(self) -> list[str | tuple[str, ...] | None]:
        """Label of each row."""
        return [row.label for row in self.rows]

    @property
    def given_labels(self) -> list[str | tuple[str, ...]]:
        """Label or labels of each row, where every row states them.

        Raises:
            DataError: A row does not.
        """
        labels = []
        for place, label in enumerate(self.labels):
            if label is None:
                raise DataError(
                    f"expected a label in every row, got none in row {self.rows[place].number} of {self.source}; "
                    "name the label column."
                )
            labels.append(label)
        return labels

    @property
    def single_labels(self) -> list[str]:
        """Label of each row, where every row has exactly one.

        Raises:
            DataError: A row has a list of labels, or none.
        """
        labels = []
        for place, label in enumerate(self.given_labels):
            if isinstance(label, tuple):
                raise DataError(
                    f"row {self.rows[place].number} of {self.source} has a list of labels, expected one label a row; "
                    "a model for lists of labels is trained with --task multi."
                )
            labels.append(label)
        return labels

    def groups(self, column: str) -> list[str]:
        """Group of each row: the text of a column that it keeps; a row without one is a group of its own."""
        values = [(row.columns or {}).get(column) for row in self.rows]
        return [
            f"\0row {place}" if value is None or value == "" else str(value)
            for place, value in enumerate(values)
        ]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over texts and labels in order, as 64 hexadecimal digits.

        Each text and label is preceded by its length in bytes, so that no two tables run together; for no label
        stands -1, before a list of labels -2 less their number.
        """
        sha256 = hashlib.sha256()
        for row in self.rows:
            for part in (row.text, *_label_parts(row.label)):
                encoded = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else b""
                length = len(encoded) if isinstance(part, str) else part
                sha256.update(length.to_bytes(8, "little", signed=True) + encoded)
        return sha256.hexdigest()


def _label_parts(label: str | tuple[str, ...] | None) -> tuple[str | int, ...]:
    """A label as texts, with a negative number for what is not one text."""
    if label is None:
        return (-1,)
    return (label,) if isinstance(label, str) else (-2 - len(label), *label)
