"""The bytes of a gzip file, a piece at a time, up to its end or to the place where it breaks."""

import io
import zlib

from textlattice.errors import DataError

_MAGIC = b"\x1f\x8b"
_PACKED_BYTES = 1 << 16


class CorruptGzipError(Exception):
    """A gzip file that cannot be unpacked further; says why."""


class GunzipStream(io.BufferedIOBase):
    """What a gzip file holds; several members in one file follow one another.

    Memory is a piece of the file and a piece of what it holds, however far the file expands. All bytes before a
    fault are given out, then `CorruptGzipError` is raised. A flipped bit may be noticed only after some wrong bytes
    or, by the checksum, at the end of the member.

    Raises:
        DataError: The file is not gzip at all.
    """

    def __init__(self, file: io.BufferedReader, source: str) -> None:
        self._file = file
        self._packed = b""
        self._ended = False
        self._member: zlib._Decompress | None = None
        self._fault: str | None = None
        if not _MAGIC.startswith(head := file.peek(2)[:2]):
            raise DataError(
                f"{source}: expected a file packed by gzip, got one that begins with bytes {head.hex(' ')}; "
                "take .gz off its name if it is not packed."
            )

    def read1(self, size: int = -1, /) -> bytes:
        """At most `size` bytes (1 MiB if negative), fewer where they come in smaller pieces; none at the end.

        Raises:
            CorruptGzipError: All bytes before the fault have been read.
        """
        size = 1 << 20 if size < 0 else size
        while self._fault is None:
            if not self._packed and not self._ended:
                self._packed = self._file.read(_PACKED_BYTES)
                self._ended = not self._packed
            if self._member is None:
                self._packed = self._packed.lstrip(b"\0")  # padding between members is allowed
                if self._packed:
                    self._member = zlib.decompressobj(wbits=31)
                elif self._ended:
                    return b""
            elif self._packed:
                if piece := self._unpacked(self._member, size):
                    return piece
            elif self._ended:
                self._fault = "the file ends too early"
        raise CorruptGzipError(self._fault)

    def _unpacked(self, member: "zlib._Decompress", size: int) -> bytes:
        before, packed = member.copy(), self._packed
        try:
            piece = member.decompress(packed, size)
        except zlib.error as error:
            what = str(error).partition(": ")[2] or str(error)
            self._fault = f"the file is damaged here or some way before ({what})"
            return _before_fault(before, packed)
        self._packed = member.unused_data if member.eof else member.unconsumed_tail
        if member.eof:
            self._member = None
        return piece


def _before_fault(member: "zlib._Decompress", packed: bytes) -> bytes:
    """What can be unpacked of bytes in which a fault is known to be; byte by byte, since a fault takes all with it."""
    pieces = []
    try:
        for place in range(len(packed)):
            pieces.append(member.decompress(packed[place : place + 1]))
    except zlib.error:
        pass
    return b"".join(pieces)
