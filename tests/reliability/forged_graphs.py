"""Graphs that no export writes, made from an honest one: crafted, each with a purpose, and mutated at random.

As a script it loads them with digests that agree and predicts, within limits of memory and time:
`forged_graphs.py export FOLDER`, `forged_graphs.py crafted FOLDER`, `forged_graphs.py mutated FOLDER FIRST LAST`.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

ENCODE_FORMS, CLASSIFY = "encode_forms.onnx", "classify.onnx"
TEXTS = ["q", "", "so, so many words: a film, and another film"]
MOST_MEMORY = 6 << 30
"""Addresses of a process that loads forged graphs, so that what explodes hits no one else."""
MOST_SECONDS = 30
"""For one forged folder; after it the process ends."""
HUGE = 1 << 28

Case = tuple[str, str, bytes]
"""What is wrong, the file that it is in, its content."""


# Crafted: each must be refused.


def crafted_graphs(folder: Path) -> Iterator[Case]:
    """Graphs with a purpose, from those of an exported folder; none may reach ONNX Runtime."""
    encode = onnx.load(folder / ENCODE_FORMS)
    classify = onnx.load(folder / CLASSIFY)

    def changed(name: str, change: Callable[[Any], Any], *, of: Any = classify) -> Case:
        model = onnx.ModelProto()
        model.CopyFrom(of)
        change(model)
        return name, CLASSIFY if of is classify else ENCODE_FORMS, model.SerializeToString()

    for name, change in {**_payloads(), **_structures(), **_tensors(), **_interfaces()}.items():
        yield changed(name, change)
    for name, change in _tables().items():
        yield changed(name, change, of=encode)
    for name, change in _bytes().items():
        yield name, CLASSIFY, change(classify.SerializeToString())
    yield "the graph that reads letters", CLASSIFY, encode.SerializeToString()
    yield "the graph that classifies", ENCODE_FORMS, classify.SerializeToString()


def _payloads() -> dict[str, Callable[[Any], Any]]:
    """Nodes whose result is added to the logits: work that never ends, memory without bound."""

    def payload(*nodes: Any, **numbers: Any) -> Callable[[Any], Any]:
        def change(model: Any) -> None:
            last = next(node for node in model.graph.node if node.output[0] == "logits")
            last.output[0] = "honest"
            model.graph.initializer.extend(
                numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()
            )
            model.graph.node.extend([*nodes, node("Add", ["honest", "payload"], ["logits"])])

        return change

    def node(*words: Any, **attributes: Any) -> Any:
        return helper.make_node(*words, **attributes)

    def largest(*nodes: Any, **numbers: Any) -> Callable[[Any], Any]:
        """The largest number of `big`."""
        return payload(*nodes, node("ReduceMax", ["big"], ["payload"], keepdims=0), **numbers)

    def body(name: str) -> Any:
        boolean, number = (
            helper.make_tensor_value_info(name, kind, [])
            for name, kind in (("go", TensorProto.BOOL), ("sum", TensorProto.FLOAT))
        )
        step = helper.make_tensor_value_info("step", TensorProto.INT64, [])
        outputs = [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, []),
        ]
        nodes = [node("Identity", ["go"], ["go_on"]), node("Add", ["sum", "sum"], ["more"])]
        if name == "branch":
            return helper.make_graph([node("Identity", ["zero"], ["more"])], name, [], outputs[1:])
        if name == "scan":
            return helper.make_graph(nodes[1:], name, [number], outputs[1:])
        return helper.make_graph(nodes, name, [step, boolean, number], outputs)

    f, i = np.float32, np.int64
    many = np.array([HUGE], i)
    tall, flat = np.zeros((50_000, 1), f), np.zeros((1, 50_000), f)
    column = (node("Cast", ["form"], ["x"], to=1), node("Unsqueeze", ["x", "one"], ["tall"]))
    row = (*column, node("Unsqueeze", ["x", "nought"], ["flat"]))
    axes = {"nought": np.array([0], i), "one": np.array([1], i)}
    count = node("Shape", ["form"], ["count"])
    return {
        "a loop without end": payload(
            node("Loop", ["", "go_in", "zero"], ["payload"], body=body("loop")), go_in=True, zero=f(0)
        ),
        "a loop of 2^62 steps": payload(
            node("Loop", ["steps", "", "zero"], ["payload"], body=body("loop")), steps=i(2**62), zero=f(0)
        ),
        "a choice": payload(
            node("If", ["go_in"], ["payload"], then_branch=body("branch"), else_branch=body("branch")),
            **{"go_in": True, "zero": f(0)},
        ),
        "a scan": largest(
            node("Scan", ["tall_zeros"], ["big"], body=body("scan"), num_scan_inputs=1),
            tall_zeros=np.zeros(9, f),
        ),
        "1 GB by ConstantOfShape": largest(node("ConstantOfShape", ["many"], ["big"]), many=many),
        "1 GB by ConstantOfShape with a value": largest(
            node(
                "ConstantOfShape",
                ["many"],
                ["big"],
                value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1]),
            ),
            many=many,
        ),
        "1 GB by Expand": largest(node("Expand", ["zero", "many"], ["big"]), many=many, zero=f(0)),
        "1 GB by Range": largest(
            node("Range", ["zero", "end", "step"], ["big"]), zero=f(0), end=f(HUGE), step=f(1)
        ),
        "1 GB by Tile": largest(node("Tile", ["few", "many"], ["big"]), many=many, few=np.zeros(1, f)),
        "1 GB by Resize": largest(
            node("Resize", ["few", "", "", "many"], ["big"]), many=many, few=np.zeros(1, f)
        ),
        "1 GB by Pad": largest(
            node("Pad", ["few", "pads"], ["big"], mode="constant"),
            **{"few": np.zeros(1, f), "pads": np.array([0, HUGE], i)},
        ),
        "1 GB by Pad of the text": largest(
            column[0], node("Pad", ["x", "pads"], ["big"], mode="constant"), pads=np.array([0, HUGE], i)
        ),
        "1 GB by OneHot": largest(
            node("OneHot", ["few", "depth", "off_on"], ["big"]),
            **{"few": np.zeros(1, i), "depth": i(HUGE), "off_on": np.array([0, 1], f)},
        ),
        "1 GB by EyeLike": largest(
            *(node("Cast", ["doc_ptr"], ["b"], to=1), node("Expand", ["b", "wide"], ["c"])),
            node("EyeLike", ["c"], ["big"]),
            wide=np.array([1 << 14, 1 << 14], i),
        ),
        "10 GB by broadcasting two constants": largest(
            node("Add", ["tall_zeros", "flat_zeros"], ["big"]), tall_zeros=tall, flat_zeros=flat
        ),
        "10 GB by Gemm of two constants": largest(
            node("Gemm", ["tall_zeros", "tall_zeros"], ["big"], alpha=1.0, beta=1.0, transA=0, transB=1),
            tall_zeros=tall,
        ),
        "10 GB by MatMul of two constants": largest(
            node("MatMul", ["tall_zeros", "flat_zeros"], ["big"]), tall_zeros=tall, flat_zeros=flat
        ),
        "10 GB by Einsum": largest(
            node("Einsum", ["tall_zeros", "tall_zeros"], ["big"], equation="ab,cb->ac"), tall_zeros=tall
        ),
        "a weight a thousand times": payload(
            *(node("Relu", ["model.wide.weight"], [f"copy{place}"]) for place in range(1_000)),
            node("ReduceMax", ["copy0"], ["payload"], keepdims=0),
        ),
        "a weight cut a thousand times": payload(
            *(
                node("Slice", ["model.token_conv.weight", "nought", "one", "nought"], [f"cut{place}"])
                for place in range(1_000)
            ),
            node("ReduceMax", ["cut0"], ["payload"], keepdims=0),
            **axes,
        ),
        "the square of the text by broadcasting": largest(
            *row, node("Add", ["tall", "flat"], ["big"]), **axes
        ),
        "the square of the text by Gemm": largest(
            *column,
            node("Gemm", ["tall", "tall"], ["big"], alpha=1.0, beta=1.0, transA=0, transB=1),
            **axes,
        ),
        "the text gathered by the text": largest(
            *row, node("Gather", ["flat", "form"], ["big"], axis=1), **axes
        ),
        "the square of the text by two Gathers": largest(
            *column,
            node("Expand", ["tall", "four"], ["wide"]),
            node("Gather", ["wide", "neighbours1"], ["many_rows"], axis=0),
            node("Gather", ["many_rows", "form"], ["big"], axis=1),
            **axes,
            four=np.array([1, 4], i),
        ),
        "the square of the text by Expand": largest(
            *(*column, count, node("Concat", ["one", "count"], ["sizes"], axis=0)),
            node("Expand", ["tall", "sizes"], ["big"]),
            **axes,
        ),
        "the square of the text by ConstantOfShape": largest(
            *(count, node("Concat", ["count", "count"], ["sizes"], axis=0)),
            node("ConstantOfShape", ["sizes"], ["big"]),
        ),
        "the square of the text as one size": largest(
            *(count, node("Mul", ["count", "count"], ["sizes"])),
            node("ConstantOfShape", ["sizes"], ["big"]),
        ),
        "a size that the text says": largest(
            *(node("Cast", ["form"], ["sizes"], to=7), node("ConstantOfShape", ["sizes"], ["big"])),
        ),
        "a size that doubles forty times": largest(
            count,
            *(node("Add", [f"c{n}" if n else "count"] * 2, [f"c{n + 1}"]) for n in range(40)),
            node("ConstantOfShape", ["c40"], ["big"]),
        ),
        "a size of Shape that doubles forty times": largest(
            *(node("Concat", [f"c{n}" if n else "form"] * 2, [f"c{n + 1}"], axis=0) for n in range(40)),
            node("Cast", ["c40"], ["big"], to=1),
        ),
        "a million numbers a row by Expand": largest(
            *(*column, node("Expand", ["tall", "wide"], ["big"])), **axes, wide=np.array([1, 10**6], i)
        ),
        "a million numbers a row by broadcasting": largest(
            *(*column, node("Add", ["tall", "wide"], ["big"])), **axes, wide=np.zeros((1, 10**6), f)
        ),
        "a million numbers a row by ConstantOfShape": largest(
            *(count, node("Concat", ["count", "wide"], ["sizes"], axis=0)),
            node("ConstantOfShape", ["sizes"], ["big"]),
            wide=np.array([10**6], i),
        ),
        "rows by columns through Reshape": largest(
            *(node("Reshape", ["vectors", "long"], ["rows"]), node("Reshape", ["rows", "thin"], ["big"])),
            **{"long": np.array([-1], i), "thin": np.array([-1, 1], i)},
        ),
        "a thousand wide values": payload(
            *(node("Concat", ["vectors", "vectors"], [f"w{place}"], axis=1) for place in range(1_000)),
            node("ReduceMax", ["w0"], ["payload"], keepdims=0),
        ),
        "more of the best than there are": payload(
            node("TopK", ["vectors", "k"], ["best", "places"], axis=1, largest=1, sorted=1),
            node("ReduceMax", ["best"], ["payload"], keepdims=0),
            k=many,
        ),
        "noise": largest(node("RandomNormal", [], ["big"], shape=[1 << 14, 1 << 14])),
        "a regular expression": payload(
            node("StringNormalizer", ["words"], ["folded"]),
            node("Cast", ["folded"], ["payload"], to=1),
            words=np.array(["1"], object),
        ),
        "a recurrent network": largest(
            node("GRU", ["in", "w", "r"], ["big", ""], hidden_size=1),
            **{name: np.zeros((1, 3, 1), f) for name in ("in", "w", "r")},
        ),
        "slices with a step of 0": payload(
            node("Slice", ["vectors", "nought", "one", "one", "nought"], ["part"]),
            node("ReduceMax", ["part"], ["payload"], keepdims=0),
            **axes,
        ),
        "a slice that goes backwards": payload(
            node("Slice", ["vectors", "one", "nought", "one", "back"], ["part"]),
            node("ReduceMax", ["part"], ["payload"], keepdims=0),
            **axes,
            back=np.array([-1], i),
        ),
        "an axis of 2^62": payload(
            node("Unsqueeze", ["vectors", "far"], ["payload"]), far=np.array([2**62], i)
        ),
        "a reshape to 2^62": largest(
            node("Reshape", ["vectors", "far"], ["big"]), far=np.array([2**62, -1], i)
        ),
        "a cast to text": payload(
            node("Cast", ["vectors"], ["t"], to=8), node("Cast", ["t"], ["payload"], to=1)
        ),
        "a custom operator": payload(node("Steal", ["vectors"], ["payload"], domain="evil.library")),
        "an operator of machine learning": payload(
            node("Scaler", ["vectors"], ["payload"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0])
        ),
        "an operator of Microsoft": payload(node("Gelu", ["vectors"], ["payload"], domain="com.microsoft")),
        "an operator without a name": payload(node("", ["vectors"], ["payload"])),
    }


def _structures() -> dict[str, Callable[[Any], Any]]:
    """Graphs that are no chain of plain nodes."""

    def add_node(*words: Any, **attributes: Any) -> Callable[[Any], Any]:
        return lambda m: m.graph.node.insert(0, helper.make_node(*words, **attributes))

    def attribute(change: Callable[[Any], Any], operator: str = "Concat") -> Callable[[Any], Any]:
        return lambda m: change(next(node for node in m.graph.node if node.op_type == operator).attribute)

    def function(model: Any) -> None:
        node = helper.make_node("Identity", ["x"], ["y"])
        opset = [helper.make_opsetid("", 18)]
        model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [node], opset))

    def nested(depth: int) -> Callable[[Any], Any]:
        def change(model: Any) -> None:
            kind = model.graph.input[0].type
            kind.Clear()
            for _ in range(depth):
                kind = kind.sequence_type.elem_type
            kind.tensor_type.elem_type = 1

        return change

    def set_opsets(*pairs: tuple[str, int]) -> Callable[[Any], Any]:
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

    def set_input(name: str) -> Callable[[Any], Any]:
        return lambda m: m.graph.node[-1].input.__setitem__(0, name)

    axis = helper.make_attribute
    return {
        "a function of its own": function,
        "steps of a training": training,
        "a graph as an attribute": lambda m: attribute(
            lambda found: found.append(axis("body", m.graph.__class__(name="inner")))
        )(m),
        "a tensor as an attribute": attribute(
            lambda found: found.append(
                axis(
                    "value",
                    TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[HUGE], raw_data=bytes(4)),
                )
            )
        ),
        "a list as an attribute": attribute(lambda found: found.append(axis("axes", [1, 2]))),
        "an attribute of a function": attribute(lambda found: setattr(found[0], "ref_attr_name", "axis")),
        "an attribute unknown": attribute(lambda found: found.append(axis("hook", "os.system"))),
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


def _tensors() -> dict[str, Callable[[Any], Any]]:
    """Tensors that are not what they say."""

    def first(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda m: change(m.graph.initializer[0])

    def set_dims(*sizes: int) -> Callable[[Any], Any]:
        return first(lambda t: (t.ClearField("dims"), t.dims.extend(sizes)))

    def external(place: str | None, is_marked: bool = True, **entries: str) -> Callable[[Any], Any]:
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
        "1 GB in 4 bytes": first(lambda t: (set_dims_of(t, [HUGE]), setattr(t, "raw_data", bytes(4)))),
        "1 GB in no bytes": first(lambda t: (set_dims_of(t, [HUGE]), t.ClearField("raw_data"))),
        "a negative size": set_dims(-51, 16),
        "two negative sizes": set_dims(-51, -16),
        "a product of 2^64": set_dims(2**32, 2**32),
        "a size of 2^62 beside 0": first(lambda t: (set_dims_of(t, [2**62, 0]), t.ClearField("raw_data"))),
        "sizes of 2^30 beside 0": first(
            lambda t: (set_dims_of(t, [2**30, 2**30, 2**30, 0]), t.ClearField("raw_data"))
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


def _interfaces() -> dict[str, Callable[[Any], Any]]:
    """Inputs and outputs that are not ours."""
    value = helper.make_tensor_value_info

    def first(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda m: change(m.graph.input[0])

    def kind(other: Any) -> Callable[[Any], Any]:
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


def _tables() -> dict[str, Callable[[Any], Any]]:
    """Faults of the graph that reads letters."""

    def table(model: Any) -> Any:
        return max(model.graph.initializer, key=lambda t: len(t.raw_data))

    def another_width(model: Any) -> None:
        set_dims_of(table(model), [table(model).dims[1], table(model).dims[0]])

    return {
        "a table turned": another_width,
        "a table elsewhere": lambda m: (
            setattr(table(m), "data_location", TensorProto.EXTERNAL),
            table(m).external_data.add(key="location", value="/etc/passwd"),
        ),
        "a table of 1 GB in its bytes": lambda m: set_dims_of(table(m), [HUGE, 1]),
    }


def set_dims_of(tensor: Any, sizes: list[int]) -> None:
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


# Mutated: anything may happen but a crash, a hang or another error than ours.

_SIZES = [0, 1, -1, 2, 3, 7, 15, 16, 17, 255, 2**16, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63)]
_FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, float("inf"), float("-inf"), float("nan")]


def mutated_graph(folder: Path, seed: int) -> Case:
    """One graph of an exported folder after one to four random changes; the seed says which."""
    draw = random.Random(seed)
    name = draw.choice([ENCODE_FORMS, CLASSIFY, CLASSIFY])
    content = (folder / name).read_bytes()
    said = []
    if draw.random() < 0.75:
        model = onnx.ModelProto.FromString(content)
        for _ in range(draw.choice([1, 1, 1, 2, 4])):
            change = draw.choice(_CHANGES)
            said.append(change.__name__.strip("_"))
            with contextlib.suppress(ValueError, IndexError):  # the change before this left nothing to change
                change(model, draw)
        content = model.SerializeToString()
    if not said or draw.random() < 0.1:
        change = draw.choice([_flip, _cut, _insert, _repeat, _overwrite])
        said.append(change.__name__.strip("_"))
        content = change(bytearray(content), draw)
    return f"{seed} {' '.join(said)}", name, content


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


# Trying them, in processes of their own.


def outcomes(folder: Path, kind: str, *numbers: int) -> Iterator[dict[str, Any]]:
    """What becomes of each case: its name, `outcome`, `seconds`, `peak` (bytes by which memory grew).

    The outcome is `refused`, `answered`, or what must not be: another error, or how the process ended.
    """
    done, first = 0, True
    while first or done:
        first = False
        bounds = [numbers[0] + done, numbers[1]] if numbers else [done]
        child = subprocess.Popen(
            [sys.executable, __file__, kind, str(folder), *map(str, bounds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert child.stdout is not None
        begun, more = None, []
        with child.stdout as lines:
            for line in lines:
                if line.startswith('{"begun"'):
                    begun = json.loads(line)["begun"]
                elif line.startswith('{"name"'):
                    done, begun = done + 1, None
                    yield json.loads(line)
                else:
                    more.append(line)
        code = child.wait()
        if begun is None:
            assert (code, more) == (0, [])
            return
        done += 1
        yield {
            "name": begun,
            "outcome": f"ended with {code}: {''.join(more)[-300:]}",
            "seconds": 0.0,
            "peak": 0,
        }


def export(folder: Path) -> None:
    """An exported folder of a small model with a token table, its weights random."""
    done = subprocess.run(
        [sys.executable, __file__, "export", str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _export(folder: Path) -> None:
    import torch

    from textlattice.export.onnx import export_folder
    from textlattice.models.cnn_gnn import CnnGnnClassifier
    from textlattice.models.weights import engine_files
    from textlattice.presets import preset
    from textlattice.runtime.model_folder import write_model_folder
    from textlattice.task import Task
    from textlattice.text.vocabulary import Vocabulary

    config = preset("tiny").with_settings(
        {
            "graph.lattice_offsets": ((1,), (2,)),
            "graph.num_random_edges": (1, 1),
            "model.injected_channels": 5,
        }
    )
    torch.manual_seed(0)
    model = CnnGnnClassifier(config, num_outputs=3, num_words=50, num_ngrams=70, num_injected=11)
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.copy_(0.1 * torch.randn_like(tensor))  # a bias of zeros is left out of a graph
    words, ngrams, injected = (np.arange(number, dtype=np.uint64) for number in (50, 70, 11))
    trained = folder.with_name(f"{folder.name}-trained")
    write_model_folder(
        trained,
        engine="torch",
        config=config,
        task=Task(labels=("a", "b", "c"), priors=(0.25, 0.25, 0.5)),
        vocabulary=Vocabulary(words=words, ngrams=ngrams, injected=injected),
        engine_files=engine_files(model),
        records={},
        card="",
    )
    export_folder(trained, folder)


def _try(folder: Path, cases: Iterator[Case]) -> None:
    import tempfile

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from reliability.forging import forge
    from textlattice import load
    from textlattice.errors import ArtefactError

    def memory(field: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(field))) * 1024

    list(load(folder).answers(TEXTS))  # what is imported and set up once
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as place:
        forged = Path(place) / "model"
        shutil.copytree(folder, forged)
        for name, file, content in cases:
            print(json.dumps({"begun": name}), flush=True)
            forge(forged, file, content)
            Path("/proc/self/clear_refs").write_text("5")
            before, begin = memory("VmRSS"), time.perf_counter()
            signal.alarm(MOST_SECONDS)
            try:
                list(load(forged).answers(TEXTS))
                outcome = "answered"
            except ArtefactError as error:
                line = str(error)
                outcome = (
                    "refused" if "\n" not in line and len(line) < 1_000 else f"refused by {line[:1_200]!r}"
                )
                if kind_of(line):
                    outcome += f" by {kind_of(line)}"
            except BaseException as error:
                outcome = f"{type(error).__name__}: {error}"[:300]
            signal.alarm(0)
            seconds, peak = time.perf_counter() - begin, memory("VmHWM") - before
            print(
                json.dumps({"name": name, "outcome": outcome, "seconds": seconds, "peak": peak}), flush=True
            )
            shutil.copy(folder / file, forged / file)
            forge(forged, file, (folder / file).read_bytes())


def kind_of(line: str) -> str:
    """Who refused: nothing for our own reading, which comes before ONNX Runtime."""
    for words, name in (
        ("expected a graph for ONNX Runtime", "ONNX Runtime at load"),
        ("expected a graph that fits", "ONNX Runtime at work"),
        ("numbers, float32, got", "the shape of an answer"),
        ("expected logits that are finite", "logits"),
    ):
        if words in line:
            return name
    return ""


if __name__ == "__main__":
    kind, place, *rest = sys.argv[1:]
    if kind == "export":
        _export(Path(place))
    elif kind == "crafted":
        _try(
            Path(place),
            (case for number, case in enumerate(crafted_graphs(Path(place))) if number >= int(rest[0])),
        )
    else:
        _try(Path(place), (mutated_graph(Path(place), seed) for seed in range(int(rest[0]), int(rest[1]))))
