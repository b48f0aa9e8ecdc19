"""The built-in source `builtin:docstrings`: docstrings of the Python installation, labelled by package.

A demonstration on real text that every machine has, not a benchmark: the rows depend on what is installed.
Sources are parsed, never imported.
"""

import ast
import hashlib
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from textlattice.data.rows import Row
from textlattice.errors import DataError

MIN_DOCSTRINGS = 200
MAX_DOCSTRINGS = 2_000
MIN_CHARACTERS = 40
MAX_SCANNED = 3_000
MAX_SCANNED_BYTES = 8_000_000
MAX_PACKAGES = 40
STANDARD_LIBRARY = "stdlib"
MASK = "PACKAGE"
_SKIPPED_FOLDERS = {
    "__pycache__",
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idle_test",
    "_vendor",
    "_vendored",
    "vendor",
    "vendored",
    "third_party",
    "_bundled",
}


class _Docstring(NamedTuple):
    text: str
    label: str
    file: str  # relative, with forward slashes
    digest: bytes


def docstrings(
    part: str = "all",
    *,
    keep_columns: bool = False,
    standard_library: Path | None = None,
    site_folders: Sequence[Path] | None = None,
    min_docstrings: int = MIN_DOCSTRINGS,
    max_docstrings: int = MAX_DOCSTRINGS,
) -> list[Row]:
    """Docstrings of the standard library and of installed packages, labelled by package, in mixed order.

    The label is the top-level package; the whole standard library is `stdlib`. Kept are texts of at least 40
    characters, each once; a text that stands in two packages is in neither. The name of its package is
    replaced by PACKAGE. A package with fewer than 200 is left out; of one with more than 2,000 those with the
    smallest hash are kept.

    To finish in seconds, only the 40 packages with most files are read, each in the order of a hash of the
    path until 3,000 docstrings or 8 MB are found; folders of tests and of bundled copies are skipped.

    Args:
        part: `train` or `test`, split 80 to 20 by source file, or `all`.
        keep_columns: Fill `Row.columns` with text, label and relative file.
        standard_library: Folder of the standard library; None means that of the running Python.
        site_folders: Folders with installed packages; None means those of the running Python.
        min_docstrings: Docstrings below which a package is left out.
        max_docstrings: Docstrings kept of a package.

    Raises:
        DataError: `part` is unknown.
    """
    if part not in ("all", "train", "test"):
        raise DataError(f"unknown part of builtin:docstrings {part!r}: expected all, train or test.")
    paths = sysconfig.get_paths()
    if standard_library is None:
        standard_library = Path(paths["stdlib"])
    if site_folders is None:
        site_folders = [Path(folder) for folder in dict.fromkeys([paths["purelib"], paths["platlib"]])]
    found = _collect(standard_library, tuple(site_folders), min_docstrings, max_docstrings)
    chosen = [entry for entry in found if part in ("all", _part(entry.file))]
    return [
        Row(
            number=number,
            text=entry.text,
            label=entry.label,
            columns={"text": entry.text, "label": entry.label, "file": entry.file} if keep_columns else None,
        )
        for number, entry in enumerate(chosen, start=1)
    ]


def _part(file: str) -> Literal["train", "test"]:
    return "test" if int.from_bytes(_digest(file)[:8], "little") % 5 == 0 else "train"


@lru_cache(maxsize=1)  # train and test are usually asked for one after the other
def _collect(
    standard_library: Path, site_folders: tuple[Path, ...], min_docstrings: int, max_docstrings: int
) -> tuple[_Docstring, ...]:
    packages: dict[str, list[tuple[str, Path]]] = {STANDARD_LIBRARY: _source_files(standard_library)}
    for folder in site_folders:
        for file, path in _source_files(folder):
            label = file.partition("/")[0].removesuffix(".py")
            if label.isidentifier() and label != STANDARD_LIBRARY:
                packages.setdefault(label, []).append((file, path))
    owners: dict[bytes, str | None] = {}  # None: the text stands in several packages
    scanned: dict[str, list[_Docstring]] = {}
    largest = sorted(packages, key=lambda label: (label != STANDARD_LIBRARY, -len(packages[label]), label))
    for label in sorted(largest[:MAX_PACKAGES]):
        scanned[label] = _scan(label, packages[label])
        for entry in scanned[label]:
            owners[entry.digest] = label if entry.digest not in owners else None
    kept: list[_Docstring] = []
    for label, entries in scanned.items():
        own = sorted((entry for entry in entries if owners[entry.digest] == label), key=_by_digest)
        if len(own) >= min_docstrings:
            kept.extend(own[:max_docstrings])
    return tuple(sorted(kept, key=_by_digest))


def _by_digest(entry: _Docstring) -> bytes:
    return entry.digest


def _scan(label: str, files: list[tuple[str, Path]]) -> list[_Docstring]:
    """Distinct docstrings of one package, its name masked."""
    name = re.compile(rf"\b{re.escape(label)}\b", re.IGNORECASE)
    found: dict[bytes, _Docstring] = {}
    num_bytes = 0
    for file, path in sorted(files, key=lambda item: _digest(item[0])):
        source = _read(path)
        num_bytes += len(source)
        if len(found) >= MAX_SCANNED or num_bytes > MAX_SCANNED_BYTES:
            break
        for docstring in _docstrings_of(source):
            text = name.sub(MASK, docstring)
            if len(text) >= MIN_CHARACTERS:
                digest = _digest(text)
                found.setdefault(digest, _Docstring(text, label, file, digest))
    return list(found.values())


def _source_files(folder: Path) -> list[tuple[str, Path]]:
    """Relative name and path of the Python files below a folder; none if it does not exist."""
    files = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS and "." not in name)
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(root, name)
                files.append((path.relative_to(folder).as_posix(), path))
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _docstrings_of(source: bytes) -> Iterator[str]:
    """Docstrings of a source file, indentation removed; none if it cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other people's sources
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring is not None:
                yield docstring
        # Definitions are statements: expressions, most of the tree, need no visit.
        for name in ("body", "orelse", "finalbody", "handlers"):
            children = getattr(node, name, None)
            if isinstance(children, list):
                pending.extend(children)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
