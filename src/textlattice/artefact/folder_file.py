"""One file of a model folder: opened, read as far as expected, parsed as JSON; every refusal an `ArtefactError`."""

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from textlattice.artefact.plain_file import NotPlainError, open_plain
from textlattice.config_json import distinct_keys
from textlattice.errors import ArtefactError

MAX_JSON_BYTES = 4 << 20
"""Longest JSON that is parsed, manifest included; the settings of a model have some thousand bytes."""


def open_file(path: Path) -> BinaryIO:
    """A file of a folder, open for reading.

    Raises:
        ArtefactError: Missing, unreadable, or what may lead out of the folder: a link, also a hard one, a pipe.
    """
    try:
        return open_plain(path)
    except NotPlainError as error:
        raise ArtefactError(
            f"{path}: expected a plain file, got {error}; put a copy of the file itself there."
        ) from None
    except FileNotFoundError as error:
        raise ArtefactError(
            f"{path}: expected a file, got nothing; the folder is incomplete: copy or save the model again."
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def read_file(path: Path, file: BinaryIO, *, num_bytes: int) -> bytes:
    """All that an open file holds.

    Raises:
        ArtefactError: It cannot be read, or does not have exactly `num_bytes`.
    """
    found = _num_bytes(path, file)
    if found != num_bytes:
        raise ArtefactError(
            f"{path}: expected {num_bytes} bytes, got {found}; the file was changed or cut off: copy "
            "or save the model again."
        )
    return _read(path, file, found)


def read_json(path: Path) -> Any:
    """A file parsed as JSON.

    Raises:
        ArtefactError: As `open_file`; longer than `MAX_JSON_BYTES`; no JSON.
    """
    with open_file(path) as file:
        _check_length(path, _num_bytes(path, file))
        content = _read(path, file, MAX_JSON_BYTES + 1)
    return parse_json(content, path)


def parse_json(content: bytes, path: Path) -> Any:
    """JSON as a model folder may hold it: UTF-8, no key twice, no NaN.

    Raises:
        ArtefactError: Longer than `MAX_JSON_BYTES`, or none; `path` is named.
    """
    _check_length(path, len(content))
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=distinct_keys)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path}: expected JSON, got: {error}; copy or save the model again.") from error


def _check_length(path: Path, num_bytes: int) -> None:
    if num_bytes > MAX_JSON_BYTES:
        raise ArtefactError(
            f"{path}: expected at most {MAX_JSON_BYTES} bytes of JSON, got {num_bytes}; do not trust this folder "
            "unless you know who wrote it."
        )


def _num_bytes(path: Path, file: BinaryIO) -> int:
    try:
        return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _read(path: Path, file: BinaryIO, most_bytes: int) -> bytes:
    try:
        return file.read(most_bytes)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ArtefactError:
    return ArtefactError(
        f"{path}: expected a readable file, got: {error.strerror}; check permissions and disk."
    )


def _refuse(name: str) -> None:
    raise ValueError(f"{name}, which JSON does not have")
