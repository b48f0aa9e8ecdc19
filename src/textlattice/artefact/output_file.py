"""A file that a user names for output: replaced as a whole once it is complete, or written through if it is a device.

Until it is complete its content lies beside it in `.NAME.tmp-<process>-<random>`, readable by its owner alone and held
by a lock of the system. Whoever writes the same file next removes what writers that died left there.
"""

import errno
import io
import os
import re
import secrets
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from textlattice.artefact.lock import is_alive
from textlattice.errors import DataError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_LONGEST_NAME = 200  # bytes of the name that a temporary file repeats; file systems allow 255 in all
_MOST_LINKS = 40


class NamedOutput(io.FileIO):
    """An open file whose errors are `DataError`s that name it.

    Args:
        descriptor: What is written to.
        name: What the errors call it.
        owned: Whether the descriptor is closed with it.
    """

    def __init__(self, descriptor: int, name: str, *, owned: bool = True) -> None:
        super().__init__(descriptor, "wb", closefd=owned)
        self.shown, self.discarding = name, False

    def discard(self) -> None:
        """From now on everything written vanishes: nobody waits for it, or it has been said that it is lost."""
        self.discarding = True

    def write(self, content: Any) -> int:
        """The number of bytes written; at least one."""
        try:
            while not self.discarding:
                written: int | None = super().write(content)
                if written is not None:
                    return written
                select.select([], [self], [])  # a pipe that is full and that somebody else made non-blocking
        except OSError as error:
            raise _failed(self.shown, error) from error
        return memoryview(content).nbytes


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where output goes.

    Args:
        path: The file, links resolved.
        streamed: It is a pipe, a terminal or another device: written to as output comes, and never replaced.
        descriptor: Of a stream that this process has open already, such as 1 for /dev/stdout.
    """

    path: Path
    streamed: bool = False
    descriptor: int | None = None


def output_place(path: Path) -> Place:
    """Where output to `path` goes; call it before long work.

    A symbolic link leads to what it names, and stays. /dev/stdout, /dev/stderr and /dev/fd/N are the streams of this
    process, whatever they are connected to.

    Raises:
        DataError: Nothing can be written there: a folder, a socket, a block device, a file in a folder that does not
            exist or that is write-protected, a write-protected file.
    """
    with _named(path):
        found, descriptor = _resolved(path)
        if descriptor is not None:
            _check_open_for_writing(descriptor)
            return Place(path=found, streamed=True, descriptor=descriptor)
        status = os.stat(found) if os.path.lexists(found) else None
    if status is not None and not stat.S_ISREG(status.st_mode):
        if not stat.S_ISFIFO(status.st_mode) and not stat.S_ISCHR(status.st_mode):
            kinds = {stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a block device"}
            kind = kinds.get(stat.S_IFMT(status.st_mode), "no file")
            raise DataError(f"{path} is {kind}; choose a file in an existing folder.")
        if not os.access(found, os.W_OK):
            raise DataError(f"{path} is write-protected; choose another file, or change its permissions.")
        return Place(path=found, streamed=True)
    folder = found.parent
    if not folder.is_dir():
        raise DataError(f"{path} lies in a folder that does not exist; choose a file in an existing folder.")
    if status is not None and not os.access(found, os.W_OK):
        raise DataError(f"{path} is write-protected; choose another file, or change its permissions.")
    if not os.access(folder, os.W_OK | os.X_OK) or (status is not None and _sticks(folder, status)):
        raise DataError(
            f"{path}: expected a folder in which this file can be created and replaced, got one that does not permit "
            "it; choose another folder, or change its permissions."
        )
    return Place(path=found)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A stream of bytes that becomes the file when the block ends well, and vanishes if not.

    A new file gets the permissions that the umask leaves. A file that was there passes on its permission bits, and its
    owner and group where the system allows it; other hard links to it keep the former content.

    Raises:
        DataError: As for `output_place`; the disk is full, or the reader of a pipe went away.
    """
    place = output_place(path)
    if place.streamed:
        with _named(path):
            descriptor = _open_stream(place)
        with _closing(NamedOutput(descriptor, str(path))) as stream:
            yield stream
        return
    _remove_abandoned(place.path)
    aside = place.path.with_name(f"{_prefix(place.path)}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with _named(path):
            descriptor = _create(aside)
        with _closing(NamedOutput(descriptor, str(path))) as stream:
            yield stream
            stream.flush()
            with _named(path):
                _take_over(descriptor, place.path)
                os.fsync(descriptor)
                if fcntl is not None:  # still under its lock
                    os.replace(aside, place.path)
        if fcntl is None:  # Windows renames no open file
            with _named(path):
                os.replace(aside, place.path)
    finally:
        with suppress(OSError):
            aside.unlink()


@contextmanager
def _closing(raw: NamedOutput) -> Iterator[BinaryIO]:
    """A buffer before a file, closed at the end; what it holds when the body fails is discarded."""
    unbuffered: Any = raw  # the type of a writer is that of what it writes to, and no other fits it
    with io.BufferedWriter(unbuffered) as stream:
        try:
            yield stream
        except BaseException:
            raw.discard()
            raise


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the system in its body are `DataError`s that name the path."""
    try:
        yield
    except OSError as error:
        raise _failed(str(path), error) from error


def _failed(name: str, error: OSError) -> DataError:
    if error.errno == errno.EPIPE:
        return DataError(f"{name}: its reader went away, so the output is incomplete.")
    if error.errno == errno.EBADF:
        return DataError(f"{name} is closed, so there is no place for the output; open it, or choose a file.")
    return DataError(
        f"{name}: cannot be written: {error.strerror or error}; check free space and permissions, or choose another "
        "place."
    )


def _resolved(path: Path) -> tuple[Path, int | None]:
    """The path behind symbolic links; and the descriptor, where it names one of this process."""
    path = Path.cwd() / path
    own = os.path.realpath("/proc/self/fd")
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        path = Path(folder, path.name)
        if folder in (own, "/dev/fd") and path.name.isdigit():
            return path, int(path.name)
        if not path.is_symlink():
            return path, None
        with suppress(FileNotFoundError):
            os.stat(path)  # where the system follows no links of other users, neither do we
        path = path.parent / os.readlink(path)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _check_open_for_writing(descriptor: int) -> None:
    os.fstat(descriptor)
    if fcntl is not None and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _sticks(folder: Path, status: os.stat_result) -> bool:
    """True where a folder such as /tmp keeps the files of others from being replaced."""
    found = os.stat(folder)
    return bool(found.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, status.st_uid, found.st_uid)


def _open_stream(place: Place) -> int:
    if place.descriptor is not None:
        return os.dup(place.descriptor)
    return os.open(place.path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))


def _create(aside: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)
    descriptor = os.open(aside, flags, 0o600)  # others may read it when it has the mode of its place
    if fcntl is not None:
        with suppress(OSError):  # a disk without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _take_over(descriptor: int, path: Path) -> None:
    """Gives a new file the mode and owner of the former one, or the mode that the umask leaves."""
    if not hasattr(os, "fchmod"):
        return
    try:
        former = os.lstat(path)
    except FileNotFoundError:
        mask = os.umask(0o077)
        os.umask(mask)
        os.fchmod(descriptor, 0o666 & ~mask)
        return
    mode, own = former.st_mode & 0o777, os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (former.st_uid, former.st_gid):
        try:
            os.fchown(descriptor, former.st_uid, former.st_gid)
        except OSError:
            try:
                os.fchown(descriptor, -1, former.st_gid)
            except OSError:
                mode &= ~0o070 | (mode & 0o007) << 3  # to another group only what everybody may do
    os.fchmod(descriptor, mode)


def _prefix(path: Path) -> str:
    return f".{os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])}.tmp-"


def _remove_abandoned(path: Path) -> None:
    """Removes what writers of this file that were killed left beside it."""
    pattern = re.compile(re.escape(_prefix(path)) + r"([0-9]{1,10})-[0-9a-f]{8}")
    with suppress(OSError):
        for name in os.listdir(path.parent):
            if (match := pattern.fullmatch(name)) is not None:
                with suppress(OSError):
                    _remove_if_abandoned(path.with_name(name), int(match[1]))


def _remove_if_abandoned(aside: Path, process: int) -> None:
    status = os.lstat(aside)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return
    if process != os.getpid() and is_alive(process):
        return
    if fcntl is None:
        aside.unlink()
        return
    descriptor = os.open(aside, os.O_RDWR | _NO_LINK | os.O_NONBLOCK)
    try:
        with suppress(OSError):  # a disk without locks: the number of the process decides
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # its writer lives in another container, where numbers of processes differ
        aside.unlink()
    finally:
        os.close(descriptor)
