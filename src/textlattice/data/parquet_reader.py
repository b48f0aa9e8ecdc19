"""Rows of parquet files, and of any other Arrow batches. Needs pyarrow when it is used."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from textlattice.data.arrow_values import may_repeat, num_bytes, one_by_one, python_values
from textlattice.data.lines import MAX_LINE_BYTES
from textlattice.data.records import Record, RowFault, Wanted, rows_and_rejects
from textlattice.data.rows import Reject, Row
from textlattice.errors import DataError, MissingExtraError

BATCH_ROWS = 64
"""Rows of a batch at most; larger ones are hardly read faster."""
MAX_BATCH_BYTES = 64_000_000
"""What a batch of several rows may hold at most, however small the file is that it comes from."""


def read_parquet(path: Path, wanted: Wanted) -> Iterator[Row | Reject]:
    """Rows and rejects of a parquet file.

    Memory holds one row, or a batch of at most `MAX_BATCH_BYTES`: a file of some kilobytes may name a large value many
    times. A row of more than `MAX_LINE_BYTES` is rejected (`row_too_long`), as a line of the other formats is.

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
            yield from rows_and_rejects(_file_records(file, wanted.among(names)), wanted)
    except (pa.ArrowException, OSError, MemoryError) as error:
        what = (str(error) or "no room in memory").splitlines()[0]
        raise DataError(
            f"{wanted.source}: cannot be read as parquet ({what}); write the file again."
        ) from error


def _file_records(file: Any, columns: list[str]) -> Iterator[Record]:
    """Rows of one row group after the other."""
    chosen = set(columns)
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        chunks = [group.column(place) for place in range(group.num_columns)]
        sizes = [chunk.total_uncompressed_size for chunk in chunks if chosen & _columns(chunk)]
        if group.num_rows and sum(sizes) / group.num_rows > MAX_LINE_BYTES:  # reading one would say no more
            yield from ((None, _too_long()) for _ in range(group.num_rows))
            continue
        # No value is larger than its chunk, of which it may be the only one, named by every row.
        rows = min(BATCH_ROWS, MAX_BATCH_BYTES // max(1, sum(sizes)))
        batches = file.iter_batches(max(1, rows), row_groups=[number], columns=columns, use_threads=False)
        yield from arrow_records(_joined(batches))


def _joined(batches: Iterable[Any]) -> Iterator[Any]:
    """Batches put together while they are small, for Python's values are made faster of many rows at once."""
    import pyarrow as pa

    held: list[Any] = []
    size = 0
    repeats = None
    for batch in batches:
        if repeats is None:
            repeats = any(map(may_repeat, batch.schema.types))
        if repeats:
            yield batch
            continue
        held.append(batch)
        size += batch.nbytes
        if len(held) == BATCH_ROWS or size > MAX_BATCH_BYTES // 4:
            yield from pa.Table.from_batches(held).combine_chunks().to_batches()
            held, size = [], 0
    if held:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def _columns(chunk: Any) -> set[str]:
    """The column that a chunk is of, or is a part of; a dot may part a name or belong to it."""
    parts = str(chunk.path_in_schema).split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts) + 1)}


def _is_integer(schema: Any, name: str) -> bool:
    import pyarrow as pa

    return name in schema.names and pa.types.is_integer(schema.field(name).type)


def arrow_records(batches: Iterable[Any]) -> Iterator[Record]:
    """Rows of Arrow record batches of one schema as Python values; text that is not UTF-8 comes as bytes.

    Where the rows of a batch may come to more than `MAX_BATCH_BYTES`, each is made when its turn comes.
    """
    repeats = None
    for batch in batches:
        names, size = batch.schema.names, batch.nbytes
        if repeats is None:
            repeats = any(map(may_repeat, batch.schema.types))
        if repeats:
            size *= batch.num_rows
        read = python_values if size <= MAX_BATCH_BYTES else one_by_one
        rows = zip(*map(read, batch.columns), strict=True) if names else iter([()] * batch.num_rows)
        for values in rows:
            if size > MAX_LINE_BYTES and sum(map(num_bytes, values)) > MAX_LINE_BYTES:
                yield None, _too_long()
            else:
                yield None, dict(zip(names, values, strict=True))


def _too_long() -> RowFault:
    return RowFault("row_too_long", f"a row may hold {MAX_LINE_BYTES} bytes")
