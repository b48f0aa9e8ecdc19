"""The file operations of this process: counted, recorded, and ended by SIGKILL or a full disk. Linux alone."""

import errno
import io
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One change of the disk, or one request to make changes last.

    Args:
        kind: create, write, truncate, mkdir, link, rename, unlink, rmdir or sync.
        path: What it happened to.
        target: New name, of a rename or a link.
        data: What was written at the end of the file, of a write.
    """

    kind: str
    path: str
    target: str = ""
    data: bytes = b""


class FileLayer:
    """Stands between Python and the system once `install` was called; for a process that is about to end anyway.

    A write is two operations, so that a process can die in the middle of one.

    Args:
        root: Operations elsewhere are let through and not counted.
        kill_at: Operation that the process does not live to make, from 1; None lets it live.
        full_from: Operation from which on the disk is full: nothing can be made or written any more.
    """

    def __init__(self, root: Path, kill_at: int | None = None, full_from: int | None = None) -> None:
        self.root, self.kill_at, self.full_from = str(root), kill_at, full_from
        self.operations: list[Operation] = []

    def install(self) -> None:
        """Takes the place of the functions of `os` and of `io.open`."""
        original = {name: getattr(os, name) for name in ("open", "write", "fsync", "ftruncate", "mkdir")}
        original |= {name: getattr(os, name) for name in ("rename", "replace", "unlink", "remove", "rmdir")}
        self._write = original["write"]

        def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            where = self._path(path, dir_fd)
            if flags & os.O_CREAT and not os.path.lexists(where):
                self._step("create", where)
            return original["open"](path, flags, mode, dir_fd=dir_fd)

        def write(descriptor: int, data: Any) -> int:
            where = os.readlink(f"/proc/self/fd/{descriptor}")
            if not self._counts(where):
                return original["write"](descriptor, data)
            return self._write_in_two(descriptor, where, bytes(data))

        def fsync(descriptor: int) -> None:
            self._step("sync", os.readlink(f"/proc/self/fd/{descriptor}"))
            original["fsync"](descriptor)

        def ftruncate(descriptor: int, length: int) -> None:
            self._step("truncate", os.readlink(f"/proc/self/fd/{descriptor}"))
            original["ftruncate"](descriptor, length)

        def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            where = self._path(path, dir_fd)
            if not os.path.lexists(where):
                self._step("mkdir", where)
            original["mkdir"](path, mode, dir_fd=dir_fd)

        def renaming(name: str) -> Callable[..., None]:
            def rename(source: Any, target: Any, **options: Any) -> None:
                self._step("rename", self._path(source, None), target=self._path(target, None))
                original[name](source, target, **options)

            return rename

        def removing(name: str, kind: str) -> Callable[..., None]:
            def remove(path: Any, *, dir_fd: int | None = None) -> None:
                where = self._path(path, dir_fd)
                if os.path.lexists(where):
                    self._step(kind, where)
                original[name](path, dir_fd=dir_fd)

            return remove

        linked = os.link

        def link(source: Any, target: Any, **options: Any) -> None:
            self._step("link", os.fsdecode(source), target=self._path(target, None))
            linked(source, target, **options)

        opened = io.open

        def file(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if isinstance(path, int) or "w" not in mode or not self._counts(where := self._path(path, None)):
                return opened(path, mode, *arguments, **options)
            self._step("truncate" if os.path.lexists(where) else "create", where)
            raw = _TwoPartFile(self, where)
            return raw if "b" in mode else io.TextIOWrapper(raw, "utf-8", newline="\n", write_through=True)

        os.open, os.write, os.fsync, os.ftruncate, os.mkdir = open_, write, fsync, ftruncate, mkdir  # type: ignore[assignment]
        os.rename, os.replace = renaming("rename"), renaming("replace")
        os.unlink, os.remove = removing("unlink", "unlink"), removing("remove", "unlink")
        os.rmdir, os.link = removing("rmdir", "rmdir"), link
        io.open = file

    def _path(self, path: Any, dir_fd: int | None) -> str:
        name = os.fsdecode(path)
        return os.path.abspath(name if dir_fd is None else f"{os.readlink(f'/proc/self/fd/{dir_fd}')}/{name}")

    def _counts(self, path: str) -> bool:
        return path.startswith(self.root)

    def _step(self, kind: str, path: str, target: str = "", data: bytes = b"") -> None:
        if not self._counts(target or path):
            return
        self.operations.append(Operation(kind=kind, path=path, target=target, data=data))
        if len(self.operations) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        full = self.full_from is not None and len(self.operations) >= self.full_from
        if full and kind in ("create", "write", "mkdir"):
            raise OSError(errno.ENOSPC, "No space left on device", path)

    def _write_in_two(self, descriptor: int, path: str, data: bytes) -> int:
        half = len(data) // 2
        for part in (data[:half], data[half:]) if half else (data,):
            self._step("write", path, data=part)
            written = 0
            while written < len(part):
                written += self._write(descriptor, part[written:])
        return len(data)


class _TwoPartFile(io.FileIO):
    def __init__(self, layer: FileLayer, path: str) -> None:
        super().__init__(path, "w")
        self.layer, self.where = layer, path

    def write(self, data: Any) -> int:
        return self.layer._write_in_two(self.fileno(), self.where, bytes(data))
