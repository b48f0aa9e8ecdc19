"""Vectors of words from elsewhere, by key, in one `.safetensors` file; where they come from it does not know."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped, UInt64

from textlattice.artefact.model_files import open_plain
from textlattice.artefact.output_file import writing
from textlattice.artefact.tensors import pack_tensors, unpack_note, unpack_tensors
from textlattice.config import TextConfig
from textlattice.errors import ArtefactError, DataError
from textlattice.text.normalise import normalise
from textlattice.text.vocabulary import word_keys

_AGAIN = "make the table again with textlattice token-table"


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenTable:
    """Vectors of words; a key's place is the row of its vector.

    Args:
        keys: 64-bit keys of the words, ascending.
        vectors: Their vectors, finite; at least one, of any scale.
        record: Where they come from and how they were made, as plain JSON values: source, licence, digest, method,
            settings. Empty where nobody has said it.

    Raises:
        DataError: The keys are not ascending, or the vectors are none, not finite or not one a key.
    """

    keys: UInt64[np.ndarray, " num_words"]
    vectors: Float32[np.ndarray, "num_words dim"]
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.keys, self.vectors)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.vectors.shape[1]

    @property
    def num_bytes(self) -> int:
        """Bytes of keys and vectors, in memory and in a model folder."""
        return self.keys.nbytes + self.vectors.nbytes


def token_table(
    words: Sequence[str],
    vectors: Shaped[np.ndarray, "num_words dim"],
    config: TextConfig,
    record: dict[str, Any] | None = None,
) -> TokenTable:
    """The table of these words, found in a text exactly as a known word is.

    Words are normalised and lower-cased as the settings say; where several become one key, the first holds.
    A word that texts are never cut into (`New York`, a piece of a word) is kept, but never found.

    Args:
        words: Words, the most frequent first; marks of a tokenizer already taken off.
        vectors: One a word, of any type of float.
        config: Settings of the model that the table is for.
        record: What the table's file says of where they come from.

    Raises:
        DataError: There are no words, not one vector a word, or a vector is not finite in float32.
    """
    if len(words) != len(vectors):
        raise DataError(
            f"token table: expected one vector a word, got {len(words)} words and {len(vectors)} vectors."
        )
    fold = config.fold_confusables
    forms = [normalise(word, config.normalisation, fold=fold).text for word in words]
    keys, first = np.unique(word_keys(forms, config), return_index=True)
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        rows = vectors[first].astype(np.float32)
    return TokenTable(keys=keys, vectors=rows, record=record or {})


def read_token_table(path: Path) -> TokenTable:
    """The table in a file.

    Raises:
        ArtefactError: The file cannot be read or is no `.safetensors` file of two arrays.
        DataError: What it holds is no table.
    """
    try:
        with open_plain(path) as file:
            content = file.read()
    except OSError as error:
        raise ArtefactError(
            f"token table {path}: expected a file, got: {error.strerror or error}; check the path."
        ) from error
    except DataError as error:
        raise ArtefactError(f"token table {error}") from error
    try:
        arrays, note = unpack_tensors(content), unpack_note(content)
    except ArtefactError as error:
        raise ArtefactError(f"token table {path}: {error}") from error
    if set(arrays) != {"keys", "vectors"}:
        raise ArtefactError(
            f"token table {path}: expected the arrays keys and vectors, got {', '.join(sorted(arrays)) or 'none'}; "
            f"{_AGAIN}."
        )
    try:
        _check(**arrays)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return TokenTable(**arrays, record=_record(path, note))


def write_token_table(table: TokenTable, path: Path) -> None:
    """Writes a table as one file, beside its place first, so that a reader never sees half of it.

    Raises:
        ArtefactError: The file cannot be written; what stood there is kept.
    """
    note = json.dumps(table.record, ensure_ascii=False, allow_nan=False) if table.record else None
    content = pack_tensors({"keys": table.keys, "vectors": table.vectors}, note=note)
    try:
        with writing(path) as file:
            file.write(content)
    except DataError as error:
        raise ArtefactError(f"token table {error}") from error


def licence_of(record: dict[str, Any]) -> str:
    """Licence of what a record names, in words."""
    return str(record.get("licence") or "not stated")


def _record(path: Path, note: str | None) -> dict[str, Any]:
    """The record that a file carries; an empty one where it carries none."""
    try:
        record = {} if note is None else json.loads(note)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise ArtefactError(f"token table {path}: expected a record that is a JSON object; {_AGAIN}.")
    return record


def _check(keys: np.ndarray, vectors: np.ndarray) -> None:
    """Raises `DataError` where these arrays are no table."""
    if (keys.dtype, keys.ndim, vectors.dtype, vectors.ndim) != (np.uint64, 1, np.float32, 2):
        raise DataError(
            "token table: expected keys uint64 [num_words] and vectors float32 [num_words, dim], got "
            f"{keys.dtype} {list(keys.shape)} and {vectors.dtype} {list(vectors.shape)}; {_AGAIN}."
        )
    if len(keys) != len(vectors) or not vectors.size:
        raise DataError(
            f"token table: expected one vector a key and at least one number, got {len(keys)} keys and "
            f"vectors {list(vectors.shape)}; {_AGAIN}."
        )
    if (keys[1:] <= keys[:-1]).any():
        raise DataError(
            f"token table: expected ascending keys, got {int((keys[1:] <= keys[:-1]).sum())} out of order; "
            f"{_AGAIN}."
        )
    num_broken = int((~np.isfinite(vectors)).any(1).sum())
    if num_broken:
        raise DataError(
            f"token table: expected finite vectors, got {num_broken} of {len(keys)} with NaN or infinity; "
            "leave those words out."
        )
