"""Files of a language model's folder, as a user names one: plain files inside it, opened without waiting for any.

The cache of the hub keeps links in its folders, into its own store; those are followed, no others.
"""

import json
import mmap
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from textlattice.artefact import plain_file
from textlattice.artefact.plain_file import NotPlainError
from textlattice.errors import DataError

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"

MAX_SETTINGS_BYTES = 16 << 20
"""Longest `config.json`, or list of the weights of many files."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def open_plain(path: Path, *, inside: Path | None = None) -> BinaryIO:
    """A plain file, open for reading; what is a pipe, a device or a folder is never waited for.

    Args:
        path: Where it is.
        inside: A folder that a link may not lead out of, but into the store of the hub's cache that the folder is of.

    Raises:
        FileNotFoundError: There is nothing of that name.
        DataError: It is no plain file, leads out of the folder or cannot be read.
    """
    try:
        real = Path(os.path.realpath(path, strict=True))
        if inside is not None and not any(real.is_relative_to(root) for root in _roots(inside)):
            raise NotPlainError("a link out of its folder")
        return plain_file.open_plain(real, hard_links=True)
    except NotPlainError as error:
        raise DataError(f"{path}: expected a plain file, got {error}; put the file itself there.") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(
            f"{path}: expected a plain file that can be read, got: {error.strerror or error}; check the path and its "
            "permissions."
        ) from error


def read_plain(path: Path, most_bytes: int, *, inside: Path | None = None) -> bytes:
    """What a plain file holds, see `open_plain`.

    Raises:
        FileNotFoundError: There is nothing of that name.
        DataError: It is no plain file, leads out of the folder, cannot be read, or is longer than `most_bytes`.
    """
    with open_plain(path, inside=inside) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise DataError(
                f"{path}: expected at most {most_bytes:,} bytes, got {size:,}; take another model."
            )
        return file.read(most_bytes)


def mapped(file: BinaryIO) -> bytes | mmap.mmap:
    """The content of an open file, read from the disk as far as it is looked at."""
    if not os.fstat(file.fileno()).st_size:
        return b""
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def parse_settings(content: bytes, where: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        DataError: It is none.
    """
    try:
        values = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: expected JSON, got: {error}; get the file again.") from error
    if not isinstance(values, dict):
        raise DataError(f"{where}: expected a JSON object, got {type(values).__name__}; get the file again.")
    return values


def weight_files(name: str, folder: Path) -> list[Path]:
    """The files that hold the weights of a model, in the order of their names.

    Args:
        name: The model, as the user named it.
        folder: Where its files are.

    Raises:
        DataError: There are none, or the list of them cannot be read or names what is no file of the folder.
    """
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    try:
        index = parse_settings(read_plain(folder / INDEX, MAX_SETTINGS_BYTES, inside=folder), INDEX)
    except FileNotFoundError:
        raise DataError(
            f"{name}: expected weights in {WEIGHTS}, got {listing(folder)}; save them as safetensors, pickled weights "
            "are not read."
        ) from None
    except DataError as error:
        raise DataError(f"{name}: {INDEX} cannot be read ({error})") from error
    places = index.get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise DataError(
            f"{name}: {INDEX} cannot be read (expected names of files under weight_map); get it again."
        )
    files = sorted(set(places.values()))
    if strange := [file for file in files if not _NAME.fullmatch(file) or not file.endswith(".safetensors")]:
        raise DataError(
            f"{name}: expected {INDEX} to name .safetensors files beside it, got {strange[0][:80]!r}; do not use this "
            "model unless you know who made it."
        )
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise DataError(
            f"{name}: expected the {len(files)} files of weights that {INDEX} names, {missing[0]} is missing; get the "
            "model again."
        )
    return [folder / file for file in files]


def listing(folder: Path) -> str:
    """What a folder holds, in words."""
    names = sorted(path.name for path in folder.iterdir())
    return (
        ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "an empty folder"
    )


def _roots(folder: Path) -> list[Path]:
    """Where files of a folder may lie: in it, or in the store of the cache `CACHE/models--NAME/snapshots/VERSION`."""
    real = Path(os.path.realpath(folder))
    if real.parent.name != "snapshots":
        return [real]
    model = real.parent.parent
    return [real, model / "blobs", model.parent / "blobs"]
