"""Reading ONNX files: what is read is written again as it was, and whatever else comes is refused."""

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from textlattice.runtime.onnx_graph import LARGE, GraphFault, Node, Value, read_graph

SMALL, BIG = np.arange(6, dtype=np.int64).reshape(2, 3), np.arange(LARGE, dtype=np.float32)


def model():
    """A graph of every kind of field."""
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "big"], ["y"], alpha=-0.25, transB=1, name="a"),
            helper.make_node("Pad", ["y", "location"], ["z"], mode="constant", axis=-1),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("z", TensorProto.BOOL, [None, 2**40])],
        initializer=[numpy_helper.from_array(SMALL, "location"), numpy_helper.from_array(BIG, "big")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


CONTENT = model().SerializeToString()


def test_a_file_is_read():
    graph = read_graph(CONTENT, 1_000)
    assert graph.inputs == {"x": Value(TensorProto.FLOAT, (None, 3))}
    assert graph.outputs == {"z": Value(TensorProto.BOOL, (None, 2**40))}
    gemm = {"alpha": -0.25, "transB": 1}
    assert graph.nodes == [
        Node(operator="Gemm", inputs=("x", "big"), outputs=("y",), attributes=gemm),
        Node(
            operator="Pad",
            inputs=("y", "location"),
            outputs=("z",),
            attributes={"mode": "constant", "axis": -1},
        ),
    ]
    for name, array in (("location", SMALL), ("big", BIG)):
        assert graph.constants[name].dtype == array.dtype
        np.testing.assert_array_equal(graph.constants[name], array)


def test_what_is_written_is_what_was_read_without_large_tensors():
    written = onnx.ModelProto.FromString(read_graph(CONTENT, 1_000).content)
    expected = model()
    big = expected.graph.initializer[1]
    assert written.graph.initializer[1].data_location == TensorProto.EXTERNAL
    big.ClearField("raw_data")
    big.data_location = TensorProto.EXTERNAL
    big.external_data.add(key="location", value="x")
    assert written == expected


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 2**14, 2**31, 2**62, 2**63 - 1, -1, -(2**63)])
def test_numbers_of_any_length_are_read_and_written(size):
    changed = model()
    changed.graph.node[1].attribute[0].i = size
    graph = read_graph(changed.SerializeToString(), 1_000)
    assert graph.nodes[1].attributes["axis"] == size
    assert onnx.ModelProto.FromString(graph.content).graph.node == changed.graph.node


def test_cuts_and_noise_are_refused_or_read():
    draw = random.Random(0)
    for cut in [*range(600), len(CONTENT) - 1]:
        with pytest.raises(GraphFault):
            read_graph(CONTENT[:cut], 1_000)
    num_read = 0
    for _ in range(3_000):
        content = bytearray(CONTENT)
        for _ in range(draw.choice([1, 3])):
            content[draw.randrange(600)] = draw.randrange(256)
        try:
            onnx.ModelProto.FromString(read_graph(bytes(content), 1_000).content)
            num_read += 1
        except GraphFault:
            pass
    assert 0 < num_read < 3_000


def test_fields_are_counted():
    read_graph(CONTENT, 80)
    with pytest.raises(GraphFault, match="more fields than the settings explain"):
        read_graph(CONTENT, 30)
