"""Values of Arrow columns as Python values, whatever their type. Needs pyarrow when it is used."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any


class ArrowValue:
    """A value that Python cannot hold exactly, such as a nanosecond or a date outside of the years 1 to 9999.

    As text it reads as Arrow writes it; a parquet file takes `scalar` as it is.

    Args:
        scalar: The value.
    """

    def __init__(self, scalar: Any) -> None:
        self.scalar = scalar

    def __str__(self) -> str:
        import pyarrow as pa

        kind, number = self.scalar.type, self.scalar.value
        if pa.types.is_duration(kind):
            return f"{number} {kind.unit}"
        try:
            text = str(self.scalar.cast(pa.string()).as_py())
        except (pa.ArrowException, ValueError):
            text = "<"  # no such zone
        if not text.startswith("<"):
            return text
        unit = "days" if pa.types.is_date(kind) else kind.unit
        return f"{number} {unit}" if pa.types.is_time(kind) else f"{number} {unit} since 1970-01-01"

    __repr__ = __str__


def python_values(column: Any) -> Sequence[object]:
    """Each value of an Arrow array, all made at once.

    Text that is not UTF-8 comes as bytes, a map (and a struct with two fields of one name) as a list of pairs, and what
    Python cannot hold as an `ArrowValue`. Nanoseconds always do, so that nothing depends on pandas being installed.
    """
    if _is_exact(column.type):
        try:
            return list(column.to_pylist())
        except Exception:  # as many kinds of errors as there are types; value by value then
            pass
    return [_python_value(scalar) for scalar in column]


def one_by_one(column: Any) -> Iterator[object]:
    """The same values, each made when it is asked for."""
    for place in range(len(column)):
        yield from python_values(column.slice(place, 1))


@lru_cache(1024)
def may_repeat(kind: Any) -> bool:
    """Whether an array of this type may name one value many times, so that it grows when it is made Python's."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return True
    if any(test(kind) for test in (pa.types.is_list_view, pa.types.is_large_list_view)):
        return True
    if any(test(kind) for test in (pa.types.is_string_view, pa.types.is_binary_view)):
        return True
    return any(may_repeat(inner) for inner in _inner_types(kind))


def num_bytes(value: object) -> int:
    """Bytes of the texts and other items in a value, some for each; enough to tell whether it is too large."""
    total, held = 0, [value]
    while held:  # values of JSON may be nested as deeply as a stack allows
        item = held.pop()
        total += len(item) if isinstance(item, str | bytes) else 8
        if isinstance(item, dict):
            held += [*item, *item.values()]
        elif isinstance(item, list | tuple):
            held += item
    return total


@lru_cache(1024)
def _is_exact(kind: Any) -> bool:
    """Whether Python's value, where there is one, surely equals that of Arrow."""
    import pyarrow as pa

    if pa.types.is_time32(kind):
        return False  # outside of a day Python counts on from midnight
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        return bool(kind.unit != "ns")
    return all(map(_is_exact, _inner_types(kind)))


_DAY = {"s": 86_400, "ms": 86_400_000}


def _inner_types(kind: Any) -> list[Any]:
    """Types of the values within a value."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return [kind.storage_type]
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return [kind.value_type]
    return [kind.field(place).type for place in range(kind.num_fields)] if pa.types.is_nested(kind) else []


def _python_value(scalar: Any) -> object:
    import pyarrow as pa

    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) or pa.types.is_union(kind):
        return _python_value(scalar.value)
    if pa.types.is_map(kind):
        entries = scalar.values
        return list(zip(*(map(_python_value, entries.field(place)) for place in (0, 1)), strict=True))
    if pa.types.is_struct(kind):
        names = [kind.field(place).name for place in range(kind.num_fields)]
        pairs = [(name, _python_value(scalar[place])) for place, name in enumerate(names)]
        return dict(pairs) if len(set(names)) == len(names) else pairs
    if pa.types.is_nested(kind):  # some kind of list
        return [_python_value(item) for item in scalar.values]
    if not _is_exact(kind) and not (pa.types.is_time32(kind) and 0 <= scalar.value < _DAY[kind.unit]):
        return ArrowValue(scalar)
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return (scalar.value if isinstance(kind, pa.BaseExtensionType) else scalar).as_buffer().to_pybytes()
    except Exception:  # out of range, no such zone, an extension that fails
        return ArrowValue(scalar)


def arrow_array(values: Sequence[object], kind: Any) -> Any:
    """An Arrow array of a type, of what `python_values` made of such a one; bytes that are no UTF-8 stand escaped."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        try:
            return pa.array(values, kind)
        except (
            pa.ArrowException,
            TypeError,
        ):  # a boolean of eight bits is one that Arrow reads and does not write
            return pa.ExtensionArray.from_storage(kind, arrow_array(values, kind.storage_type))
    return pa.array([_arrow_input(value, kind) for value in values], kind)


def _arrow_input(value: object, kind: Any) -> object:
    import pyarrow as pa

    if isinstance(value, ArrowValue):
        return value.scalar
    if isinstance(value, bytes):
        is_text = any(
            test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
        )
        return value.decode("utf-8", "backslashreplace") if is_text else value
    if isinstance(value, bool) and pa.types.is_integer(kind):
        return int(value)
    if isinstance(value, dict):
        return {name: _arrow_input(item, kind.field(name).type) for name, item in value.items()}
    if isinstance(value, list) and pa.types.is_map(kind):
        return [(_arrow_input(k, kind.key_type), _arrow_input(v, kind.item_type)) for k, v in value]
    if isinstance(value, list) and not pa.types.is_struct(kind):
        return [_arrow_input(item, kind.value_type) for item in value]
    return value
