"""Named arrays to bytes and back, in the safetensors format: no pickle, no code.

Reading is our own: it copies each tensor once and nothing else, and it believes no number of the header before
all of them fit together and the length of the file.
"""

import json
import math
from collections.abc import Mapping
from reprlib import repr as short
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from textlattice.errors import ArtefactError

MAX_HEADER_BYTES = 1 << 20
"""Longest header that is parsed; that of a model has some thousand bytes."""

_TYPES = {
    "BOOL": np.dtype("?"),
    **{f"{kind}{8 * size}": np.dtype(f"<{kind.lower()}{size}") for kind in "IU" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_ENTRY = {"dtype", "shape", "data_offsets"}
_MOST_DIMENSIONS = 8
_CHUNK = 1 << 20  # numbers looked at in one go


def pack_tensors(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as the content of a `.safetensors` file; the same arrays give the same bytes.

    Raises:
        ArtefactError: A float is NaN or infinite, or a type (object, string) has no form in safetensors.
    """
    for name, array in arrays.items():
        _check_finite(f"tensor {name!r}", array, "train again with a lower train.learning_rate")
    try:
        return safetensors.numpy.save(
            {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
        )
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        kinds = ", ".join(f"{name}: {array.dtype}" for name, array in arrays.items())
        raise ArtefactError(
            f"tensors: expected arrays of numbers, got {kinds} ({error}); convert them first."
        ) from error


def unpack_tensors(data: bytes, *, where: str = "tensors") -> dict[str, np.ndarray]:
    """The arrays of a `.safetensors` file as writable copies; beside `data` they are all the memory it takes.

    Args:
        data: Content of the file.
        where: What the content is called in an error.

    Raises:
        ArtefactError: The bytes are no such file, or a float is NaN or infinite.

    Source: the safetensors format, and of its rules those that make a file unambiguous: tensors lie one after the
    other, without holes, and fill the file.
    """
    try:
        begin, entries = _header(data)
        arrays = {name: _array(data, begin, name, entry) for name, entry in entries.items()}
        _check_places(entries, len(data) - begin)
    except _Fault as fault:
        raise ArtefactError(
            f"{where}: expected a safetensors file, got {len(data)} bytes that are none ({fault}); "
            "copy or save the model again."
        ) from None
    for name, array in arrays.items():
        _check_finite(f"{where}, tensor {short(name)}", array, "save the model again from a healthy run")
    return {name: array.astype(array.dtype.newbyteorder("=")) for name, array in arrays.items()}


class _Fault(Exception):
    """Why bytes are no safetensors file."""


def _header(data: bytes) -> tuple[int, dict[str, Any]]:
    """Where the numbers begin, and the entry of each tensor, as yet unchecked."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise _Fault("it ends inside its header")
    if size > MAX_HEADER_BYTES:
        raise _Fault(f"a header of {size} bytes, at most {MAX_HEADER_BYTES} are read")
    try:
        header = json.loads(data[8 : 8 + size].decode("utf-8"), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise _Fault(f"its header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise _Fault("its header is no JSON object")
    header.pop("__metadata__", None)
    return 8 + size, header


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _Fault("a name stands twice in its header")
    return values


def _array(data: bytes, begin: int, name: str, entry: Any) -> np.ndarray:
    """A view of the bytes that an entry names."""
    tensor = f"tensor {short(name)}"
    if not isinstance(entry, dict) or set(entry) != _ENTRY:
        raise _Fault(f"{tensor} has not exactly the keys {', '.join(sorted(_ENTRY))}")
    dtype = _TYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise _Fault(f"{tensor} has the type {short(entry['dtype'])}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _Fault(f"{tensor} has the shape {short(shape)} and the offsets {short(offsets)}")
    if offsets[1] > len(data) - begin or offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise _Fault(
            f"{tensor} of shape {short(shape)} does not fit its offsets {short(offsets)} or the file"
        )
    try:
        return np.frombuffer(data, dtype, math.prod(shape), begin + offsets[0]).reshape(shape)
    except ValueError as error:  # sizes beside a 0 that no array has
        raise _Fault(f"{tensor}: {error}") from None


def _are_sizes(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= _MOST_DIMENSIONS
        and all(type(value) is int and value >= 0 for value in values)
    )


def _check_places(entries: Mapping[str, Any], num_bytes: int) -> None:
    end = 0
    for begin, following in sorted(entry["data_offsets"] for entry in entries.values()):
        if begin != end:
            raise _Fault(f"its tensors overlap or leave a hole at byte {min(begin, end)} of the numbers")
        end = following
    if end != num_bytes:
        raise _Fault(f"its tensors end at byte {end} of {num_bytes} of the numbers")


def _check_finite(what: str, array: np.ndarray, advice: str) -> None:
    if array.dtype.kind != "f":
        return
    flat = array.reshape(-1)
    parts = (flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK))
    if count := sum(int(part.size - np.isfinite(part).sum()) for part in parts):
        raise ArtefactError(
            f"{what}: expected finite numbers, got {count} NaN or infinite of {array.size}; {advice}."
        )
