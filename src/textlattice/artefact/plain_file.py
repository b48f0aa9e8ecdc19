"""A plain file, opened without following a link and without waiting for a pipe or a device."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotPlainError(Exception):
    """What stands there is no plain file; the message says what it is, with its article."""


def open_plain(path: Path, *, hard_links: bool = False) -> BinaryIO:
    """A plain file, open for reading. What is checked is what was opened: nobody puts a link there in between.

    Args:
        path: Where it is; its last part may not be a link.
        hard_links: Whether it may have a second name elsewhere.

    Raises:
        NotPlainError: It is something else.
        OSError: There is nothing, or nothing that we may read.
    """
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    _check(os.lstat(path), hard_links)
    file = open(os.open(path, flags), "rb")  # noqa: SIM115
    try:
        _check(os.fstat(file.fileno()), hard_links)
    except BaseException:
        file.close()
        raise
    return file


def _check(status: os.stat_result, hard_links: bool) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise NotPlainError("a symbolic link")
    if stat.S_ISDIR(status.st_mode):
        raise NotPlainError("a folder")
    if not stat.S_ISREG(status.st_mode):
        raise NotPlainError("a pipe, a socket or a device")
    if status.st_nlink > 1 and not hard_links:
        raise NotPlainError("a hard link, a file with a second name elsewhere")
