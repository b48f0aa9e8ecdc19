"""Settings as plain JSON, and back: dataclasses of any depth, checked by their annotations."""

import dataclasses
import json
import math
import types
import typing
from reprlib import repr as short
from typing import Any, Literal, TypeVar

from textlattice.errors import ConfigError

ConfigT = TypeVar("ConfigT")
_LARGEST = 2**63 - 1


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """One object of a JSON text, for `json.loads(..., object_pairs_hook=distinct_keys)`.

    Raises:
        ValueError: A key stands twice in it, so what it says depends on who reads it.
    """
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key that stands twice in one object")
    return values


def to_dict(config: Any) -> dict[str, Any]:
    """Plain JSON values of a config dataclass."""
    return typing.cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(config))))


def from_dict(cls: type[ConfigT], values: Any, *, where: str = "config") -> ConfigT:
    """A config dataclass from plain JSON values; missing keys take their default.

    Raises:
        ConfigError: A key is unknown or a value has the wrong type.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must be an object of settings, got {short(values)}.")
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigError(
            f"unknown setting {where}.{str(unknown[0])[:80]}: expected one of {', '.join(hints)}."
        )
    return cls(**{name: _convert(values[name], hints[name], f"{where}.{name}") for name in values})


def _convert(value: Any, hint: Any, where: str) -> Any:
    """`value` as the annotated type, so that JSON's lists become tuples and 2 may stand for 2.0."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_dict(hint, value, where=where)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list | tuple):
        items = args[:1] * len(value) if args[-1] is Ellipsis else args
        if len(items) == len(value):
            return tuple(_convert(*pair, where) for pair in zip(value, items, strict=True))
    if origin is Literal and value in args:
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _convert(value, _chosen(args, value, where), where)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
        raise ConfigError(
            f"{where} must be a number of at most {_LARGEST:,}, got {short(value)} of {_digits(value)} digits."
        )
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    name = str(hint) if origin else getattr(hint, "__name__", str(hint))
    if origin is tuple and not isinstance(value, list | tuple):
        name = "a list"
        if isinstance(value, str | int | float):
            parts = value.split(",")[:8] if isinstance(value, str) else [value]
            name += f", such as {json.dumps(parts)[:80]}"
    expected = f"one of {', '.join(map(str, args))}" if origin is Literal else name
    raise ConfigError(f"{where} must be {expected}, got {short(value)}.")


def _digits(value: int) -> int:
    """About how many digits a whole number has; to write it out may be more than Python does."""
    return int(abs(value).bit_length() * math.log10(2)) + 1


def _chosen(options: tuple[Any, ...], value: Any, where: str) -> Any:
    """Of the types that a setting may have, the one that a value means: by its `family`, if they are settings too."""
    options = tuple(option for option in options if option is not type(None))
    families = {option.family: option for option in options if hasattr(option, "family")}
    if not families or not isinstance(value, dict):
        return options[0]
    name = value.get("family", options[0].family)
    if not (isinstance(name, str) and name in families):
        raise ConfigError(f"{where}.family must be one of {', '.join(families)}, got {short(name)}.")
    return families[name]
