"""One writer at a time: a lock beside a folder, for work that takes long before it writes.

`NAME.lock` holds the number of the process and the boot id of the machine, and the system's own lock on that file,
which ends with the process however it ends. Where there is no such lock (Windows, some network disks) the number and
the boot id decide: of another boot, or of no living process, they are stale.
"""

import contextlib
import os
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


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Holds `NAME.lock` beside a folder while its body runs; parents are made.

    Raises:
        ArtefactError: Another process holds it, or no file can be written there.
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
            os.unlink(lock)
        os.close(descriptor)


def _take(lock: Path) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _locked(descriptor):
                raise _held(lock, _owner(descriptor))
            if _is_at(descriptor, lock):
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, f"{os.getpid()} {_boot_id()}\n".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its owner removed it while we waited: take the next


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
    os.lseek(descriptor, 0, os.SEEK_SET)
    words = os.read(descriptor, 100).decode("ascii", "replace").split()
    if len(words) != 2 or not words[0].isdigit():
        return 0, ""
    return int(words[0]), words[1]


def _is_at(descriptor: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(lock))
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
