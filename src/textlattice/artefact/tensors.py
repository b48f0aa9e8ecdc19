"""Named arrays to bytes and back, in the safetensors format: no pickle, no code.

Reading is our own: it copies each tensor once and nothing else, and it believes no number of the header before
all of them fit together and the length of the file.
"""

import json
import math
from collections.abc import Iterator, Mapping
from mmap import mmap
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
_BFLOAT16 = "BF16"  # of other people's files; NumPy has no such type
_BITS = {
    **{name: 8 * dtype.itemsize for name, dtype in _TYPES.items()},
    **{_BFLOAT16: 16, "C64": 64, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8},
    **{"F8_E5M2FNUZ": 8, "F8_E4M3FNUZ": 8, "F6_E3M2": 6, "F6_E2M3": 6, "F4": 4},
}  # of every type that the format has, so that a shape is never believed without the bytes behind it
_METADATA = "__metadata__"
_NOTE = "textlattice"
_ENTRY = {"dtype", "shape", "data_offsets"}
_MOST_DIMENSIONS = 8
_MOST = 1 << 48  # numbers along a side, or bytes
_CHUNK = 1 << 20  # numbers looked at in one go


def pack_tensors(arrays: Mapping[str, np.ndarray], *, note: str | None = None) -> bytes:
    """The arrays as the content of a `.safetensors` file; the same arrays and note give the same bytes.

    Args:
        arrays: Numbers, by name.
        note: A text that the file carries beside them, for `unpack_note`.

    Raises:
        ArtefactError: A float is NaN or infinite, or a type (object, string) has no form in safetensors.
    """
    for name, array in arrays.items():
        _check_finite(f"tensor {name!r}", array, "train again with a lower train.learning_rate")
    try:
        return safetensors.numpy.save(
            {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()},
            None if note is None else {_NOTE: note},
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
        begin, entries, _ = _header(data)
        _check_places(entries, len(data) - begin)
        arrays = {name: _array(data, begin, name, entry) for name, entry in entries.items()}
    except _Fault as fault:
        raise ArtefactError(_no_file(where, data, fault)) from None
    for name, array in arrays.items():
        _check_finite(f"{where}, tensor {short(name)}", array, "save the model again from a healthy run")
    return {name: array.astype(array.dtype.newbyteorder("=")) for name, array in arrays.items()}


def unpack_note(data: bytes, *, where: str = "tensors") -> str | None:
    """The note that a `.safetensors` file of ours carries; None where there is none.

    Raises:
        ArtefactError: The bytes are no such file, or its metadata are not texts by name.
    """
    try:
        _, _, metadata = _header(data)
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise _Fault("its metadata are not texts by name")
    except _Fault as fault:
        raise ArtefactError(_no_file(where, data, fault)) from None
    return metadata.get(_NOTE)


def tensor_shapes(data: bytes | mmap, *, where: str = "tensors") -> dict[str, tuple[int, ...]]:
    """Names and shapes of what a `.safetensors` file holds, ours or not; only the header is read.

    A shape is given only where the file has as many bytes as it takes.

    Raises:
        ArtefactError: The bytes do not begin as such a file.
    """
    try:
        _, entries, _ = _header(data)
    except _Fault as fault:
        raise ArtefactError(_no_file(where, data, fault)) from None
    return {name: tuple(entry["shape"]) for name, entry in entries.items()}


def unpack_tensor(data: bytes | mmap, name: str, *, where: str = "tensors") -> np.ndarray:
    """One array of a `.safetensors` file, ours or not, as a copy; of a file on disk nothing else is read.

    Args:
        data: Content of the file, or the file itself.
        name: Which array; floats of 16 bits with a long exponent (`BF16`) come as float32.
        where: What the content is called in an error.

    Raises:
        ArtefactError: The bytes are no such file, hold no such array, or a float is NaN or infinite.
    """
    try:
        begin, entries, _ = _header(data)
        if name not in entries:
            raise _Fault(f"no tensor {short(name)}")
        array = _copied(data, begin, name, entries[name])
    except _Fault as fault:
        raise ArtefactError(_no_file(where, data, fault)) from None
    _check_finite(f"{where}, tensor {short(name)}", array, _ADVICE)
    return array


def iterate_tensors(data: bytes | mmap, *, where: str = "tensors") -> Iterator[tuple[str, np.ndarray]]:
    """Each array of a `.safetensors` file of other people with its name, as `unpack_tensor` gives it, one at a time.

    Raises:
        ArtefactError: The bytes are no such file, or a float is NaN or infinite.
    """
    try:
        begin, entries, _ = _header(data)
        for name, entry in entries.items():
            array = _copied(data, begin, name, entry)
            _check_finite(f"{where}, tensor {short(name)}", array, _ADVICE)
            yield name, array
    except _Fault as fault:
        raise ArtefactError(_no_file(where, data, fault)) from None


_ADVICE = "get the file again, or another model"


class _Fault(Exception):
    """Why bytes are no safetensors file."""


def _no_file(where: str, data: bytes | mmap, fault: _Fault) -> str:
    return (
        f"{where}: expected a safetensors file, got {len(data)} bytes that are none ({fault}); "
        "copy or save the model again."
    )


def _header(data: bytes | mmap) -> tuple[int, dict[str, Any], Any]:
    """Where the numbers begin, the entry of each tensor, and the metadata, as yet unchecked.

    Of each entry the shape, the type and the place are held against one another and against the length of the file, so
    that no number of it asks for memory that no bytes stand for.
    """
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
    metadata = header.pop(_METADATA, {})
    for name, entry in header.items():
        _check_entry(name, entry, len(data) - 8 - size)
    return 8 + size, header, metadata


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _Fault("a name stands twice in its header")
    return values


def _check_entry(name: str, entry: Any, num_bytes: int) -> None:
    tensor = f"tensor {short(name)}"
    if not isinstance(entry, dict) or set(entry) != _ENTRY:
        raise _Fault(f"{tensor} has not exactly the keys {', '.join(sorted(_ENTRY))}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    bits = _BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise _Fault(f"{tensor} has the type {short(dtype)}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _Fault(f"{tensor} has the shape {short(shape)} and the offsets {short(offsets)}")
    if offsets[1] > num_bytes or 8 * (offsets[1] - offsets[0]) != math.prod(shape) * bits:
        raise _Fault(
            f"{tensor} of shape {short(shape)} does not fit its offsets {short(offsets)} or the file"
        )


def _array(data: bytes | mmap, begin: int, name: str, entry: Any) -> np.ndarray:
    """A view of the bytes that an entry names."""
    dtype = _TYPES.get(entry["dtype"])
    if dtype is None:
        raise _Fault(f"tensor {short(name)} has the type {short(entry['dtype'])}")
    shape = entry["shape"]
    return np.frombuffer(data, dtype, math.prod(shape), begin + entry["data_offsets"][0]).reshape(shape)


def _copied(data: bytes | mmap, begin: int, name: str, entry: Any) -> np.ndarray:
    """The bytes that an entry names as an array of their own; floats of 16 bits with a long exponent as float32."""
    if entry["dtype"] == _BFLOAT16:  # the upper half of a float32
        halves = _array(data, begin, name, entry | {"dtype": "U16"})
        wide = halves.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    view = _array(data, begin, name, entry)
    return view.astype(view.dtype.newbyteorder("="))


def _are_sizes(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= _MOST_DIMENSIONS
        and all(type(value) is int and 0 <= value < _MOST for value in values)
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
