"""A folder that is replaced as a whole and believed only after its digests were checked.

Writing: everything goes to `NAME.tmp-<process>-<random>` beside the target, each file synced, `manifest.json`
last; then the target becomes `NAME.old`, the new folder becomes the target, and `NAME.old` goes. Whatever
moment the process dies at, the target or `NAME.old` is complete; reading takes `NAME.old` where the target is
missing.

Two processes of one machine may read while a third writes. Two that write the same target at once are not
coordinated: one of them can fail, the folder stays whole. It knows names and bytes, not what they mean.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textlattice.artefact.lock import is_alive as _alive
from textlattice.errors import ArtefactError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"

MAX_JSON_BYTES = 4 << 20
"""Longest JSON that is parsed, manifest included; the settings of a model have some thousand bytes."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
# Lies in a folder that we are about to move to NAME.old; a backup that a user named so is never removed.
_MARK = ".replaced"
_MANIFEST_KEYS = frozenset({"format_version", "library", "library_version", "files"})
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
        return _parse_json(self.read(name), self.path / name)


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
        _check_name(name, target)
    check_target(target)
    try:
        _make_parents(target)
        _remove_stale(target)
        aside = _aside(target)
        aside.mkdir()
        try:
            _fill(aside, files)
            _swap(aside, target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except ArtefactError:
        raise
    except OSError as error:
        raise ArtefactError(
            f"{target}: cannot write the folder: {error.strerror or error} ({error.filename or target}); "
            "check free space and permissions. What stood there before is kept."
        ) from error


def check_target(path: Path) -> None:
    """Do nothing where `write_folder` may write to `path`; call it before long work.

    Raises:
        ArtefactError: The target is a file or a link, a folder that holds anything we did not write, hidden
            or not, or `NAME.old` is in the way and not ours.
    """
    target = _absolute(path)
    if not target.name:
        raise ArtefactError(
            f"{target}: expected a folder that can be replaced, got the root; choose another."
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
    old = _old(target)
    if os.path.lexists(old) and not (old / _MARK).exists():
        raise ArtefactError(
            f"{target}: cannot be replaced, its former content would be kept at {old} for a moment, "
            "which exists; move it away."
        )


def read_folder(path: Path) -> Folder:
    """The content of a folder, every byte checked against the manifest before anyone parses it.

    All files are read at once, so the folder may be replaced or removed afterwards.

    Raises:
        ArtefactError: Nothing there, no folder of ours, a newer format, a missing, linked or changed file.
    """
    target = _absolute(path)
    repair(target)
    for _ in range(10):
        before = _identity(target), _identity(_old(target))
        try:
            return _read(target if before[0] or not before[1] else _old(target))
        except ArtefactError:
            if before == (_identity(target), _identity(_old(target))):
                raise  # nobody replaced it under our hands
    raise ArtefactError(f"{target}: was replaced ten times while being read; try again.")


def repair(path: Path) -> bool:
    """True if `NAME.old` was moved back to a missing target, as a writer that died may leave it.

    A writer at work is left alone, and so is a place where nothing can be renamed: there `read_folder` reads
    `NAME.old` itself.
    """
    target = _absolute(path)
    old = _old(target)
    if os.path.lexists(target) or not (old / MANIFEST).is_file():
        return False
    if any(_alive(owner) for _, owner in _temporaries(target)):
        return False
    try:
        os.rename(old, target)
    except OSError:
        return False
    with contextlib.suppress(OSError):
        os.unlink(target / _MARK)
    return True


def remove_folder(path: Path) -> None:
    """Remove a folder that `write_folder` wrote, whole or not at all; do nothing where there is none.

    Raises:
        ArtefactError: Not a folder of ours (see `check_target`), or it may not be removed.
    """
    target = _absolute(path)
    check_target(target)
    try:
        _remove_old(target)  # first, or it would be taken for the folder
        if target.is_dir():
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
    for temporary, owner in _temporaries(target):
        if sole_writer or owner == os.getpid() or not _alive(owner):
            shutil.rmtree(temporary, ignore_errors=True)
    if (_old(target) / _MARK).exists():  # without the mark it is a backup that a user named so
        repair(target)


def _fill(aside: Path, files: Mapping[str, bytes]) -> None:
    entries = {}
    for name, content in files.items():
        (aside / name).write_bytes(content)
        _sync(aside / name)
        entries[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    try:
        library_version = version("textlattice")
    except PackageNotFoundError:
        library_version = "unknown"
    manifest = {
        "format_version": FORMAT_VERSION,
        "library": "textlattice",
        "library_version": library_version,
        "files": entries,
    }
    (aside / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    _sync(aside / MANIFEST)
    _sync(aside)


def _swap(aside: Path, target: Path) -> None:
    old = _old(target)
    moved = False
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    elif target.exists():
        _remove_old(target)
        (target / _MARK).touch()
        _sync(target)
        os.rename(target, old)
        moved = True
    try:
        os.rename(aside, target)
    except BaseException:
        if moved:
            os.rename(old, target)
            (target / _MARK).unlink(missing_ok=True)
        raise
    _sync(target.parent)
    _remove_old(target)


def _remove_old(target: Path) -> None:
    old = _old(target)
    if (old / _MARK).exists():
        _remove_whole(old, target)


def _remove_whole(folder: Path, target: Path) -> None:
    """Renamed first, and that synced: a removal cut short leaves a temporary, never half a folder of that name."""
    doomed = _aside(target)
    os.rename(folder, doomed)
    _sync(target.parent)
    shutil.rmtree(doomed, ignore_errors=True)


def _make_parents(target: Path) -> None:
    made = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in made:
        _sync(folder.parent)


def _remove_stale(target: Path) -> None:
    for temporary, owner in _temporaries(target):
        if not _alive(owner):
            shutil.rmtree(temporary, ignore_errors=True)


def _read(folder: Path) -> Folder:
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
    manifest = _parse_json(_read_regular(folder / MANIFEST, most_bytes=MAX_JSON_BYTES), folder / MANIFEST)
    if _format_of(manifest) > FORMAT_VERSION:
        raise ArtefactError(
            f"{folder}: written by format {manifest['format_version']}, this version reads up to "
            f"{FORMAT_VERSION}: upgrade textlattice."
        )
    if not _is_manifest(manifest):
        raise ArtefactError(
            f"{folder / MANIFEST}: expected a manifest of textlattice with the keys "
            f"{', '.join(sorted(_MANIFEST_KEYS))} alone, got something else; copy or save the model again."
        )
    files = {}
    for name, entry in manifest["files"].items():
        _check_name(name, folder)
        files[name] = _read_checked(folder / name, entry)
    return Folder(path=folder, manifest=manifest, files=files)


def _read_checked(path: Path, entry: Mapping[str, Any]) -> bytes:
    content = _read_regular(path, expected_bytes=entry["bytes"])
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry["sha256"]:
        raise ArtefactError(
            f"{path}: expected SHA-256 {entry['sha256']}, got {digest}; the file was changed or damaged: "
            "copy or save the model again."
        )
    return content


def _read_regular(path: Path, *, expected_bytes: int | None = None, most_bytes: int | None = None) -> bytes:
    """What a file holds. What is looked at is what was opened, so that nobody puts a link there in between."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        _check_kind(path, os.lstat(path))
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            _check_kind(path, status)
            if expected_bytes is not None and status.st_size != expected_bytes:
                raise ArtefactError(
                    f"{path}: expected {expected_bytes} bytes, got {status.st_size}; the file was changed or cut "
                    "off: copy or save the model again."
                )
            _check_length(path, status.st_size, most_bytes)
            return file.read(status.st_size)
    except ArtefactError:
        raise
    except FileNotFoundError as error:
        raise ArtefactError(
            f"{path}: expected a file, got nothing; the folder is incomplete: copy or save the model again."
        ) from error
    except OSError as error:
        raise ArtefactError(
            f"{path}: expected a readable file, got: {error.strerror}; check permissions and disk."
        ) from error


def _check_kind(path: Path, status: os.stat_result) -> None:
    """Refuses what may lead out of the folder: links, also hard ones, and what is no file."""
    kind = None
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "something else"
    elif status.st_nlink > 1:
        kind = "a hard link, a file with a second name elsewhere"
    if kind is not None:
        raise ArtefactError(
            f"{path}: expected a plain file, got {kind}; put a copy of the file itself there."
        )


def _check_length(path: Path, num_bytes: int, most_bytes: int | None) -> None:
    if most_bytes is not None and num_bytes > most_bytes:
        raise ArtefactError(
            f"{path}: expected at most {most_bytes} bytes of JSON, got {num_bytes}; do not trust this folder "
            "unless you know who wrote it."
        )


def _parse_json(content: bytes, path: Path) -> Any:
    _check_length(path, len(content), MAX_JSON_BYTES)
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path}: expected JSON, got: {error}; copy or save the model again.") from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name}, which JSON has not")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key that stands twice in one object")
    return values


def _format_of(manifest: object) -> int:
    """The number of the format; 0 where there is none."""
    found = manifest.get("format_version") if isinstance(manifest, dict) else None
    return found if type(found) is int else 0


def _is_manifest(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == _MANIFEST_KEYS
        and _format_of(value) >= 1
        and value["library"] == "textlattice"
        and isinstance(value["library_version"], str)
        and isinstance(value["files"], dict)
        and all(
            isinstance(entry, dict)
            and set(entry) == {"bytes", "sha256"}
            and type(entry["bytes"]) is int
            and isinstance(entry["sha256"], str)
            for entry in value["files"].values()
        )
    )


def _foreign_entries(folder: Path) -> list[str]:
    """Entries that the manifest does not name, hidden ones too; files that file managers leave do not count."""
    names = {entry.name for entry in folder.iterdir()} - _OF_FILE_MANAGERS - {_MARK}
    if not names:
        return []
    try:
        manifest = _parse_json(_read_regular(folder / MANIFEST), folder / MANIFEST)
    except ArtefactError:
        return sorted(names)
    return sorted(names - {MANIFEST, *manifest["files"]}) if _is_manifest(manifest) else sorted(names)


def _check_name(name: str, folder: Path) -> None:
    if not _NAME.fullmatch(name) or name in {".", "..", MANIFEST, _MARK}:
        raise ArtefactError(
            f"{folder}: expected plain file names ([A-Za-z0-9._-]+, not {MANIFEST}), got {name!r}; "
            "do not trust this folder unless you know who wrote it."
        )


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
    return [(entry, int(match[1])) for entry, match in matches if match]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _aside(target: Path) -> Path:
    return target.with_name(f"{target.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")


def _old(target: Path) -> Path:
    return target.with_name(f"{target.name}.old")
