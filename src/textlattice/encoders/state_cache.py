"""Hidden states of texts on disk, so that a frozen language model reads each text once."""

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.errors import ArtefactError

_SUFFIX, _NAME = ".safetensors", "states"


def default_folder() -> Path:
    """`textlattice/states` in XDG_CACHE_HOME, or in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "textlattice" / "states"


class StateCache:
    """Arrays by key, a file each, up to a number of bytes; where it is full, files of former runs make room.

    Nothing that this process has used is thrown away: training reads all its texts in turn, and what is thrown away for
    the next text would be missed in the next epoch. So a cache that is full keeps what it has. A file that cannot be
    read counts as missing; several processes may share a folder.

    Args:
        folder: Made when the first array is kept.
        max_bytes: Of all files together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._started = time.time()
        self._old: list[tuple[float, int, Path]] = []
        for path in folder.glob(f"*/*{_SUFFIX}"):
            with contextlib.suppress(OSError):  # another process may have removed it meanwhile
                stat = path.stat()
                self._old.append((stat.st_mtime, stat.st_size, path))
        self._old.sort(reverse=True)
        self._bytes = sum(size for _, size, _ in self._old)

    def get(self, key: bytes) -> np.ndarray | None:
        """The array of a key, or None."""
        path = self._path(key)
        try:
            found = unpack_tensors(path.read_bytes())
        except (OSError, ArtefactError):
            return None
        with contextlib.suppress(OSError):  # of another user
            os.utime(path)
        return found.get(_NAME)

    def put(self, key: bytes, array: np.ndarray) -> bool:
        """Keeps an array; False where there is no room for it, or no way to write."""
        path, content = self._path(key), pack_tensors({_NAME: array})
        if not self._make_room(len(content)):
            return False
        former = path.stat().st_size if path.is_file() else 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
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
        self._bytes += len(content) - former
        return True

    def _make_room(self, size: int) -> bool:
        while self._bytes + size > self.max_bytes and self._old:
            _, old_size, path = self._old.pop()
            try:
                if path.stat().st_mtime >= self._started - 1:
                    continue  # a run has used it meanwhile
                path.unlink()
            except FileNotFoundError:
                pass
            except OSError:
                continue
            self._bytes -= old_size
        return self._bytes + size <= self.max_bytes

    def _path(self, key: bytes) -> Path:
        name = hashlib.sha256(key).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}{_SUFFIX}"
