"""Tables made to take memory or time, or to hold values that Python has not; each is written when it is asked for.

A case says what must become of it: how many rows are read, and how many are rejected for what reason.
"""

import decimal
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

LARGE = 8_000_000
"""Bytes of a value that a small file names many times."""
WIDE = 40_000
"""Columns of a wide table."""
_FAR = 2**62


@dataclass(frozen=True, kw_only=True)
class HostileTable:
    """One table.

    Args:
        name: What is wrong with it, in words.
        write: Writes it into a folder and gives its path.
        outcome: How many rows are read (`row`), and how many are rejected, by reason.
    """

    name: str
    write: Callable[[Path], Path]
    outcome: Mapping[str, int]


def large_tables() -> Iterator[HostileTable]:
    """Files of some kilobytes, whose rows together hold gigabytes, and rows that are too large."""
    large, rows = "x" * LARGE, 400
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([large]))
    one = pa.array([large])

    def plain() -> pa.Array:
        return pa.array([large] * 40)

    def lists(values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(range(len(values) + 1), pa.int32()), values)

    def columns(make: Callable[[], pa.Array], **options: Any) -> Callable[[Path], Path]:
        def write(folder: Path) -> Path:
            column = make()
            texts = pa.array(["a text"] * len(column))
            table = pa.table({"text": texts, "label": texts, "kept": column})
            return _parquet(folder, table, compression="zstd", **options)

        return write

    read = {"row": rows}
    yield HostileTable(
        name="text named by every row",
        write=lambda folder: _parquet(folder, pa.table({"text": repeated}), compression="zstd"),
        outcome=read,
    )
    yield HostileTable(name="value named by every row", write=columns(lambda: repeated), outcome=read)
    few = {"row": 40}
    yield HostileTable(name="value named by every list", write=columns(lambda: lists(plain())), outcome=few)
    yield HostileTable(
        name="value named by every struct",
        write=columns(lambda: pa.StructArray.from_arrays([plain()], names=["inner"])),
        outcome=few,
    )
    yield HostileTable(
        name="value named by every map",
        write=columns(
            lambda: pa.MapArray.from_arrays(pa.array(range(41), pa.int32()), pa.array(["key"] * 40), plain())
        ),
        outcome=few,
    )
    yield HostileTable(
        name="value of fixed size named by every row",
        write=columns(lambda: plain().cast(pa.binary()).cast(pa.binary(LARGE))),
        outcome=few,
    )
    yield HostileTable(
        name="value that repeats the one before it",
        write=columns(
            lambda: plain(),
            use_dictionary=False,
            column_encoding={"kept": "DELTA_BYTE_ARRAY", "text": "PLAIN", "label": "PLAIN"},
            data_page_size=1 << 30,
        ),
        outcome=few,
    )
    yield HostileTable(
        name="values packed a thousandfold",
        write=columns(lambda: plain(), use_dictionary=False),
        outcome=few,
    )
    yield HostileTable(
        name="rows of more than 100 MB",
        write=columns(
            lambda: pa.ListArray.from_arrays(pa.array([0, 14, 28], pa.int32()), pa.concat_arrays([one] * 28)),
            use_dictionary=False,
        ),
        outcome={"row_too_long": 2},
    )
    yield HostileTable(
        name="row of more than 100 MB among small ones",
        write=columns(
            lambda: pa.ListArray.from_arrays(
                pa.array([0, 14, *range(15, 24)], pa.int32()),
                pa.concat_arrays([*[one] * 14, pa.array(["small"] * 9)]),
            )
        ),
        outcome={"row": 9, "row_too_long": 1},
    )


def wide_tables() -> Iterator[HostileTable]:
    """Tables of `WIDE` columns."""
    names = ["text", "label", *(f"column {number}" for number in range(WIDE - 2))]
    cells = ["a text", "x", *["0"] * (WIDE - 2)]

    def csv(folder: Path) -> Path:
        path = folder / "table.csv"
        path.write_text("\n".join(",".join(row) for row in (names, cells, cells)) + "\n")
        return path

    def jsonl(folder: Path) -> Path:
        path = folder / "table.jsonl"
        path.write_text(f"{json.dumps(dict(zip(names, cells, strict=True)))}\n" * 2)
        return path

    def parquet(folder: Path) -> Path:
        return _parquet(folder, pa.table({name: [cell] * 2 for name, cell in zip(names, cells, strict=True)}))

    for write in (csv, jsonl, parquet):
        yield HostileTable(name=f"{WIDE} columns, {write.__name__}", write=write, outcome={"row": 2})


def odd_columns() -> dict[str, pa.Array]:
    """Columns of three values each, by what is odd about them; parquet can hold all of them."""
    far = pa.array([_FAR, -_FAR, None], pa.int64())
    days = pa.array([2**31 - 1, -(2**31), None], pa.int32())
    broken = pa.Array.from_buffers(pa.string(), 3, pa.array([b"\xff", b"a", b"\xed\xa0\x80"]).buffers())
    return {
        "timestamps far away": far.cast(pa.timestamp("us")),
        "timestamps far away in a zone": far.cast(pa.timestamp("us", "Europe/Berlin")),
        "timestamps of a zone that is none": pa.array([1, 2, None]).cast(pa.timestamp("us", "No/Where")),
        "nanoseconds": pa.array([1, _FAR, None]).cast(pa.timestamp("ns")),
        "dates far away": days.cast(pa.date32()),
        "the year 0 and 10000": pa.array([-719_529, 2_932_897, None], pa.int32()).cast(pa.date32()),
        "durations far away": far.cast(pa.duration("s")),
        "durations in nanoseconds": pa.array([1, -_FAR, None]).cast(pa.duration("ns")),
        "times in nanoseconds": pa.array([1, 86_399_999_999_999, None]).cast(pa.time64("ns")),
        "times outside of a day": pa.array([-5, 2**31 - 1, None], pa.int32()).view(pa.time32("ms")),
        "decimals of 70 digits": pa.array([decimal.Decimal("9" * 70), None, 1], pa.decimal256(76, 0)),
        "half floats": pa.array([1.5, None, float("nan")], pa.float16()),
        "maps": pa.array([[("a", 1), ("a", 2)], None, []], pa.map_(pa.string(), pa.int64())),
        "lists of timestamps": pa.ListArray.from_arrays(
            pa.array([0, 1, 2, 3], pa.int32()), far.cast(pa.timestamp("us"))
        ),
        "structs of nanoseconds": pa.StructArray.from_arrays(
            [pa.array([1, 2, None]).cast(pa.timestamp("ns"))], names=["inner"]
        ),
        "structs with two fields of one name": pa.StructArray.from_arrays(
            [pa.array([1, 2, 3])] * 2, names=["inner", "inner"]
        ),
        "nothing but nulls": pa.nulls(3),
        "bytes of a fixed size": pa.array([b"abcd", b"\xff\xfe\xfd\xfc", None], pa.binary(4)),
        "bytes": pa.array([b"abcd", b"\xff", None]),
        "views of text": pa.array(["a", None, "b"], pa.string_view()),
        "long text": pa.array(["a", None, "b"], pa.large_string()),
        "large lists": pa.array([["a"], None, []], pa.large_list(pa.string())),
        "lists of a fixed size": pa.array([["a"], ["c"], ["b"]], pa.list_(pa.string(), 1)),
        "views of lists": pa.array([["a"], None, []], pa.list_view(pa.string())),
        "identifiers": pa.array([b"a" * 16, None, b"b" * 16], pa.uuid()),
        "JSON": pa.array(['{"a":1}', None, "1"], pa.json_()),
        "booleans of eight bits": pa.ExtensionArray.from_storage(
            pa.bool8(), pa.array([1, None, 0], pa.int8())
        ),
        "text that is not UTF-8": broken,
        "lists of text that is not UTF-8": pa.ListArray.from_arrays(
            pa.array([0, 1, 2, 3], pa.int32()), broken
        ),
        "categories": pa.array(["a", None, "b"]).dictionary_encode(),
    }


def odd_batches() -> dict[str, pa.Array]:
    """Columns that parquet cannot hold, as batches of other sources may; what is odd about them."""
    texts, numbers = pa.array(["a", "b", "c"]), pa.array([1, 2, 3])
    kinds = pa.array([0, 1, 0], pa.int8())
    return {
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int32()), pa.array(["a", "b"])),
        "unions": pa.UnionArray.from_sparse(kinds, [texts, numbers]),
        "dense unions": pa.UnionArray.from_dense(kinds, pa.array([0, 0, 1], pa.int32()), [texts, numbers]),
        "categories that are lists": pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None], pa.int32()), pa.array([["a"], ["b"]])
        ),
        "months": pa.array([(1, 2, 3), None, (0, 0, 1)], pa.month_day_nano_interval()),
        "seconds far away": pa.array([_FAR, None, 0], pa.int64()).cast(pa.timestamp("s")),
        **odd_columns(),
    }


SURROGATES = [
    {"text": "a", "label": "x\ud800", "\udfff": "\ud800", "plain\ud800": ["\ud800", {"\ud800": 1}]},
    {"text": "b", "label": "y", "\udfff": None, "plain\ud800": 1},
    {"text": "\ud800", "label": "y", "\udfff": "2", "plain\ud800": "z"},
]
"""Rows of JSON whose keys and values hold halves of a character."""


def _parquet(folder: Path, table: pa.Table, **options: Any) -> Path:
    path = folder / "table.parquet"
    pq.write_table(table, path, **options)
    return path
