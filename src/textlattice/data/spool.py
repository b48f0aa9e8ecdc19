"""What may not fit into memory: bytes in a temporary file, and sequences that make an item when it is asked for."""

import os
import tempfile
import threading
import weakref
from abc import abstractmethod
from array import array
from collections.abc import Sequence
from typing import IO, SupportsIndex, TypeVar, overload

from textlattice.errors import DataError

MOST_IN_MEMORY = 32_000_000
"""Bytes that a spool keeps in memory; of more it keeps none but those on their way to the file."""
_WRITTEN_AT_ONCE = 1_000_000
_SEEKING = threading.Lock()
ItemT = TypeVar("ItemT")


class Spool:
    """Bytes that are appended first and then read at any place.

    Few stay in memory. More go to a temporary file without a name, of which nothing is left when the process ends,
    however it ends. Several threads may read while none appends.

    Args:
        most_in_memory: Bytes; None means `MOST_IN_MEMORY`.
    """

    def __init__(self, most_in_memory: int | None = None) -> None:
        self._most = MOST_IN_MEMORY if most_in_memory is None else most_in_memory
        self._tail = bytearray()  # what the file does not hold yet
        self._num_written = 0
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return self._num_written + len(self._tail)

    def append(self, content: bytes) -> None:
        """Adds bytes at the end.

        Raises:
            DataError: There is no room for them.
        """
        self._tail += content
        if len(self._tail) > (self._most if self._file is None else _WRITTEN_AT_ONCE):
            self._write()

    def read(self, start: int, num_bytes: int) -> bytes:
        """The bytes from `start` on; fewer where the end comes first."""
        end = min(start + num_bytes, len(self))
        parts = []
        while start < min(end, self._num_written):
            assert self._file is not None
            parts.append(_read(self._file, start, min(end, self._num_written) - start))
            start += len(parts[-1])
        if start < end:
            parts.append(bytes(self._tail[start - self._num_written : end - self._num_written]))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="textlattice-", buffering=0)  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            self._file.seek(self._num_written)
            written = 0
            while written < len(self._tail):
                written += self._file.write(memoryview(self._tail)[written:])
        except OSError as error:
            raise DataError(
                f"texts and their tokens need a temporary file: expected room in {_folder()}, got "
                f"{error.strerror or error} after {self._num_written:,} bytes; make room, or name a folder that has "
                "it in the environment variable TMPDIR."
            ) from error
        self._num_written += len(self._tail)
        self._tail = bytearray()


class OnDemand(Sequence[ItemT]):
    """A sequence that makes each item when it is asked for; slices are lists."""

    @abstractmethod
    def item(self, place: int) -> ItemT:
        """The item at a place from 0 on."""

    @overload
    def __getitem__(self, place: SupportsIndex) -> ItemT: ...

    @overload
    def __getitem__(self, place: slice) -> list[ItemT]: ...

    def __getitem__(self, place: SupportsIndex | slice) -> ItemT | list[ItemT]:
        places = range(len(self))[place]
        return self.item(places) if isinstance(places, int) else [self.item(each) for each in places]


class StoredTexts(OnDemand[str]):
    """Texts in a spool, 8 bytes of memory each; any string, lone surrogates included."""

    def __init__(self) -> None:
        self._spool, self._ends = Spool(), array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, text: str) -> None:
        """Adds a text at the end."""
        self._spool.append(text.encode("utf-8", "surrogatepass"))
        self._ends.append(len(self._spool))

    def item(self, place: int) -> str:
        """The text at a place."""
        start, end = self._ends[place : place + 2]
        return self._spool.read(start, end - start).decode("utf-8", "surrogatepass")


def _read(file: IO[bytes], start: int, num_bytes: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file.fileno(), num_bytes, start)
    with _SEEKING:  # Windows
        file.seek(start)
        return file.read(num_bytes)


def _folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "a temporary folder"
