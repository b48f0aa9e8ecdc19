"""Between a file format and a row: which columns are wanted, what may be wrong, how columns become a row.

A format gives its rows as records, each a mapping of columns or a fault; here they are numbered and judged.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from textlattice.data.arrow_values import ArrowValue
from textlattice.data.rows import Reject, Row
from textlattice.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which columns make a row.

    Args:
        source: Name of the source, for messages.
        text: Columns whose texts are joined by one space.
        label: Column of the label.
        label_separator: What parts a text into a list of labels; None if a text is one label.
        require_label: Whether a row without a usable label is rejected.
        keep: Whether rows keep all columns.
    """

    source: str
    text: tuple[str, ...]
    label: str
    label_separator: str | None
    require_label: bool
    keep: bool

    def check(self, found: Sequence[str]) -> None:
        """Does nothing where the columns of a source are distinct and hold the wanted ones.

        Raises:
            DataError: They do not.
        """
        names = dict.fromkeys(found)
        if len(names) < len(found):
            repeated = sorted(name for name, count in Counter(found).items() if count > 1)
            raise DataError(
                f"{self.source}: column names must differ, but {repeated[0]!r} stands twice in the header "
                f"({', '.join(found)}); rename one."
            )
        needed = [*self.text, *([self.label] if self.require_label else [])]
        for name in needed:
            if name not in names:
                raise DataError(
                    f"{self.source}: expected a column {name!r}, found {', '.join(names) or 'none'}; "
                    f"name the text column with --text and the label column with --label."
                )

    def among(self, names: Sequence[str]) -> list[str]:
        """Those of a source's columns that have to be read, in their order."""
        needed = {*self.text, self.label}
        return [name for name in names if self.keep or name in needed]


class RowFault(Exception):
    """Why one row cannot be used.

    Args:
        reason: Code in snake case.
        detail: What is wrong, in words; never holds text of the row.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


# Columns of a row with the line where it begins, or its fault with the line of the fault.
Record = tuple[int | None, Mapping[str, object] | RowFault]


def rows_and_rejects(records: Iterator[Record], wanted: Wanted) -> Iterator[Row | Reject]:
    """Each record as a row or a reject, in order, numbered from 1."""
    for number, (line, values) in enumerate(records, start=1):
        try:
            if isinstance(values, RowFault):
                raise values
            text = _text(values, wanted)
            label = _label(values.get(wanted.label), wanted)
        except RowFault as fault:
            yield Reject(number=number, line=line, reason=fault.reason, detail=fault.detail)
        else:
            yield Row(number=number, text=text, label=label, columns=dict(values) if wanted.keep else None)


def _text(values: Mapping[str, object], wanted: Wanted) -> str:
    parts = []
    for name in wanted.text:
        value = _decoded(values.get(name), name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise RowFault("text_not_string", f"column {name!r} must hold text, got {_kind(value)}")
        parts.append(value)
    if not parts:
        raise RowFault("missing_text", f"no value in {', '.join(map(repr, wanted.text))}")
    return " ".join(parts)


def _decoded(value: object, name: str) -> object:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise RowFault("invalid_utf8", f"column {name!r} is not valid UTF-8") from None


def _label(value: object, wanted: Wanted) -> str | tuple[str, ...] | None:
    try:
        value = _decoded(value, wanted.label)
        if isinstance(value, str) and wanted.label_separator is not None:
            names = [part.strip() for part in value.split(wanted.label_separator)]
            return tuple(dict.fromkeys(name for name in names if name))
        if isinstance(value, list | tuple):
            return _label_list(value, wanted.label)
        label = _label_text(value, wanted.label)
        if label is None:
            raise RowFault("missing_label", f"no value in {wanted.label!r}")
        return label
    except RowFault:
        if wanted.require_label:
            raise
        return None


def _label_list(values: Sequence[object], column: str) -> tuple[str, ...]:
    labels = [_label_text(_decoded(value, column), column) for value in values]
    if None in labels:
        raise RowFault("invalid_label", f"a list in column {column!r} holds an empty label")
    return tuple(dict.fromkeys(label for label in labels if label is not None))


def _label_text(value: object, column: str) -> str | None:
    """One label as text, None if there is none."""
    if isinstance(value, float):
        if value != value:  # NaN is how many tools write a missing value
            return None
        if value.is_integer():
            value = int(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str | int):
        raise RowFault(
            "invalid_label",
            f"column {column!r} must hold text or a whole number, got {_kind(value)}",
        )
    return str(value)


def _kind(value: object) -> str:
    """What a value is, in a word."""
    return str(value.scalar.type) if isinstance(value, ArrowValue) else type(value).__name__
