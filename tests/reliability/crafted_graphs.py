"""Graphs that no export writes, each made with a purpose from those of an exported folder.

None may reach ONNX Runtime: our own reading must refuse it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

ENCODE_FORMS, CLASSIFY = "encode_forms.onnx", "classify.onnx"
HUGE = 1 << 28

Case = tuple[str, str, bytes]
"""What is wrong, the file that it is in, its content."""
Change = Callable[[Any], Any]
"""Makes one thing wrong in a graph."""


def crafted_graphs(folder: Path) -> Iterator[Case]:
    """Graphs with a purpose, from those of an exported folder; none may reach ONNX Runtime."""
    encode = onnx.load(folder / ENCODE_FORMS)
    classify = onnx.load(folder / CLASSIFY)

    def changed(name: str, change: Change, *, of: Any = classify) -> Case:
        model = onnx.ModelProto()
        model.CopyFrom(of)
        change(model)
        return name, CLASSIFY if of is classify else ENCODE_FORMS, model.SerializeToString()

    changes = {
        **{**_loops(), **_gigabytes(), **_products_of_the_text(), **_operators()},
        **{**_attributes(), **_structures(), **_tensors(), **_interfaces()},
    }
    for name, change in changes.items():
        yield changed(name, change)
    for name, change in _tables().items():
        yield changed(name, change, of=encode)
    for name, change in _bytes().items():
        yield name, CLASSIFY, change(classify.SerializeToString())
    yield "the graph that reads letters", CLASSIFY, encode.SerializeToString()
    yield "the graph that classifies", ENCODE_FORMS, classify.SerializeToString()


def _node(*words: Any, **attributes: Any) -> Any:
    return helper.make_node(*words, **attributes)


_MANY = np.array([HUGE], np.int64)
_TALL, _FLAT = np.zeros((50_000, 1), np.float32), np.zeros((1, 50_000), np.float32)
_AXES = {"nought": np.array([0], np.int64), "one": np.array([1], np.int64)}
_COLUMN = (_node("Cast", ["form"], ["x"], to=1), _node("Unsqueeze", ["x", "one"], ["tall"]))
"""The text as a matrix of one column."""
_ROW = (*_COLUMN, _node("Unsqueeze", ["x", "nought"], ["flat"]))
"""The text as a matrix of one column and as one of one row."""
_COUNT = _node("Shape", ["form"], ["count"])


def _payload(*nodes: Any, **numbers: Any) -> Change:
    """Adds the result of nodes, `payload`, to the logits; the nodes read constants by their names."""

    def change(model: Any) -> None:
        last = next(node for node in model.graph.node if node.output[0] == "logits")
        last.output[0] = "honest"
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()
        )
        model.graph.node.extend([*nodes, _node("Add", ["honest", "payload"], ["logits"])])

    return change


def _largest(*nodes: Any, **numbers: Any) -> Change:
    """Adds the largest number of `big` to the logits."""
    return _payload(*nodes, _node("ReduceMax", ["big"], ["payload"], keepdims=0), **numbers)


def _body(name: str) -> Any:
    """A graph within a node: of a loop, a branch or a scan."""
    boolean, number = (
        helper.make_tensor_value_info(name, kind, [])
        for name, kind in (("go", TensorProto.BOOL), ("sum", TensorProto.FLOAT))
    )
    step = helper.make_tensor_value_info("step", TensorProto.INT64, [])
    outputs = [
        helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("more", TensorProto.FLOAT, []),
    ]
    nodes = [_node("Identity", ["go"], ["go_on"]), _node("Add", ["sum", "sum"], ["more"])]
    if name == "branch":
        return helper.make_graph([_node("Identity", ["zero"], ["more"])], name, [], outputs[1:])
    if name == "scan":
        return helper.make_graph(nodes[1:], name, [number], outputs[1:])
    return helper.make_graph(nodes, name, [step, boolean, number], outputs)


def _loops() -> dict[str, Change]:
    """Nodes that hold a graph: work that never ends."""
    return {
        "a loop without end": _payload(
            _node("Loop", ["", "go_in", "zero"], ["payload"], body=_body("loop")),
            go_in=True,
            zero=np.float32(0),
        ),
        "a loop of 2^62 steps": _payload(
            _node("Loop", ["steps", "", "zero"], ["payload"], body=_body("loop")),
            steps=np.int64(2**62),
            zero=np.float32(0),
        ),
        "a choice": _payload(
            _node("If", ["go_in"], ["payload"], then_branch=_body("branch"), else_branch=_body("branch")),
            **{"go_in": True, "zero": np.float32(0)},
        ),
        "a scan": _largest(
            _node("Scan", ["tall_zeros"], ["big"], body=_body("scan"), num_scan_inputs=1),
            tall_zeros=np.zeros(9, np.float32),
        ),
    }


def _gigabytes() -> dict[str, Change]:
    """Memory that constants of the file decide."""
    return {
        "1 GB by ConstantOfShape": _largest(_node("ConstantOfShape", ["many"], ["big"]), many=_MANY),
        "1 GB by ConstantOfShape with a value": _largest(
            _node(
                "ConstantOfShape",
                ["many"],
                ["big"],
                value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1]),
            ),
            many=_MANY,
        ),
        "1 GB by Expand": _largest(
            _node("Expand", ["zero", "many"], ["big"]), many=_MANY, zero=np.float32(0)
        ),
        "1 GB by Range": _largest(
            _node("Range", ["zero", "end", "step"], ["big"]),
            zero=np.float32(0),
            end=np.float32(HUGE),
            step=np.float32(1),
        ),
        "1 GB by Tile": _largest(
            _node("Tile", ["few", "many"], ["big"]), many=_MANY, few=np.zeros(1, np.float32)
        ),
        "1 GB by Resize": _largest(
            _node("Resize", ["few", "", "", "many"], ["big"]), many=_MANY, few=np.zeros(1, np.float32)
        ),
        "1 GB by Pad": _largest(
            _node("Pad", ["few", "pads"], ["big"], mode="constant"),
            **{"few": np.zeros(1, np.float32), "pads": np.array([0, HUGE], np.int64)},
        ),
        "1 GB by Pad of the text": _largest(
            _COLUMN[0],
            _node("Pad", ["x", "pads"], ["big"], mode="constant"),
            pads=np.array([0, HUGE], np.int64),
        ),
        "1 GB by OneHot": _largest(
            _node("OneHot", ["few", "depth", "off_on"], ["big"]),
            **{"few": np.zeros(1, np.int64), "depth": np.int64(HUGE), "off_on": np.array([0, 1], np.float32)},
        ),
        "1 GB by EyeLike": _largest(
            *(_node("Cast", ["doc_ptr"], ["b"], to=1), _node("Expand", ["b", "wide"], ["c"])),
            _node("EyeLike", ["c"], ["big"]),
            wide=np.array([1 << 14, 1 << 14], np.int64),
        ),
        "10 GB by broadcasting two constants": _largest(
            _node("Add", ["tall_zeros", "flat_zeros"], ["big"]), tall_zeros=_TALL, flat_zeros=_FLAT
        ),
        "10 GB by Gemm of two constants": _largest(
            _node("Gemm", ["tall_zeros", "tall_zeros"], ["big"], alpha=1.0, beta=1.0, transA=0, transB=1),
            tall_zeros=_TALL,
        ),
        "10 GB by MatMul of two constants": _largest(
            _node("MatMul", ["tall_zeros", "flat_zeros"], ["big"]), tall_zeros=_TALL, flat_zeros=_FLAT
        ),
        "10 GB by Einsum": _largest(
            _node("Einsum", ["tall_zeros", "tall_zeros"], ["big"], equation="ab,cb->ac"), tall_zeros=_TALL
        ),
        "a weight a thousand times": _payload(
            *(_node("Relu", ["model.wide.weight"], [f"copy{place}"]) for place in range(1_000)),
            _node("ReduceMax", ["copy0"], ["payload"], keepdims=0),
        ),
        "a weight cut a thousand times": _payload(
            *(
                _node("Slice", ["model.token_conv.weight", "nought", "one", "nought"], [f"cut{place}"])
                for place in range(1_000)
            ),
            _node("ReduceMax", ["cut0"], ["payload"], keepdims=0),
            **_AXES,
        ),
    }


def _products_of_the_text() -> dict[str, Change]:
    """Memory that a text multiplies."""
    return {
        "the square of the text by broadcasting": _largest(
            *_ROW, _node("Add", ["tall", "flat"], ["big"]), **_AXES
        ),
        "the square of the text by Gemm": _largest(
            *_COLUMN,
            _node("Gemm", ["tall", "tall"], ["big"], alpha=1.0, beta=1.0, transA=0, transB=1),
            **_AXES,
        ),
        "the text gathered by the text": _largest(
            *_ROW, _node("Gather", ["flat", "form"], ["big"], axis=1), **_AXES
        ),
        "the square of the text by two Gathers": _largest(
            *_COLUMN,
            _node("Expand", ["tall", "four"], ["wide"]),
            _node("Gather", ["wide", "neighbours1"], ["many_rows"], axis=0),
            _node("Gather", ["many_rows", "form"], ["big"], axis=1),
            **_AXES,
            four=np.array([1, 4], np.int64),
        ),
        "the square of the text by Expand": _largest(
            *(*_COLUMN, _COUNT, _node("Concat", ["one", "count"], ["sizes"], axis=0)),
            _node("Expand", ["tall", "sizes"], ["big"]),
            **_AXES,
        ),
        "the square of the text by ConstantOfShape": _largest(
            *(_COUNT, _node("Concat", ["count", "count"], ["sizes"], axis=0)),
            _node("ConstantOfShape", ["sizes"], ["big"]),
        ),
        "the square of the text as one size": _largest(
            *(_COUNT, _node("Mul", ["count", "count"], ["sizes"])),
            _node("ConstantOfShape", ["sizes"], ["big"]),
        ),
        "a size that the text says": _largest(
            *(_node("Cast", ["form"], ["sizes"], to=7), _node("ConstantOfShape", ["sizes"], ["big"])),
        ),
        "a size that doubles forty times": _largest(
            _COUNT,
            *(_node("Add", [f"c{n}" if n else "count"] * 2, [f"c{n + 1}"]) for n in range(40)),
            _node("ConstantOfShape", ["c40"], ["big"]),
        ),
        "a size of Shape that doubles forty times": _largest(
            *(_node("Concat", [f"c{n}" if n else "form"] * 2, [f"c{n + 1}"], axis=0) for n in range(40)),
            _node("Cast", ["c40"], ["big"], to=1),
        ),
        "a million numbers a row by Expand": _largest(
            *(*_COLUMN, _node("Expand", ["tall", "wide"], ["big"])),
            **_AXES,
            wide=np.array([1, 10**6], np.int64),
        ),
        "a million numbers a row by broadcasting": _largest(
            *(*_COLUMN, _node("Add", ["tall", "wide"], ["big"])),
            **_AXES,
            wide=np.zeros((1, 10**6), np.float32),
        ),
        "a million numbers a row by ConstantOfShape": _largest(
            *(_COUNT, _node("Concat", ["count", "wide"], ["sizes"], axis=0)),
            _node("ConstantOfShape", ["sizes"], ["big"]),
            wide=np.array([10**6], np.int64),
        ),
        "rows by columns through Reshape": _largest(
            *(_node("Reshape", ["vectors", "long"], ["rows"]), _node("Reshape", ["rows", "thin"], ["big"])),
            **{"long": np.array([-1], np.int64), "thin": np.array([-1, 1], np.int64)},
        ),
        "a thousand wide values": _payload(
            *(_node("Concat", ["vectors", "vectors"], [f"w{place}"], axis=1) for place in range(1_000)),
            _node("ReduceMax", ["w0"], ["payload"], keepdims=0),
        ),
    }


def _operators() -> dict[str, Change]:
    """Operators that no export writes, and inputs that ours never get."""
    return {
        "more of the best than there are": _payload(
            _node("TopK", ["vectors", "k"], ["best", "places"], axis=1, largest=1, sorted=1),
            _node("ReduceMax", ["best"], ["payload"], keepdims=0),
            k=_MANY,
        ),
        "noise": _largest(_node("RandomNormal", [], ["big"], shape=[1 << 14, 1 << 14])),
        "a regular expression": _payload(
            _node("StringNormalizer", ["words"], ["folded"]),
            _node("Cast", ["folded"], ["payload"], to=1),
            words=np.array(["1"], object),
        ),
        "a recurrent network": _largest(
            _node("GRU", ["in", "w", "r"], ["big", ""], hidden_size=1),
            **{name: np.zeros((1, 3, 1), np.float32) for name in ("in", "w", "r")},
        ),
        "slices with a step of 0": _payload(
            _node("Slice", ["vectors", "nought", "one", "one", "nought"], ["part"]),
            _node("ReduceMax", ["part"], ["payload"], keepdims=0),
            **_AXES,
        ),
        "a slice that goes backwards": _payload(
            _node("Slice", ["vectors", "one", "nought", "one", "back"], ["part"]),
            _node("ReduceMax", ["part"], ["payload"], keepdims=0),
            **_AXES,
            back=np.array([-1], np.int64),
        ),
        "an axis of 2^62": _payload(
            _node("Unsqueeze", ["vectors", "far"], ["payload"]), far=np.array([2**62], np.int64)
        ),
        "a reshape to 2^62": _largest(
            _node("Reshape", ["vectors", "far"], ["big"]), far=np.array([2**62, -1], np.int64)
        ),
        "a cast to text": _payload(
            _node("Cast", ["vectors"], ["t"], to=8), _node("Cast", ["t"], ["payload"], to=1)
        ),
        "a custom operator": _payload(_node("Steal", ["vectors"], ["payload"], domain="evil.library")),
        "an operator of machine learning": _payload(
            _node("Scaler", ["vectors"], ["payload"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0])
        ),
        "an operator of Microsoft": _payload(_node("Gelu", ["vectors"], ["payload"], domain="com.microsoft")),
        "an operator without a name": _payload(_node("", ["vectors"], ["payload"])),
    }


def _attributes() -> dict[str, Change]:
    """Attributes that no export writes."""

    def attribute(change: Change, operator: str = "Concat") -> Change:
        return lambda m: change(next(node for node in m.graph.node if node.op_type == operator).attribute)

    make = helper.make_attribute
    return {
        "a graph as an attribute": attribute(
            lambda found: found.append(make("body", onnx.GraphProto(name="inner")))
        ),
        "a tensor as an attribute": attribute(
            lambda found: found.append(
                make(
                    "value",
                    TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[HUGE], raw_data=bytes(4)),
                )
            )
        ),
        "a list as an attribute": attribute(lambda found: found.append(make("axes", [1, 2]))),
        "an attribute of a function": attribute(lambda found: setattr(found[0], "ref_attr_name", "axis")),
        "an attribute unknown": attribute(lambda found: found.append(make("hook", "os.system"))),
        "an attribute twice": attribute(lambda found: found.append(found[0])),
        "an attribute of another type": attribute(
            lambda found: setattr(found[0], "type", AttributeProto.FLOAT)
        ),
        "an attribute of two values": attribute(lambda found: setattr(found[0], "f", 1.0)),
        "an attribute without a value": attribute(lambda found: found[0].ClearField("i")),
        "an axis beyond": attribute(lambda found: setattr(found[0], "i", 2**40)),
        "a negative axis": attribute(lambda found: setattr(found[0], "i", -2)),
        "a mode of padding": attribute(lambda found: setattr(found[0], "s", b"wrap"), "Pad"),
        "a cast to another type": attribute(lambda found: setattr(found[0], "i", 16), "Cast"),
    }


def _structures() -> dict[str, Change]:
    """Graphs that are no chain of plain nodes."""

    def add_node(*words: Any, **attributes: Any) -> Change:
        return lambda m: m.graph.node.insert(0, helper.make_node(*words, **attributes))

    def function(model: Any) -> None:
        node = helper.make_node("Identity", ["x"], ["y"])
        opset = [helper.make_opsetid("", 18)]
        model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [node], opset))

    def nested(depth: int) -> Change:
        def change(model: Any) -> None:
            kind = model.graph.input[0].type
            kind.Clear()
            for _ in range(depth):
                kind = kind.sequence_type.elem_type
            kind.tensor_type.elem_type = 1

        return change

    def set_opsets(*pairs: tuple[str, int]) -> Change:
        def change(model: Any) -> None:
            del model.opset_import[:]
            model.opset_import.extend(helper.make_opsetid(*pair) for pair in pairs)

        return change

    def last_first(model: Any) -> None:
        nodes = list(model.graph.node)[::-1]
        del model.graph.node[:]
        model.graph.node.extend(nodes)

    def training(model: Any) -> None:
        model.training_info.add().algorithm.CopyFrom(model.graph)

    def set_input(name: str) -> Change:
        return lambda m: m.graph.node[-1].input.__setitem__(0, name)

    return {
        "a function of its own": function,
        "steps of a training": training,
        "100,000 nodes": lambda m: m.graph.node.extend([m.graph.node[0]] * 100_000),
        "5,000 nodes in a chain": lambda m: m.graph.node.extend(
            helper.make_node("Relu", [f"r{n}" if n else "vectors"], [f"r{n + 1}"]) for n in range(5_000)
        ),
        "10,000 tensors": lambda m: m.graph.initializer.extend([m.graph.initializer[0]] * 10_000),
        "100,000 inputs of one node": lambda m: m.graph.node[0].input.extend(["form"] * 100_000),
        "a name of 1 MB": lambda m: setattr(m.graph.node[0], "name", "x" * 1_000_000),
        "a name with a line break": lambda m: setattr(m.graph.node[0], "name", "x\ny"),
        "the nodes last to first": last_first,
        "a node that hears itself": lambda m: m.graph.node[-1].input.append("logits"),
        "a node that hears nobody": set_input("nobody"),
        "a node that hears nothing": set_input(""),
        "an output made twice": add_node("Relu", ["vectors"], ["logits"]),
        "an input made again": add_node("Relu", ["vectors"], ["vectors"]),
        "an output without a name": add_node("Relu", ["vectors"], [""]),
        "an output too many": add_node("Relu", ["vectors"], ["r1", "r2"]),
        "a node without inputs": add_node("Relu", [], ["r1"]),
        "a node without outputs": add_node("Relu", ["vectors"], []),
        "no nodes": lambda m: m.graph.ClearField("node"),
        "no operators imported": set_opsets(),
        "operators of version 1": set_opsets(("", 1)),
        "operators of version 2^62": set_opsets(("", 2**62)),
        "operators of two libraries": set_opsets(("", 18), ("com.microsoft", 1)),
        "operators imported twice": set_opsets(("", 18), ("", 18)),
        "a file without a graph": lambda m: m.ClearField("graph"),
        "a description of 10 MB": lambda m: setattr(m, "doc_string", "x" * 10_000_000),
        "notes": lambda m: m.metadata_props.add(key="ep", value="cuda"),
        "shapes between nodes": lambda m: m.graph.value_info.append(
            helper.make_tensor_value_info("val_0", TensorProto.INT64, [HUGE])
        ),
        "notes on quantised numbers": lambda m: m.graph.quantization_annotation.add(tensor_name="logits"),
        "a node for another device": lambda m: m.graph.node[0].metadata_props.add(key="device", value="x"),
        "a node of an overloaded function": lambda m: setattr(m.graph.node[0], "overload", "x"),
        "a type of 50 levels": nested(50),
    }


def _tensors() -> dict[str, Change]:
    """Tensors that are not what they say."""

    def first(change: Change) -> Change:
        return lambda m: change(m.graph.initializer[0])

    def set_dims(*sizes: int) -> Change:
        return first(lambda t: (t.ClearField("dims"), t.dims.extend(sizes)))

    def external(place: str | None, is_marked: bool = True, **entries: str) -> Change:
        def change(tensor: Any) -> None:
            tensor.ClearField("raw_data")
            if is_marked:
                tensor.data_location = TensorProto.EXTERNAL
            for key, value in {**({"location": place} if place is not None else {}), **entries}.items():
                tensor.external_data.add(key=key, value=value)

        return first(change)

    def typed(tensor: Any) -> None:
        numbers = numpy_helper.to_array(tensor).ravel().tolist()
        tensor.ClearField("raw_data")
        tensor.float_data.extend(numbers)

    def sparse(model: Any) -> None:
        found = model.graph.sparse_initializer.add(dims=[HUGE])
        found.values.CopyFrom(helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]))
        found.indices.CopyFrom(helper.make_tensor("places", TensorProto.INT64, [1], [0]))

    kinds = {
        name: value for name, value in TensorProto.DataType.items() if name not in ("FLOAT", "INT32", "INT64")
    }
    return {
        "1 GB in 4 bytes": first(lambda t: (_set_dims_of(t, [HUGE]), setattr(t, "raw_data", bytes(4)))),
        "1 GB in no bytes": first(lambda t: (_set_dims_of(t, [HUGE]), t.ClearField("raw_data"))),
        "a negative size": set_dims(-51, 16),
        "two negative sizes": set_dims(-51, -16),
        "a product of 2^64": set_dims(2**32, 2**32),
        "a size of 2^62 beside 0": first(lambda t: (_set_dims_of(t, [2**62, 0]), t.ClearField("raw_data"))),
        "sizes of 2^30 beside 0": first(
            lambda t: (_set_dims_of(t, [2**30, 2**30, 2**30, 0]), t.ClearField("raw_data"))
        ),
        "1,000 dimensions": set_dims(*[1] * 1_000, 51, 16),
        "a byte less": first(lambda t: setattr(t, "raw_data", t.raw_data[:-1])),
        "a byte more": first(lambda t: setattr(t, "raw_data", t.raw_data + b"\0")),
        **{
            f"a tensor of the type {name.lower()}": first(
                lambda t, value=value: setattr(t, "data_type", value)
            )
            for name, value in kinds.items()
        },
        "a tensor of the type 1,000": first(lambda t: setattr(t, "data_type", 1_000)),
        "a tensor of no type": first(lambda t: t.ClearField("data_type")),
        "texts": first(lambda t: (t.ClearField("raw_data"), t.string_data.append(b"x" * 100))),
        "numbers in a typed field": first(typed),
        "numbers in two fields": first(lambda t: t.float_data.append(1.0)),
        "a part of a tensor": first(lambda t: setattr(t.segment, "end", 1)),
        "a sparse tensor": sparse,
        "a tensor without a name": first(lambda t: t.ClearField("name")),
        "a tensor twice": lambda m: m.graph.initializer.append(m.graph.initializer[0]),
        "a tensor over an input": first(lambda t: setattr(t, "name", "vectors")),
        "a described tensor": first(lambda t: setattr(t, "doc_string", "x")),
        "a file beside it": external("weights.bin", offset="0", length="3264"),
        "a file elsewhere": external("/etc/passwd"),
        "a file above": external("../secret"),
        "a device": external("/dev/zero", length=str(1 << 40)),
        "no file named": external(None),
        "a file, not marked": external("weights.bin", is_marked=False),
        "a file beside numbers": first(lambda t: t.external_data.add(key="location", value="x")),
        "memory of the process": external("*/_ORT_MEM_ADDR_/*", offset="4096", length="3264"),
        "a file marked, not named, with numbers": first(
            lambda t: setattr(t, "data_location", TensorProto.EXTERNAL)
        ),
    }


def _interfaces() -> dict[str, Change]:
    """Inputs and outputs that are not ours."""
    value = helper.make_tensor_value_info

    def first(change: Change) -> Change:
        return lambda m: change(m.graph.input[0])

    def kind(other: Any) -> Change:
        return first(lambda found: found.type.CopyFrom(other))

    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 16])
    return {
        "an input more": lambda m: m.graph.input.append(value("more", TensorProto.FLOAT, ["n"])),
        "an input of the other graph": lambda m: m.graph.input.append(
            value("characters", TensorProto.INT32, ["n"])
        ),
        "an input twice": lambda m: m.graph.input.append(m.graph.input[0]),
        "an input without a name": first(lambda found: found.ClearField("name")),
        "an input without a type": first(lambda found: found.ClearField("type")),
        "an input without a shape": first(lambda found: found.type.tensor_type.ClearField("shape")),
        "a described input": first(lambda found: setattr(found, "doc_string", "x")),
        "an input of doubles": kind(helper.make_tensor_type_proto(TensorProto.DOUBLE, ["n", 16])),
        "an input of another rank": kind(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 16, 1])),
        "an input of another width": kind(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 17])),
        "an input of a negative width": kind(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", -16])),
        "an input of free width": kind(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", "m"])),
        "an input of fixed length": kind(helper.make_tensor_type_proto(TensorProto.FLOAT, [3, 16])),
        "a list as an input": kind(helper.make_sequence_type_proto(tensor)),
        "an optional input": kind(helper.make_optional_type_proto(tensor)),
        "a map as an input": kind(helper.make_map_type_proto(TensorProto.INT64, tensor)),
        "a sparse input": kind(helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, ["n", 16])),
        "a marked input": first(lambda found: setattr(found.type, "denotation", "IMAGE")),
        "an output more": lambda m: m.graph.output.append(value("val_0", TensorProto.INT64, [1])),
        "an output twice": lambda m: m.graph.output.append(m.graph.output[0]),
        "no output": lambda m: m.graph.ClearField("output"),
        "an output of another name": lambda m: setattr(m.graph.output[0], "name", "add_186"),
        "an input as the output": lambda m: setattr(m.graph.output[0], "name", "vectors"),
        "a tensor as the output": lambda m: setattr(m.graph.output[0], "name", "model.wide.weight"),
        "an output that nothing makes": lambda m: m.graph.node[-1].output.__setitem__(0, "other"),
        "an output of another width": lambda m: m.graph.output[0].CopyFrom(
            value("logits", TensorProto.FLOAT, ["n", 4])
        ),
        "an output of free width": lambda m: m.graph.output[0].CopyFrom(
            value("logits", TensorProto.FLOAT, ["n", "m"])
        ),
        "an output of doubles": lambda m: m.graph.output[0].CopyFrom(
            value("logits", TensorProto.DOUBLE, ["n", 3])
        ),
    }


def _tables() -> dict[str, Change]:
    """Faults of the graph that reads letters."""

    def table(model: Any) -> Any:
        return max(model.graph.initializer, key=lambda t: len(t.raw_data))

    def another_width(model: Any) -> None:
        _set_dims_of(table(model), [table(model).dims[1], table(model).dims[0]])

    return {
        "a table turned": another_width,
        "a table elsewhere": lambda m: (
            setattr(table(m), "data_location", TensorProto.EXTERNAL),
            table(m).external_data.add(key="location", value="/etc/passwd"),
        ),
        "a table of 1 GB in its bytes": lambda m: _set_dims_of(table(m), [HUGE, 1]),
    }


def _set_dims_of(tensor: Any, sizes: list[int]) -> None:
    tensor.ClearField("dims")
    tensor.dims.extend(sizes)


def _bytes() -> dict[str, Callable[[bytes], bytes]]:
    """Files that are no messages, or hide some."""
    graph = 7 << 3 | 2
    groups = b"\x3b" * 100_000  # field 7 begins as a group, again and again
    return {
        "nothing": lambda data: b"",
        "text": lambda data: b"no graph",
        "zeros": lambda data: bytes(1_000),
        "half of it": lambda data: data[: len(data) // 2],
        "a byte less of the file": lambda data: data[:-1],
        "a field more": lambda data: data + b"\xfa\x01\x01x",
        "a field of number 0": lambda data: data + b"\x02\x01x",
        "a field of number 2^60": lambda data: data + b"\xfa\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01x",
        "a group": lambda data: data + b"\x3b\x3c",
        "100,000 groups": lambda data: data + groups,
        "a graph twice": lambda data: data + bytes([graph, 0]),
        "a version twice": lambda data: data + b"\x08\x0a",
        "a length of 2^63": lambda data: data + bytes([graph]) + b"\xff" * 9 + b"\x01",
        "a number of 11 bytes": lambda data: b"\x08" + b"\x80" * 10 + b"\x01" + data,
        "a number of 70 bits": lambda data: b"\x08" + b"\xff" * 9 + b"\x7f" + data,
        "a million empty nodes": lambda data: _message(7, b"\x0a\x00" * 1_000_000),
        "ten million empty nodes": lambda data: _message(7, b"\x0a\x00" * 10_000_000),
        "messages in messages": lambda data: _nested(10_000),
    }


def _message(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _nested(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph, and so on."""
    content = b""
    for _ in range(depth):
        content = _message(1, _message(5, _message(6, content)))
    return _message(7, content)
