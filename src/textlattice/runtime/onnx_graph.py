"""The bytes of an ONNX file to a graph, and that graph to the bytes that ONNX Runtime is given in their place.

Only what `export` writes is read: a field that it does not write (a subgraph, a function, a tensor in another file, a
sparse tensor, a sequence) is refused. Since the graph is then written again, ONNX Runtime sees what was checked and
nothing else. No number of a file is believed before it fits the bytes that are there.

Source: the messages of `onnx.proto`, in the wire format of protocol buffers.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
"""Numbers of the element types that are read."""
_DTYPES: dict[int, np.dtype[Any]] = {FLOAT: np.dtype("<f4"), INT32: np.dtype("<i4"), INT64: np.dtype("<i8")}
LARGE = 4_096
"""Bytes from which on a tensor is handed over apart: ONNX Runtime would copy it twice out of a file, so only once."""
_MOST_DIMENSIONS = 8
_LONGEST_NAME = 256

Dims = tuple[int | None, ...]
"""Sizes of a value; one that the batch sets is None."""

# A field: its number, its name and its kind; a kind is a scalar, or the fields of a message. [...] repeats.
_DIM = {1: ("value", "int"), 2: ("name", "name")}
_TENSOR_TYPE = {1: ("type", "int"), 2: ("shape", {1: ("dims", [_DIM])})}
_VALUE = {1: ("name", "name"), 2: ("type", {1: ("tensor", _TENSOR_TYPE)})}
_TENSOR = {1: ("dims", ["int"]), 2: ("type", "int"), 8: ("name", "name"), 9: ("data", "bytes")}
_ATTRIBUTE = {
    **{1: ("name", "name"), 2: ("float", "float"), 3: ("int", "int"), 4: ("text", "name")},
    20: ("type", "int"),
}
_NODE = {
    **{1: ("inputs", ["name"]), 2: ("outputs", ["name"]), 3: ("name", "name"), 4: ("operator", "name")},
    **{5: ("attributes", [_ATTRIBUTE]), 7: ("domain", "name")},
}
_GRAPH = {
    **{1: ("nodes", [_NODE]), 2: ("name", "name"), 5: ("tensors", [_TENSOR])},
    **{11: ("inputs", [_VALUE]), 12: ("outputs", [_VALUE])},
}
_MODEL = {
    **{1: ("ir_version", "int"), 2: ("producer", "name"), 3: ("producer_version", "name")},
    **{7: ("graph", _GRAPH), 8: ("opsets", [{1: ("domain", "name"), 2: ("version", "int")}])},
}
_ELSEWHERE = b"\x6a\x0d\x0a\x08location\x12\x01x\x70\x01"  # of a tensor: its numbers stand in the file "x"
_VALUE_OF = {1: "float", 2: "int", 3: "text"}  # the field that holds an attribute's value, by its type
_WIRE = {"int": 0, "float": 5}  # all other kinds are 2, a length and so many bytes


class GraphFault(Exception):
    """Why bytes are no graph of ours."""


class Value(NamedTuple):
    """An input or output: its element type and its sizes."""

    type: int
    dims: Dims


@dataclass(frozen=True, kw_only=True)
class Node:
    """One step: an operator, the names of what it takes and makes, its attributes by name."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, int | float | str]


@dataclass(frozen=True, kw_only=True)
class OnnxGraph:
    """What a file holds.

    Args:
        inputs: By name.
        outputs: By name.
        constants: Numbers that stand in the file, by name; views of its bytes.
        nodes: In the order in which they run.
        content: The graph as bytes; constants of `LARGE` bytes and more are only named in it.
    """

    inputs: dict[str, Value]
    outputs: dict[str, Value]
    constants: dict[str, np.ndarray]
    nodes: list[Node]
    content: bytes


def read_graph(data: bytes, most_fields: int) -> OnnxGraph:
    """The graph of a file, as yet without a look at what its operators do.

    Args:
        data: Content of the file.
        most_fields: Fields that are read, some 13 a node.

    Raises:
        GraphFault: The bytes are no ONNX file, or one with parts that `export` never writes.
    """
    model = _Reader(data, most_fields).message(0, len(data), _MODEL, "model")
    if [(opset.get("domain", ""), opset.get("version")) for opset in model["opsets"]] != [("", 18)]:
        raise GraphFault("operators of another library or version than 18 of ONNX")
    graph = model.get("graph")
    if graph is None:
        raise GraphFault("a file without a graph")
    return OnnxGraph(
        inputs=_by_name((value.get("name"), _value(value)) for value in graph["inputs"]),
        outputs=_by_name((value.get("name"), _value(value)) for value in graph["outputs"]),
        constants=_by_name((tensor.get("name"), _array(tensor)) for tensor in graph["tensors"]),
        nodes=[_node(node) for node in graph["nodes"]],
        content=_written(model, _MODEL),
    )


class _Reader:
    """Walks a file; messages nest as deep as the fields above do, whatever the bytes say."""

    def __init__(self, data: bytes, most_fields: int) -> None:
        self._data, self._fields_left = data, most_fields

    def message(self, at: int, end: int, fields: dict[int, tuple[str, Any]], what: str) -> dict[str, Any]:
        """The fields of a message by name; those that repeat as lists, those that are missing left out."""
        found: dict[str, Any] = {name: [] for name, kind in fields.values() if isinstance(kind, list)}
        while at < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise GraphFault("more fields than the settings explain")
            key, at = self._integer(at, end)
            if key >> 3 not in fields:
                raise GraphFault(f"field {key >> 3} of {what!r}, which export never writes")
            name, kind = fields[key >> 3]
            repeats = isinstance(kind, list)
            value, at = self._field(at, end, kind[0] if repeats else kind, key & 7, name)
            if repeats:
                found[name].append(value)
            elif name in found:
                raise GraphFault(f"{name!r} twice in one message")
            else:
                found[name] = value
        return found

    def _field(self, at: int, end: int, kind: Any, wire: int, what: str) -> tuple[Any, int]:
        if wire != _WIRE.get(kind if isinstance(kind, str) else "", 2):
            raise GraphFault(f"a field {what!r} of another type than in ONNX")
        if kind == "int":
            number, at = self._integer(at, end)
            return number - (number >> 63 << 64), at
        size, at = (4, at) if kind == "float" else self._integer(at, end)
        if size > end - at:
            raise GraphFault("a file that ends inside a field")
        if kind == "float":
            return struct.unpack_from("<f", self._data, at)[0], at + size
        if kind == "bytes":
            return memoryview(self._data)[at : at + size], at + size
        if kind == "name":
            return self._name(at, size), at + size
        return self.message(at, at + size, kind, what), at + size

    def _name(self, at: int, size: int) -> str:
        text = self._data[at : at + min(size, _LONGEST_NAME)]
        if size > _LONGEST_NAME or not text.isascii() or not text.decode("ascii").isprintable():
            raise GraphFault(f"a name that is no printable ASCII of at most {_LONGEST_NAME} characters")
        return text.decode("ascii")

    def _integer(self, at: int, end: int) -> tuple[int, int]:
        if at < end and self._data[at] < 128:  # most have one byte
            return self._data[at], at + 1
        number = 0
        for place in range(10):
            if at + place >= end:
                raise GraphFault("a file that ends inside a number")
            byte = self._data[at + place]
            number |= (byte & 127) << 7 * place
            if byte < 128:
                if number >> 64:
                    break
                return number, at + place + 1
        raise GraphFault("a number of more than 64 bits")


def _written(message: Mapping[str, Any], fields: dict[int, tuple[str, Any]]) -> bytes:
    """A message as bytes, as `_Reader` reads it."""
    parts = []
    for number, (name, kind) in fields.items():
        if isinstance(kind, list):
            parts += [_written_field(number, value, kind[0]) for value in message[name]]
        elif name in message:
            parts.append(_written_field(number, message[name], kind))
    return b"".join(parts)


def _written_field(number: int, value: Any, kind: Any) -> bytes:
    if kind == "int":
        return _written_integer(number << 3) + _written_integer(value & 2**64 - 1)
    if kind == "float":
        return _written_integer(number << 3 | 5) + struct.pack("<f", value)
    if kind == "bytes" and len(value) >= LARGE:
        return _ELSEWHERE
    if isinstance(kind, dict):
        content = _written(value, kind)
    else:
        content = value.encode("ascii") if kind == "name" else bytes(value)
    return _written_integer(number << 3 | 2) + _written_integer(len(content)) + content


def _written_integer(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _by_name(pairs: Iterable[tuple[str | None, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if not name or name in values:
            raise GraphFault(f"a name that is missing or stands twice: {name!r}")
        values[name] = value
    return values


def _value(message: dict[str, Any]) -> Value:
    tensor = message.get("type", {}).get("tensor", {})
    sizes = tensor.get("shape", {"dims": []})["dims"]
    dims = tuple(size.get("value") for size in sizes)
    if not 1 <= len(dims) <= _MOST_DIMENSIONS or any(
        len(size) > 1 or (size.get("value") or 0) < 0 for size in sizes
    ):
        raise GraphFault(f"{message.get('name')!r} without a shape")
    return Value(type=tensor.get("type", 0), dims=dims)


def _array(message: dict[str, Any]) -> np.ndarray:
    dims: list[int] = message["dims"]
    data: memoryview = message.get("data", memoryview(b""))
    dtype = _DTYPES.get(message.get("type", 0))
    if dtype is None:
        raise GraphFault(f"a tensor {message.get('name')!r} of the element type {message.get('type')}")
    if len(dims) > _MOST_DIMENSIONS or not all(0 <= dim < 2**31 for dim in dims):
        raise GraphFault(f"a tensor {message.get('name')!r} of sizes that no tensor has")
    if math.prod(dims) * dtype.itemsize != len(data):
        raise GraphFault(f"a tensor {message.get('name')!r} of shape {dims} in {len(data)} bytes")
    try:
        return np.frombuffer(data, dtype).reshape(dims)
    except ValueError:  # sizes beside a 0 that no array has
        raise GraphFault(f"a tensor {message.get('name')!r} of shape {dims}") from None


def _node(message: dict[str, Any]) -> Node:
    if message.get("domain"):
        raise GraphFault(f"an operator of the library {message['domain']!r}")
    attributes = []
    for attribute in message["attributes"]:
        field = _VALUE_OF.get(attribute.get("type"))
        if attribute.keys() != {"name", "type", field}:
            raise GraphFault(f"an attribute {attribute.get('name')!r} that is no single number or text")
        attributes.append((attribute["name"], attribute[field]))
    return Node(
        operator=message.get("operator", ""),
        inputs=tuple(message["inputs"]),
        outputs=tuple(message["outputs"]),
        attributes=_by_name(attributes),
    )
