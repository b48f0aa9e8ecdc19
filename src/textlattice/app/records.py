"""The record of a model or a table: JSON that anybody may have written, read for what can be shown."""

import math
from typing import Any

_DEEPEST = 32
_LARGEST = 10**18
_LONGEST = 10_000  # characters of a text


def plain(value: Any, depth: int = _DEEPEST) -> Any:
    """The same value, None for what neither a table nor JSON shows: infinite or huge numbers, what lies too deep."""
    if isinstance(value, dict):
        return {str(name): plain(inner, depth - 1) for name, inner in value.items()} if depth else None
    if isinstance(value, list | tuple):
        return [plain(inner, depth - 1) for inner in value] if depth else None
    if isinstance(value, str):
        return value[:_LONGEST]
    return value if isinstance(value, bool) or is_number(value) else None


def part(record: Any, name: str) -> dict[str, Any]:
    """What a record holds under a name, empty where that is missing or holds nothing by name."""
    inner = record.get(name) if isinstance(record, dict) else None
    return inner if isinstance(inner, dict) else {}


def is_number(value: Any) -> bool:
    """Whether a value is a finite number of at most 18 digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _LARGEST and math.isfinite(value)
