"""Rows of JSON lines. JSON is taken strictly: no NaN, no key twice."""

import io
import json
from collections.abc import Iterator
from typing import Any

from textlattice.data.lines import decoded_lines
from textlattice.data.records import Record, RowFault, Wanted


def json_records(stream: io.BufferedIOBase, wanted: Wanted) -> Iterator[Record]:
    """Rows of JSON lines, an object each; blank lines are no rows."""
    for line in decoded_lines(stream, wanted.source):
        if line.fault is not None:
            yield line.number, line.fault
        elif line.text.strip():
            try:
                yield line.number, _json_object(line.text)
            except RowFault as fault:
                yield line.number, fault


def _json_object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_distinct_keys)
    except json.JSONDecodeError as error:
        raise RowFault("invalid_json", f"{error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise RowFault("invalid_json", "nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise RowFault("invalid_json", str(error).partition(";")[0]) from None
    if not isinstance(value, dict):
        raise RowFault("not_an_object", f"expected a JSON object, got {type(value).__name__}")
    return value


def _refuse_constant(name: str) -> None:
    raise RowFault("invalid_json", f"{name} is not JSON")


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise RowFault("duplicate_key", "a key stands twice in one object")
    return values
