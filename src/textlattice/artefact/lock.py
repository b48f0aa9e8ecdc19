"""One writer at a time: a lock beside a folder, for work that takes long before it writes.

`NAME.lock` holds a mark, the number of the process and the boot id of the machine, and the system's own lock on that
file, which ends with the process however it ends. Where there is no such lock (Windows, some network disks) the number
and the boot id decide: of another boot, or of no living process, they are stale. A file without the mark is somebody
else's: it is refused, never opened for more than a look, and never written or removed.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from textlattice.errors import ArtefactError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MARK = b"textlattice "
_OF_0_1_0 = re.compile(rb"[0-9]{1,10} (unknown|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\n")


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Holds `NAME.lock` beside a folder while its body runs; parents are made.

    Raises:
        ArtefactError: Another process holds it, something else of that name is there, or no file can be written
            there.
    """
    lock = Path(os.path.abspath(path))
    lock = lock.with_name(f"{lock.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _take(lock)
    except ArtefactError:
        raise
    except OSError as error:
        raise ArtefactError(
            f"{path}: cannot write beside this folder: {error.strerror or error} ({error.filename or lock}); check "
            "permissions and free space, or choose another path."
        ) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if _is_at(descriptor, lock):
                os.unlink(lock)
        os.close(descriptor)


def _take(lock: Path) -> int:
    while True:
        _put(lock)
        descriptor = _open(lock)
        if descriptor is None:
            continue  # its owner has removed it since
        try:
            if not _locked(descriptor):
                raise _held(lock, _owner(descriptor))
            if _is_at(descriptor, lock):
                _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its owner removed it while we waited: take the next


def _put(lock: Path) -> None:
    """A lock file that nobody holds yet, unless something is there.

    It is signed before it gets its name, so that no crash leaves one that looks like a user's own file.
    """
    if os.path.lexists(lock):
        return
    with contextlib.suppress(
        OSError, AttributeError
    ):  # only Linux has files without a name, and not on every disk
        descriptor = os.open(lock.parent, os.O_TMPFILE | os.O_RDWR, 0o644)
        try:
            _sign(descriptor)
            # Only with a descriptor does Python ask the system to follow the link to the file.
            os.link(f"/proc/self/fd/{descriptor}", lock, src_dir_fd=descriptor)
            return
        finally:
            os.close(descriptor)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            _sign(descriptor)
        except BaseException:
            os.unlink(lock)
            raise
        finally:
            os.close(descriptor)


def _open(lock: Path) -> int | None:
    """The lock file, opened; None where there is none. Raises `ArtefactError` where it is not ours."""
    try:
        _check_plain(
            lock, os.lstat(lock)
        )  # before it is opened, which can wait or do something where it is no file
        descriptor = os.open(
            lock, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o644
        )
    except FileNotFoundError:
        return None
    try:
        _check_plain(lock, os.fstat(descriptor))
        content = _content(descriptor)
        if not content.startswith(_MARK) and not _OF_0_1_0.fullmatch(content):
            raise _foreign(lock, "a file that textlattice did not write")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_plain(lock: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _foreign(lock, "a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise _foreign(lock, "a folder" if stat.S_ISDIR(status.st_mode) else "something that is no file")
    if status.st_nlink > 1:
        raise _foreign(lock, "a hard link, a file with a second name elsewhere")


def _foreign(lock: Path, got: str) -> ArtefactError:
    return ArtefactError(
        f"{lock}: expected nothing or a lock of textlattice, got {got}; the lock of {lock.stem} has this name, so move "
        "what is there away, or choose another path for the model."
    )


def _content(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 200)


def _sign(descriptor: int) -> None:
    """Puts this process into the file. The mark in front is written over itself, so it is there at every moment."""
    content = _MARK + f"{os.getpid()} {_boot_id()}\n".encode()
    if _content(descriptor) != content:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, content)
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)


def _locked(descriptor: int) -> bool:
    """True if the file is ours now."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except OSError:
            pass  # a disk without locks
    process, boot_id = _owner(descriptor)
    return process in (0, os.getpid()) or boot_id != _boot_id() or not is_alive(process)


def _held(lock: Path, owner: tuple[int, str]) -> ArtefactError:
    process = f"process {owner[0]}" if owner[0] else "another process"
    return ArtefactError(
        f"{lock.with_suffix('')}: {process} is training into this folder; wait until it is done, or choose "
        f"another path. If no such process runs, remove {lock}."
    )


def _owner(descriptor: int) -> tuple[int, str]:
    """Process and boot id that stand in the file; 0 and nothing where none do."""
    words = _content(descriptor).removeprefix(_MARK).decode("ascii", "replace").split()
    if len(words) != 2 or not words[0].isdigit():
        return 0, ""
    return int(words[0]), words[1]


def _is_at(descriptor: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(lock))
    except FileNotFoundError:
        return False


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


def is_alive(process: int) -> bool:
    """False where the process of this machine is gone; always True on Windows, where asking can end it."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
