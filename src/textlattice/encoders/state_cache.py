"""Hidden states of texts on disk, so that a frozen language model reads each text once."""

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from textlattice.artefact.tensors import pack_tensors, unpack_note, unpack_tensors
from textlattice.errors import ArtefactError

_SUFFIX, _NAME, _ASIDE = ".safetensors", "states", ".tmp"
_PLACE = re.compile(r"[0-9a-f]{62}" + re.escape(_SUFFIX))
_MARK = re.compile(rb'.{8}\{"__metadata__":\{"textlattice":"crc32 [0-9a-f]{8}"\},"states":', re.DOTALL)
_COUNTED_EVERY = 500  # arrays kept between two looks at what others have kept
_STALE = 3600.0  # seconds after which a file aside is what a killed process left


def default_folder() -> Path:
    """`textlattice/states` in XDG_CACHE_HOME, or in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "textlattice" / "states"


class StateCache:
    """Arrays by key, a file each, up to a number of bytes; where it is full, files of former runs make room.

    Nothing that this process has used is thrown away: training reads all its texts in turn, and what is thrown away for
    the next text would be missed in the next epoch. So a cache that is full keeps what it has, and `num_refused` counts
    what it did not take. A file that cannot be read, or whose sum is not that of its numbers, counts as missing.
    Several processes may share a folder: each looks now and then at what the others have kept. Whatever else lies in
    the folder stays there: a file is thrown away only where its place and its header say that it holds states.

    Args:
        folder: Made when the first array is kept.
        max_bytes: Of all files together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes, self.num_refused = folder, max_bytes, 0
        self._started = time.time()
        self._count()

    def get(self, key: bytes) -> np.ndarray | None:
        """The array of a key, or None."""
        path = self._path(key)
        try:
            content = _read(path)
            found, note = unpack_tensors(content).get(_NAME), unpack_note(content)
        except (OSError, ArtefactError):
            return None
        if found is None or note != _sum(found):
            return None
        with contextlib.suppress(OSError):  # of another user
            os.utime(path)
        return found

    def put(self, key: bytes, array: np.ndarray) -> bool:
        """Keeps an array; False where there is no room for it, or no way to write."""
        path, content = self._path(key), pack_tensors({_NAME: array}, note=_sum(array))
        self._until_counted -= 1
        if not self._until_counted:
            self._count()
        if not self._make_room(len(content)) or not self._write(path, content):
            self.num_refused += 1
            return False
        return True

    def _count(self) -> None:
        """Looks at the folder anew: its bytes, what is older than this process, what killed ones left aside."""
        self._old: list[tuple[float, int, Path]] = []
        self._bytes, self._until_counted = 0, _COUNTED_EVERY
        for path in self._files():
            with contextlib.suppress(OSError):  # another process may have removed it meanwhile
                status = path.lstat()
                if not stat.S_ISREG(status.st_mode):
                    continue
                if path.suffix == _ASIDE:
                    if status.st_mtime < time.time() - _STALE and _is_ours(path):
                        path.unlink()
                elif _PLACE.fullmatch(path.name):
                    self._bytes += status.st_size
                    if status.st_mtime < self._started - 1:
                        self._old.append((status.st_mtime, status.st_size, path))
        self._old.sort(reverse=True)

    def _files(self) -> Iterator[Path]:
        """Files in folders of two hexadecimal digits, which are ours unless somebody else names his so."""
        return self.folder.glob("[0-9a-f][0-9a-f]/*")

    def _make_room(self, size: int) -> bool:
        """Whether there is room, after files of former runs are thrown away; none is where all would not do."""
        excess = self._bytes + size - self.max_bytes
        if excess > 0 and excess > sum(old_size for _, old_size, _ in self._old):
            return False
        while self._bytes + size > self.max_bytes and self._old:
            _, old_size, path = self._old.pop()
            try:
                if path.lstat().st_mtime >= self._started - 1 or not _is_ours(path):
                    continue  # a run has used it meanwhile, or it is somebody else's
                path.unlink()
            except FileNotFoundError:
                pass
            except OSError:
                continue
            self._bytes -= old_size
        return self._bytes + size <= self.max_bytes

    def _write(self, path: Path, content: bytes) -> bool:
        try:
            status = path.lstat() if os.path.lexists(path) else None
            if status is not None and not stat.S_ISREG(status.st_mode):
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=path.parent, suffix=_ASIDE)
        except OSError:
            return False
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(aside, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            return False
        self._bytes += len(content) - (0 if status is None else status.st_size)
        return True

    def _path(self, key: bytes) -> Path:
        name = hashlib.sha256(key).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}{_SUFFIX}"


def _read(path: Path, most_bytes: int = -1) -> bytes:
    """What a plain file holds; raises `OSError` where it is none."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    with open(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path}: expected a plain file.")
        return file.read(most_bytes)


def _is_ours(path: Path) -> bool:
    """Whether a file begins as those that we write: our note, then the array of states."""
    return _MARK.match(_read(path, 400)) is not None


def _sum(array: np.ndarray) -> str:
    """A sum by which numbers that a disk has changed are told."""
    return f"crc32 {zlib.crc32(np.ascontiguousarray(array).data):08x}"
