"""The lines of a text file, decoded one by one."""

import io
from collections.abc import Iterator
from typing import NamedTuple

from textlattice.data.gzip_stream import CorruptGzipError
from textlattice.data.records import RowFault
from textlattice.errors import DataError

MAX_LINE_BYTES = 100_000_000
CORRUPT_GZIP = "corrupt_gzip"
"""Reason of the last line of a gzip file that breaks off; it stands for all that could not be unpacked."""
_CHUNK_BYTES = 1 << 20


class Line(NamedTuple):
    """One line with its end; `fault` says why its text cannot be trusted, quotes and delimiters still can."""

    number: int
    text: str
    num_bytes: int
    fault: RowFault | None


def split_lines(stream: io.BufferedIOBase) -> Iterator[bytes]:
    """Lines with their ends, as bytes; a line beyond `MAX_LINE_BYTES` loses its rest and so stays known as too long.

    `bytes.splitlines` knows only line feed and carriage return, `str.splitlines` would end a line at U+2028.
    """
    held: list[bytes] = []
    num_held = 0
    while chunk := stream.read1(_CHUNK_BYTES):  # what a pipe has, without waiting for more
        if b"\n" not in chunk and b"\r" not in chunk:
            if num_held <= MAX_LINE_BYTES:
                held.append(chunk)
                num_held += len(chunk)
            continue
        pieces = b"".join([*held, chunk]).splitlines(keepends=True)
        # The last piece may go on, or its \r may be half of \r\n.
        held = [] if pieces[-1].endswith(b"\n") else [pieces.pop()]
        num_held = sum(map(len, held))
        yield from pieces
    yield from b"".join(held).splitlines(keepends=True)


def decoded_lines(stream: io.BufferedIOBase, source: str) -> Iterator[Line]:
    """Lines as text, numbered from 1, without a byte order mark; broken UTF-8 is replaced and noted.

    Raises:
        DataError: The file is UTF-16 or UTF-32.
    """
    number = 0
    try:
        for number, raw in enumerate(split_lines(stream), start=1):
            if number == 1:
                if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise DataError(
                        f"{source}: expected UTF-8, got UTF-16 (it begins with bytes {raw[:2].hex(' ')}); convert "
                        "it, for instance with: iconv -f UTF-16 -t UTF-8"
                    )
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            yield _decoded(number, raw)
    except CorruptGzipError as error:
        yield Line(
            number + 1, "", 0, RowFault(CORRUPT_GZIP, f"nothing from here on can be unpacked: {error}")
        )


def _decoded(number: int, raw: bytes) -> Line:
    fault = None
    if len(raw) > MAX_LINE_BYTES:
        fault = RowFault("line_too_long", f"a line may hold {MAX_LINE_BYTES} bytes")
        raw = b""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        text = raw.decode("utf-8", "replace")
        fault = RowFault("invalid_utf8", f"byte {error.start + 1} of the line is not UTF-8")
    return Line(number, text, len(raw), fault)
