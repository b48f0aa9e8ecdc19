"""Graphs of an exported folder after random changes; a seed says which.

They may be refused or answer; none may crash, hang or raise another error than ours.
"""

import contextlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from reliability.crafted_graphs import CLASSIFY, ENCODE_FORMS, Case

_SIZES = [0, 1, -1, 2, 3, 7, 15, 16, 17, 255, 2**16, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63)]
_FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, float("inf"), float("-inf"), float("nan")]


def mutated_graph(folder: Path, seed: int) -> Case:
    """One graph of an exported folder after a few random changes."""
    draw = random.Random(seed)
    name = draw.choice([ENCODE_FORMS, CLASSIFY, CLASSIFY])
    content = (folder / name).read_bytes()
    changes = []
    if draw.random() < 0.75:
        model = onnx.ModelProto.FromString(content)
        for _ in range(draw.choice([1, 1, 1, 2, 4])):
            change = draw.choice(_CHANGES)
            changes.append(change.__name__.strip("_"))
            with contextlib.suppress(ValueError, IndexError):  # the change before this left nothing to change
                change(model, draw)
        content = model.SerializeToString()
    if not changes or draw.random() < 0.1:
        change = draw.choice([_flip, _cut, _insert, _repeat, _overwrite])
        changes.append(change.__name__.strip("_"))
        content = change(bytearray(content), draw)
    return f"{seed} {' '.join(changes)}", name, content


def _place(content: bytearray, draw: random.Random) -> int:
    """Anywhere, but half of the time where nodes are: tables fill most of a file."""
    return draw.randrange(len(content)) if draw.random() < 0.5 else draw.randrange(min(len(content), 30_000))


def _flip(content: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.choice([1, 1, 2, 8])):
        content[_place(content, draw)] ^= 1 << draw.randrange(8)
    return bytes(content)


def _cut(content: bytearray, draw: random.Random) -> bytes:
    start = _place(content, draw)
    del content[start : start + draw.choice([1, 2, 10, 1_000, len(content)])]
    return bytes(content)


def _insert(content: bytearray, draw: random.Random) -> bytes:
    start = _place(content, draw)
    content[start:start] = draw.randbytes(draw.choice([1, 2, 8]))
    return bytes(content)


def _repeat(content: bytearray, draw: random.Random) -> bytes:
    start, size = _place(content, draw), draw.choice([2, 10, 100, 1_000])
    content[start:start] = content[start : start + size]
    return bytes(content)


def _overwrite(content: bytearray, draw: random.Random) -> bytes:
    start = _place(content, draw)
    size = draw.choice([1, 4, 10])
    content[start : start + size] = draw.choice([b"\xff", b"\0", b"\x80"]) * size
    return bytes(content)


def _swap_inputs(model: Any, draw: random.Random) -> None:
    node = draw.choice(model.graph.node)
    names = list(node.input)
    draw.shuffle(names)
    del node.input[:]
    node.input.extend(names)


def _rewire(model: Any, draw: random.Random) -> None:
    """Another value in the place of an input; half of the time one of the same operator, so likely of equal shape."""
    place = draw.randrange(1, len(model.graph.node))
    node = model.graph.node[place]
    if not node.input:
        return
    slot = draw.randrange(len(node.input))
    before = model.graph.node[:place]
    maker = next((other for other in before if node.input[slot] in other.output), None)
    alike = [other for other in before if maker is not None and other.op_type == maker.op_type]
    if alike and draw.random() < 0.5:
        node.input[slot] = draw.choice(alike).output[0]
    elif draw.random() < 0.5:
        node.input[slot] = draw.choice(before).output[0]
    else:
        node.input[slot] = draw.choice([*model.graph.input, *model.graph.initializer]).name


def _rename_operator(model: Any, draw: random.Random) -> None:
    draw.choice(model.graph.node).op_type = draw.choice([node.op_type for node in model.graph.node])


def _exchange_alike(model: Any, draw: random.Random) -> None:
    """One of the operators of one or two inputs in the place of another."""
    unary = ["Exp", "Not", "Relu", "Elu", "LeakyRelu"]
    binary = ["Add", "Sub", "Mul", "Div", "And", "Equal", "LessOrEqual", "Max"]
    nodes = [node for node in model.graph.node if node.op_type in unary + binary]
    node = draw.choice(nodes)
    node.op_type = draw.choice(unary if node.op_type in unary else binary)


def _change_attribute(model: Any, draw: random.Random) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    attribute = draw.choice(draw.choice(nodes).attribute)
    if attribute.type == AttributeProto.INT:
        attribute.i = draw.choice(_SIZES)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = draw.choice(_FLOATS)
    else:
        attribute.s = draw.choice([b"", b"add", b"mul", b"max", b"reflect", b"\xff"])


def _drop_attribute(model: Any, draw: random.Random) -> None:
    node = draw.choice([node for node in model.graph.node if node.attribute])
    del node.attribute[draw.randrange(len(node.attribute))]


def _drop_node(model: Any, draw: random.Random) -> None:
    del model.graph.node[draw.randrange(len(model.graph.node))]


def _copy_node(model: Any, draw: random.Random) -> None:
    node = model.graph.node.add()
    node.CopyFrom(draw.choice(model.graph.node))
    del node.output[:]
    node.output.append(f"copy{draw.random()}")


def _move_node(model: Any, draw: random.Random) -> None:
    node = onnx.NodeProto()
    place = draw.randrange(len(model.graph.node))
    node.CopyFrom(model.graph.node[place])
    del model.graph.node[place]
    model.graph.node.insert(draw.randrange(len(model.graph.node)), node)


def _drop_input(model: Any, draw: random.Random) -> None:
    node = draw.choice(model.graph.node)
    if node.input:
        del node.input[draw.randrange(len(node.input))]


def _change_sizes(model: Any, draw: random.Random) -> None:
    """Other whole numbers in one of the small tensors."""
    tensors = [t for t in model.graph.initializer if t.data_type in (6, 7) and len(t.raw_data) <= 64]
    tensor = draw.choice(tensors)
    numbers = numpy_helper.to_array(tensor).copy()
    if numbers.size:
        with np.errstate(all="ignore"):
            numbers.reshape(-1)[draw.randrange(numbers.size)] = np.int64(draw.choice(_SIZES)).astype(
                numbers.dtype
            )
    tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))


def _resize_tensor(model: Any, draw: random.Random) -> None:
    """Another shape, and bytes that fit it."""
    tensor = draw.choice(model.graph.initializer)
    array = numpy_helper.to_array(tensor)
    shape = list(array.shape)
    way = draw.randrange(4)
    if way == 0:
        shape = shape[::-1]
    elif way == 1 and shape:
        shape[draw.randrange(len(shape))] = draw.choice([0, 1, 2, 3, 16, 17])
    elif way == 2:
        shape.insert(draw.randrange(len(shape) + 1), 1)
    elif shape:
        del shape[draw.randrange(len(shape))]
    tensor.CopyFrom(numpy_helper.from_array(np.resize(array, shape), tensor.name))


def _retype_tensor(model: Any, draw: random.Random) -> None:
    tensor = draw.choice(model.graph.initializer)
    if draw.random() < 0.5:
        tensor.data_type = draw.randrange(0, 24)
    else:
        array = numpy_helper.to_array(tensor)
        with np.errstate(all="ignore"):
            array = array.astype(draw.choice([np.float32, np.int32, np.int64, np.float64, bool]))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _spoil_weights(model: Any, draw: random.Random) -> None:
    tensor = draw.choice([t for t in model.graph.initializer if t.data_type == 1])
    array = numpy_helper.to_array(tensor).copy()
    if array.size:
        array.reshape(-1)[draw.randrange(array.size)] = draw.choice(_FLOATS)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _exchange_tensors(model: Any, draw: random.Random) -> None:
    one, other = draw.choice(model.graph.initializer), draw.choice(model.graph.initializer)
    one.name, other.name = other.name, one.name


def _rename(model: Any, draw: random.Random) -> None:
    part = draw.choice(
        draw.choice([model.graph.initializer, model.graph.input, model.graph.output, model.graph.node])
    )
    part.name = draw.choice(["", "x", "location", "vectors", model.graph.node[0].output[0]])


def _change_interface(model: Any, draw: random.Random) -> None:
    kind = draw.choice([*model.graph.input, *model.graph.output]).type.tensor_type
    if draw.random() < 0.3 or not kind.shape.dim:
        kind.elem_type = draw.randrange(0, 24)
    elif draw.random() < 0.5:
        draw.choice(kind.shape.dim).dim_value = draw.choice(_SIZES)
    elif draw.random() < 0.5:
        draw.choice(kind.shape.dim).dim_param = draw.choice(["a", "s0", ""])
    else:
        del kind.shape.dim[draw.randrange(len(kind.shape.dim))]


def _share_names_of_sizes(model: Any, draw: random.Random) -> None:
    """Two free sizes that claim to be equal: ONNX Runtime plans its memory by such names."""
    dims = [d for i in model.graph.input for d in i.type.tensor_type.shape.dim if d.dim_param]
    names = [d.dim_param for d in dims]
    draw.choice(dims).dim_param = draw.choice(names)
    if draw.random() < 0.5:
        for dim in dims:
            dim.dim_param = "n"


def _add_output(model: Any, draw: random.Random) -> None:
    name = draw.choice(model.graph.node).output[0]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]))


def _change_version(model: Any, draw: random.Random) -> None:
    if draw.random() < 0.5:
        model.ir_version = draw.choice(_SIZES)
    else:
        model.opset_import[0].version = draw.choice([*range(1, 25), *_SIZES])


_CHANGES = [
    *(_swap_inputs, _rewire, _rewire, _rewire, _rename_operator, _exchange_alike, _change_attribute),
    *(_drop_attribute, _drop_node, _copy_node, _move_node, _drop_input, _change_sizes, _change_sizes),
    *(_resize_tensor, _resize_tensor, _retype_tensor, _spoil_weights, _exchange_tensors, _rename),
    *(_change_interface, _share_names_of_sizes, _add_output, _change_version),
]
