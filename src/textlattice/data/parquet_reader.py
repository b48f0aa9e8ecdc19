"""Rows of parquet files, and of any other Arrow batches. Needs pyarrow when it is used."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from textlattice.data.records import Record, Wanted, rows_and_rejects
from textlattice.data.rows import Reject, Row
from textlattice.errors import DataError, MissingExtraError

BATCH_ROWS = 1024


def read_parquet(path: Path, wanted: Wanted) -> Iterator[Row | Reject]:
    """Rows and rejects of a parquet file, a batch of it in memory.

    Raises:
        DataError: The file cannot be read, or lacks a column.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(f"reading {wanted.source}", "parquet") from None
    try:
        with pq.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            if wanted.label == "label" and "label_name" in names and _is_integer(file.schema_arrow, "label"):
                wanted = dataclasses.replace(wanted, label="label_name")
            wanted.check(names)
            batches = file.iter_batches(batch_size=BATCH_ROWS, columns=wanted.among(names))
            yield from rows_and_rejects(arrow_records(batches), wanted)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{wanted.source}: cannot be read as parquet ({str(error).splitlines()[0]}); "
            f"write the file again."
        ) from error


def _is_integer(schema: Any, name: str) -> bool:
    import pyarrow as pa

    return name in schema.names and pa.types.is_integer(schema.field(name).type)


def arrow_records(batches: Iterable[Any]) -> Iterator[Record]:
    """Rows of Arrow record batches as Python values; text that is not UTF-8 comes as bytes."""
    for batch in batches:
        names = batch.schema.names
        for values in zip(*(_column_values(column) for column in batch.columns), strict=True):
            yield None, dict(zip(names, values, strict=True))


def _column_values(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]
    except ValueError:  # a time in nanoseconds has no Python value
        return column.cast(pa.string()).to_pylist()


def _decoded(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return value
