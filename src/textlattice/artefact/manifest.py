"""`manifest.json`: the format of a model folder, and the length and digest of each file in it."""

import hashlib
import re
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textlattice.artefact.folder_file import read_json
from textlattice.errors import ArtefactError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_KEYS = frozenset({"format_version", "library", "library_version", "files"})


def new_manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest of a folder that holds these files."""
    try:
        library_version = version("textlattice")
    except PackageNotFoundError:
        library_version = "unknown"
    return {
        "format_version": FORMAT_VERSION,
        "library": "textlattice",
        "library_version": library_version,
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in files.items()
        },
    }


def read_manifest(folder: Path, *, reserved: Collection[str] = ()) -> Mapping[str, Any]:
    """The manifest of a folder; the files that it names are not looked at.

    Args:
        folder: Where it is.
        reserved: Names that no file of the folder may have.

    Raises:
        ArtefactError: Missing, of a newer format, or not one that we wrote.
    """
    path = folder / MANIFEST
    manifest = read_json(path)
    if _format_of(manifest) > FORMAT_VERSION:
        raise ArtefactError(
            f"{folder}: written by format {manifest['format_version']}, this version reads up to "
            f"{FORMAT_VERSION}: upgrade textlattice."
        )
    if not _is_manifest(manifest):
        raise ArtefactError(
            f"{path}: expected a manifest of textlattice with the keys {', '.join(sorted(_KEYS))} alone, got something "
            "else; copy or save the model again."
        )
    for name in manifest["files"]:
        check_name(name, folder, reserved=reserved)
    return manifest


def named_files(folder: Path) -> set[str]:
    """The manifest and the files that it names; empty where there is no manifest of ours."""
    try:
        manifest = read_json(folder / MANIFEST)
    except ArtefactError:
        return set()
    return {MANIFEST, *manifest["files"]} if _is_manifest(manifest) else set()


def check_name(name: str, folder: Path, *, reserved: Collection[str] = ()) -> None:
    """Do nothing where a file of the folder may have this name.

    Raises:
        ArtefactError: It is not plain, or reserved.
    """
    if not _NAME.fullmatch(name) or name in {".", "..", MANIFEST, *reserved}:
        raise ArtefactError(
            f"{folder}: expected plain file names ([A-Za-z0-9._-]+, not {MANIFEST}), got {name!r}; "
            "do not trust this folder unless you know who wrote it."
        )


def check_digest(content: bytes, path: Path, expected: str) -> None:
    """Do nothing where the SHA-256 of a file is the one in the manifest.

    Raises:
        ArtefactError: It is another.
    """
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise ArtefactError(
            f"{path}: expected SHA-256 {expected}, got {digest}; the file was changed or damaged: "
            "copy or save the model again."
        )


def _format_of(manifest: object) -> int:
    """The number of the format; 0 where there is none."""
    found = manifest.get("format_version") if isinstance(manifest, dict) else None
    return found if type(found) is int else 0


def _is_manifest(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == _KEYS
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
