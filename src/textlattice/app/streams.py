"""Standard streams that a command can rely on, however the process was started.

What stdout does not take is an error: nobody believes that output which was lost has arrived. What stderr does not take
is lost: no message is worth more than the work.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from textlattice.artefact.output_file import NamedOutput
from textlattice.errors import DataError


class Streams:
    """The two output streams of a command while it runs."""

    def __init__(self) -> None:
        self._raw: NamedOutput | None = None

    def replace(self) -> None:
        """Puts streams of ours in place of those of the process; streams of a program around it stay."""
        _occupy_closed()
        self._stdout, self._stderr = sys.stdout, sys.stderr
        if (descriptor := _descriptor(sys.stdout, 1)) is not None:
            self._raw = NamedOutput(descriptor, "standard output", owned=False)
            sys.stdout = _text(self._raw)
        if (descriptor := _descriptor(sys.stderr, 2)) is not None:
            sys.stderr = _text(_Lenient(descriptor, "wb", closefd=False))
            sys.stderr.reconfigure(line_buffering=True)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a lone surrogate must not end a command
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")

    def discard(self) -> None:
        """Throws away what stdout has not taken yet, since its reader may never come."""
        if self._raw is not None:
            self._raw.discard()

    def flush(self) -> None:
        """Writes what stdout holds; of an output that fails the rest is thrown away, and no second word is said."""
        try:
            sys.stdout.flush()
        except (DataError, OSError):
            self.discard()

    def restore(self) -> None:
        """Puts the streams of the process back."""
        self.flush()
        sys.stdout, sys.stderr = self._stdout, self._stderr


@contextmanager
def safe_streams() -> Iterator[Streams]:
    """stdout whose errors are one plain line, and stderr that has none, while the body runs."""
    streams = Streams()
    streams.replace()
    try:
        yield streams
    finally:
        streams.restore()


class _Lenient(io.FileIO):
    def write(self, content: Any) -> int:
        with suppress(OSError):
            super().write(content)
        return memoryview(content).nbytes


def _occupy_closed() -> None:
    """Opens closed standard streams the wrong way round, so that no file of ours gets their numbers."""
    ways = ((sys.stdin, os.O_WRONLY), (sys.stdout, os.O_RDONLY), (sys.stderr, os.O_WRONLY))
    for descriptor, (stream, way) in enumerate(ways):
        if stream is None:
            try:
                os.fstat(descriptor)
            except OSError:
                os.open(os.devnull, way)  # the lowest number that is free, which is this one


def _descriptor(stream: Any, usual: int) -> int | None:
    """The number of a stream of the process; None of anything that a program has put in its place."""
    if stream is None:
        return usual
    buffer = getattr(stream, "buffer", None)
    if not isinstance(getattr(buffer, "raw", buffer), io.FileIO):
        return None
    stream.flush()
    number: int = stream.fileno()
    return number


def _text(raw: io.FileIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=raw.isatty()
    )
