"""What a reader gives: rows that can be used, rejects with their reason, and a table of both."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, kw_only=True)
class Row:
    """One usable row of a source.

    Args:
        number: Place in the source, from 1; usable rows and rejects count alike.
        text: The text, possibly empty; several text columns are joined by one space.
        label: The class as text, None where the source has none.
        columns: All columns of the input row, None unless the reader was asked to keep them.
    """

    number: int
    text: str
    label: str | None
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
    def texts(self) -> list[str]:
        """Text of each row."""
        return [row.text for row in self.rows]

    @property
    def labels(self) -> list[str | None]:
        """Label of each row."""
        return [row.label for row in self.rows]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over texts and labels in order, as 64 hexadecimal digits.

        Each text and label is preceded by its length in bytes, so that no two tables run together.
        """
        sha256 = hashlib.sha256()
        for row in self.rows:
            for part in (row.text, row.label):
                encoded = b"" if part is None else part.encode("utf-8", "surrogatepass")
                length = -1 if part is None else len(encoded)
                sha256.update(length.to_bytes(8, "little", signed=True) + encoded)
        return sha256.hexdigest()
