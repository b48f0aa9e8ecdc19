"""A folder that is replaced as a whole and believed only after its digests were checked.

Writing: everything goes to `NAME.tmp-<process>-<random>` beside the target, each file synced, `manifest.json`
last; then the target becomes `NAME.old`, the new folder becomes the target, and `NAME.old` goes. Whatever
moment the process dies at, the target or `NAME.old` is complete; reading takes `NAME.old` where the target is
missing.

A name alone is no proof that a folder is ours: users have backups called `NAME.old`. So each of them carries a mark,
an empty file that is there before the folder gets its name and is the last thing that is removed from it; and the
target is ours only if its manifest names all that it holds. What is not ours is refused before anything is written,
and reading changes nothing.

Two processes of one machine may read while a third writes. Two that write the same target at once are not
coordinated: one of them can fail, the folder stays whole. It knows names and bytes, not what they mean.
"""

import contextlib
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from textlattice.artefact.folder_file import open_file, parse_json, read_file
from textlattice.artefact.lock import is_alive as _alive
from textlattice.artefact.manifest import (
    MANIFEST,
    check_digest,
    check_name,
    named_files,
    new_manifest,
    read_manifest,
)
from textlattice.errors import ArtefactError

_REPLACED = ".replaced"  # lies in a folder that we are about to move to NAME.old
_TEMPORARY = ".temporary"  # lies in one that we call NAME.tmp-..., before and while we do
_MARKS = frozenset({_REPLACED, _TEMPORARY})
_MOST_NAME_BYTES = 255 - len(".tmp-4294967295-01234567")  # of a name on most disks
_PATIENCE = 10.0  # seconds in which a folder that is replaced all the time must be read once
_LOOKS = 5  # at a place where nothing is, before we believe it: a writer renames twice
_OF_FILE_MANAGERS = frozenset({".DS_Store", ".directory", "Thumbs.db"})


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The checked content of a folder.

    Args:
        path: Where it was read.
        manifest: The parsed `manifest.json`.
        files: Name to bytes, each read once and equal to its digest.
    """

    path: Path
    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]

    def read(self, name: str) -> bytes:
        """The bytes of one file; raises `ArtefactError` where the folder has no such file."""
        if name not in self.files:
            raise ArtefactError(
                f"{self.path}: expected a file {name!r}, got {', '.join(sorted(self.files)) or 'none'}; "
                "save the model again."
            )
        return self.files[name]

    def json(self, name: str) -> Any:
        """One file parsed as JSON; raises `ArtefactError` where it is missing or no JSON."""
        return parse_json(self.read(name), self.path / name)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder in one step, replacing the one that stands there.

    Args:
        path: Target; its parents are made.
        files: Name to content.

    Raises:
        ArtefactError: The target may not be replaced (see `check_target`), a name is not plain, or the disk
            is full or closed to us.
    """
    target = _absolute(path)
    for name in files:
        check_name(name, target, reserved=_MARKS)
    check_target(target, files)
    try:
        _make_parents(target)
        _remove_stale(target)
        aside = _aside(target)
        aside.mkdir()
        try:
            _put_mark(aside, _TEMPORARY)
            _fill(aside, files)
            _swap(aside, target)
        except BaseException:
            _discard(aside)
            raise
    except ArtefactError:
        raise
    except OSError as error:
        raise ArtefactError(
            f"{target}: cannot write the folder: {error.strerror or error} ({error.filename or target}); "
            "check free space and permissions. What stood there before is kept."
        ) from error


def check_target(path: Path, names: Collection[str] = (), *, again: bool = False) -> None:
    """Do nothing where `write_folder` may write to `path`; call it before long work.

    Args:
        path: The folder.
        names: Some of the files that are to be written. A folder of ours that has none of them is of another kind.
        again: It is to be written more than once, so `NAME.old` must be free although nothing is to be replaced yet.

    Raises:
        ArtefactError: The target is a file or a link, a folder that holds anything we did not write, hidden
            or not, or one of another kind; `NAME.old` is in the way and not ours; no folder can be there.
    """
    target = _absolute(path)
    _check_place(target, names)
    old = _old(target)
    if not (again or os.path.lexists(target)) or not os.path.lexists(old):
        return
    if not _has_mark(old, _REPLACED) or _foreign_entries(old):
        raise ArtefactError(
            f"{target}: cannot be replaced, its former content would be kept at {old} for a moment, "
            "which exists; move it away."
        )


def _check_place(target: Path, names: Collection[str]) -> None:
    """Raises `ArtefactError` where something is at the target that may not go, or nothing can be there."""
    if not target.name:
        raise ArtefactError(
            f"{target}: expected a folder that can be replaced, got the root; choose another."
        )
    if len(os.fsencode(target.name)) > _MOST_NAME_BYTES:
        raise ArtefactError(
            f"{target}: expected a name of at most {_MOST_NAME_BYTES} bytes, got {len(os.fsencode(target.name))}; "
            "choose a shorter one."
        )
    above = next(folder for folder in target.parents if os.path.lexists(folder))
    if not above.is_dir():
        raise ArtefactError(
            f"{target}: expected {above} to be a folder, got something else; choose another path."
        )
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        kind = "a symbolic link" if target.is_symlink() else "a file"
        raise ArtefactError(f"{target}: expected a model folder or nothing, got {kind}; choose another path.")
    foreign = _foreign_entries(target)
    if foreign:
        raise ArtefactError(
            f"{target}: holds files that textlattice did not write ({', '.join(foreign[:3])}"
            f"{', …' if len(foreign) > 3 else ''}) and is not overwritten; choose another path or move them."
        )
    found = named_files(target) - {MANIFEST}
    if found and names and found.isdisjoint(names):
        raise ArtefactError(
            f"{target}: expected a folder with {sorted(names)[0]} or nothing, got one of another kind "
            f"({', '.join(sorted(found)[:3])}), which is not overwritten; choose another path or move it."
        )


def read_folder(path: Path) -> Folder:
    """The content of a folder, every byte checked against the manifest before anyone parses it.

    All files are read at once, so the folder may be replaced or removed afterwards, and also meanwhile: all of them
    are those of one folder.

    Raises:
        ArtefactError: Nothing there, no folder of ours, a newer format, a missing, linked or changed file.
    """
    target = _absolute(path)
    until, looks = time.monotonic() + _PATIENCE, 0
    while True:
        place = _place(target)
        with _held(place) as identity:
            try:
                with contextlib.ExitStack() as opened:
                    manifest, files = _open_files(place, opened)
                    if identity == _identity(place):  # so nobody replaced it while its files were opened
                        return Folder(
                            path=place,
                            manifest=manifest,
                            files={
                                name: _read_checked(place / name, file, manifest["files"][name])
                                for name, file in files.items()
                            },
                        )
            except ArtefactError:
                looks = 0 if identity else looks + 1
                if identity == _identity(place) and (identity or looks >= _LOOKS):
                    raise  # nobody replaced it under our hands
        if time.monotonic() > until:
            raise ArtefactError(
                f"{target}: was replaced again and again for {_PATIENCE:g} s while being read; try again."
            )
        if identity is None:
            time.sleep(0.002)


def repair(path: Path) -> bool:
    """True if `NAME.old` was moved back to a missing target, as a writer that died may leave it.

    A writer at work is left alone, and so is a place where nothing can be renamed: there `read_folder` reads
    `NAME.old` itself. A folder of that name without our mark is a user's, and stays.
    """
    target = _absolute(path)
    old = _old(target)
    if os.path.lexists(target) or not _has_mark(old, _REPLACED):
        return False
    if any(_alive(owner) for _, owner in _temporaries(target)):
        return False
    try:
        os.rename(old, target)
    except OSError:
        return False
    with contextlib.suppress(OSError):
        os.unlink(target / _REPLACED)
    return True


def remove_folder(path: Path, names: Collection[str] = ()) -> None:
    """Remove a folder that `write_folder` wrote, whole or not at all; do nothing where there is none.

    Args:
        path: The folder.
        names: Some of the files that it holds, as for `check_target`.

    Raises:
        ArtefactError: Not a folder of ours (see `check_target`), or it may not be removed.
    """
    target = _absolute(path)
    _check_place(target, names)
    try:
        _remove_old(target)  # first, or it would be taken for the folder
        if target.is_dir():
            _put_mark(target, _TEMPORARY)
            _remove_whole(target, target)
    except OSError as error:
        raise ArtefactError(
            f"{target}: cannot remove the folder: {error.strerror or error}; check permissions, or remove it "
            "by hand."
        ) from error


def clear_stale(path: Path, *, sole_writer: bool = False) -> None:
    """Remove what writers that died left beside a folder, and repair it; call it before this process writes there.

    Args:
        path: The folder.
        sole_writer: Nobody else writes there, so a temporary whose writer seems alive is stale too: the system
            gave its number to another process.
    """
    target = _absolute(path)
    _remove_stale(target, sole_writer=sole_writer)
    repair(target)
    if not any(_alive(owner) for _, owner in _temporaries(target)):
        for mark in _MARKS:  # of a writer that died between two operations
            if _has_mark(target, mark):
                with contextlib.suppress(OSError):
                    os.unlink(target / mark)


def _fill(aside: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (aside / name).write_bytes(content)
        _sync(aside / name)
    manifest = new_manifest(files)
    (aside / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    _sync(aside / MANIFEST)
    _sync(aside)


def _swap(aside: Path, target: Path) -> None:
    old = _old(target)
    moved = False
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    elif os.path.lexists(target):
        _remove_old(target)
        _put_mark(target, _REPLACED)
        os.rename(target, old)
        moved = True
    try:
        os.rename(aside, target)
    except BaseException:
        if moved:
            os.rename(old, target)
            (target / _REPLACED).unlink(missing_ok=True)
        raise
    _sync(target.parent)
    with contextlib.suppress(OSError):  # another writer may have moved it already
        os.unlink(target / _TEMPORARY)
    _remove_old(target)


def _put_mark(folder: Path, mark: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(folder / mark, flags, 0o666))
    _sync(folder)


def _has_mark(folder: Path, mark: str) -> bool:
    """Whether this is a folder, no link to one, with a mark as we make them: a file that is empty and no link."""
    try:
        status = os.lstat(folder / mark)
    except OSError:
        return False
    is_ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and not status.st_size
    return is_ours and not folder.is_symlink()


def _remove_old(target: Path) -> None:
    old = _old(target)
    if _has_mark(old, _REPLACED):
        _remove_whole(old, target)


def _remove_whole(folder: Path, target: Path) -> None:
    """Renamed first, and that synced: a removal cut short leaves a temporary, never half a folder of that name."""
    doomed = _aside(target)
    os.rename(folder, doomed)
    _sync(target.parent)
    _discard(doomed)


def _discard(temporary: Path) -> None:
    """Removes the files of a folder and then the folder, its marks last, so that what a crash leaves has one.

    We make no folders in a folder: one that holds any stays, and so does its mark.
    """
    with contextlib.suppress(OSError):
        names = set(os.listdir(temporary))
        for name in names - _MARKS:
            os.unlink(temporary / name)
        with contextlib.suppress(OSError):  # a disk that fails: what can go goes
            _sync(temporary)
        for name in names & _MARKS:
            os.unlink(temporary / name)
        os.rmdir(temporary)


def _make_parents(target: Path) -> None:
    made = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in made:
        _sync(folder.parent)


def _remove_stale(target: Path, *, sole_writer: bool = False) -> None:
    for temporary, owner in _temporaries(target):
        if (sole_writer or owner == os.getpid() or not _alive(owner)) and _is_ours(temporary):
            _discard(temporary)


def _is_ours(temporary: Path) -> bool:
    """Whether a folder with the name of a temporary has a mark, or nothing but what a manifest of ours names."""
    marked = any(_has_mark(temporary, mark) for mark in _MARKS)
    with contextlib.suppress(OSError):
        return marked or not _foreign_entries(temporary)
    return False


def _place(target: Path) -> Path:
    """Where the folder is: `NAME.old` where a writer of ours has moved it, and nothing has taken its place yet."""
    old = _old(target)
    return old if not os.path.lexists(target) and _has_mark(old, _REPLACED) else target


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[tuple[int, int] | None]:
    """The identity of a folder, or None; while the body runs no other one can get the same, if this one goes."""
    if os.name == "nt":  # no handle for a folder
        yield _identity(folder)
        return
    try:
        descriptor = os.open(os.path.join(folder, ""), os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield _identity(folder)
        return
    try:
        status = os.fstat(descriptor)
        yield status.st_dev, status.st_ino
    finally:
        os.close(descriptor)


def _open_files(folder: Path, opened: contextlib.ExitStack) -> tuple[Mapping[str, Any], dict[str, BinaryIO]]:
    """The manifest, and all that it names, opened: from here on the folder may go."""
    if not folder.is_dir():
        got = "a file" if folder.exists() else "nothing"
        raise ArtefactError(
            f"{folder}: expected a model folder, got {got}; check the path, or train one with "
            "'textlattice train SOURCE -o DIR'."
        )
    if not os.path.lexists(folder / MANIFEST):
        raise ArtefactError(
            f"{folder}: expected a model folder with {MANIFEST}, got none; check the path, or save the model "
            "again."
        )
    manifest = read_manifest(folder, reserved=_MARKS)
    return manifest, {name: opened.enter_context(open_file(folder / name)) for name in manifest["files"]}


def _read_checked(path: Path, file: BinaryIO, entry: Mapping[str, Any]) -> bytes:
    content = read_file(path, file, num_bytes=entry["bytes"])
    check_digest(content, path, entry["sha256"])
    return content


def _foreign_entries(folder: Path) -> list[str]:
    """Entries that are no plain files or that the manifest does not name; what file managers leave does not count."""
    with os.scandir(folder) as entries:
        is_plain = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    if not is_plain:
        return []
    ours = named_files(folder) | _OF_FILE_MANAGERS | {mark for mark in _MARKS if _has_mark(folder, mark)}
    return sorted(name for name, plain in is_plain.items() if not plain or name not in ours)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handle for a directory's entries
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporaries(target: Path) -> list[tuple[Path, int]]:
    pattern = re.compile(re.escape(target.name) + r"\.tmp-([0-9]{1,10})-[0-9a-f]{8}")
    if not target.parent.is_dir():
        return []
    matches = ((entry, pattern.fullmatch(entry.name)) for entry in target.parent.iterdir())
    return [
        (entry, int(match[1]))
        for entry, match in matches
        if match and entry.is_dir() and not entry.is_symlink()
    ]


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _aside(target: Path) -> Path:
    return target.with_name(f"{target.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")


def _old(target: Path) -> Path:
    return target.with_name(f"{target.name}.old")
