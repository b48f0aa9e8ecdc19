"""What each operator makes of sizes; `n` is a size that the batch sets."""

import numpy as np
import pytest

from textlattice.runtime.onnx_graph import GraphFault, Node, OnnxGraph, Value
from textlattice.runtime.onnx_sizes import OPERATORS, Bounds, check_sizes

n = None
WIDE = Bounds(nodes=100, per_row=1_000, per_row_together=10_000, cut_weights=100)
INPUTS = {"a": (n, 6), "b": (n, 1), "c": (n,), "d": (n, 2, 3), "few": (3,), "tall": (40, 1), "flat": (1, 40)}
CONSTANTS = {
    "w": np.zeros((4, 6), np.float32),
    "bias": np.zeros(4, np.float32),
    "six": np.zeros(6, np.float32),
    "cube": np.zeros((2, 3, 4), np.float32),
    "table": np.zeros((500, 6), np.float32),
    "zero": np.float32(0),
    "width": np.array([5]),
    "million": np.array([10**6]),
    "pads": np.array([2, 0, 2, 0]),
    "far": np.array([0, 9, 0, 0]),
    "rows": np.array([-1, 2, 3]),
    "thin": np.array([-1, 1]),
    "all": np.array([-1]),
    **{f"i{number}": np.array([number]) for number in range(5)},
    "last": np.array([-1]),
    "end": np.array([2**63 - 1]),
    "s1": np.int64(1),
}


def sizes(*nodes, bounds=WIDE):
    """Sizes of what the last of some nodes makes, each given as (operator, inputs, attributes)."""
    made = [
        Node(
            operator=operator,
            inputs=tuple(inputs.split()),
            outputs=tuple(f"r{place}{part or ''}" for part in range(2 if operator == "TopK" else 1)),
            attributes=attributes,
        )
        for place, (operator, inputs, attributes) in enumerate(nodes)
    ]
    last = made[-1].outputs[0]
    graph = OnnxGraph(
        inputs={name: Value(1, dims) for name, dims in INPUTS.items()},
        outputs={last: Value(1, (1,))},
        constants={name: np.asarray(array) for name, array in CONSTANTS.items()},
        nodes=made,
        content=b"",
    )
    return check_sizes(graph, bounds)[last]


COUNT = ("Shape", "c", {"start": 0, "end": 1})
GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}
BEST = {"axis": 1, "largest": 1, "sorted": 1}

TABLE = [
    (("Relu", "a", {}), (n, 6)),
    (("Elu", "a", {"alpha": 0.5}), (n, 6)),
    (("Cast", "a", {"to": 7}), (n, 6)),
    (("Clip", "a zero", {}), (n, 6)),
    (("Add", "a b", {}), (n, 6)),
    (("Mul", "zero d", {}), (n, 2, 3)),
    (("Where", "b zero a", {}), (n, 6)),
    (("Max", "tall flat", {}), "40 x 40"),
    (("Max", "a table", {}), None),
    (("Equal", "a w", {}), None),
    (("Concat", "a b a", {"axis": 1}), (n, 13)),
    (("Concat", "a a", {"axis": 0}), None),
    (("Concat", "a d", {"axis": 1}), None),
    (("Gather", "table c", {"axis": 0}), (n, 6)),
    (("Gather", "a s1", {"axis": 1}), (n,)),
    (("Gather", "a c", {"axis": 1}), "n x n"),
    (("GatherElements", "a b", {"axis": 1}), (n, 1)),
    (("Gemm", "a w bias", GEMM), (n, 4)),
    (("Gemm", "a a", GEMM), "n x n"),
    (("Gemm", "b w", GEMM), None),
    (("Gemm", "a w", {}), None),
    (("LayerNormalization", "a six six", {"axis": -1, "epsilon": 1e-5, "stash_type": 1}), (n, 6)),
    (("LayerNormalization", "a bias six", {"axis": -1}), None),
    (("Pad", "a pads zero", {"mode": "constant"}), (n, 6)),
    (("Pad", "tall pads", {"mode": "constant"}), (44, 1)),
    (("Pad", "a far", {"mode": "constant"}), None),
    (("ReduceMax", "d i2", {"keepdims": 0}), (n, 2)),
    (("ReduceSum", "d i1", {"keepdims": 1}), (n, 1, 3)),
    (("ReduceSum", "d i3", {"keepdims": 1}), None),
    (("Reshape", "a rows", {"allowzero": 1}), (n, 2, 3)),
    (("Reshape", "c all", {}), (n,)),
    (("Reshape", "w rows", {}), (4, 2, 3)),
    (("Reshape", "a thin", {}), None),
    (("Reshape", "a width", {}), None),
    (("ScatterND", "a b a", {"reduction": "add"}), (n, 6)),
    (("ScatterND", "a b a", {"reduction": "mul"}), None),
    (("Shape", "a", {"start": 0}), (2,)),
    (("Slice", "a i0 last i1 i1", {}), (n, 5)),
    (("Slice", "a i1 end i0", {}), (n, 6)),
    (("Slice", "a i0 i1 i1 i2", {}), None),
    (("Slice", "a i0 i1 i2 i1", {}), None),
    (("Slice", "cube i0 i1 i0", {}), (1, 3, 4)),
    (("Slice", "table i0 i1 i1", {}), "500 cut out of weights"),
    (("Squeeze", "b i1", {}), (n,)),
    (("Squeeze", "a", {}), None),
    (("TopK", "a i3", BEST), (n, 3)),
    (("TopK", "a million", BEST), None),
    (("TopK", "a i0", BEST), None),
    (("Unsqueeze", "a i1", {}), (n, 1, 6)),
    (("Unsqueeze", "a i3", {}), None),
    (("Relu", "table", {}), "500 x 6"),
    (("ConstantOfShape", "c", {}), None),
    (("ConstantOfShape", "million", {}), "1000000"),
    (("ConstantOfShape", "last", {}), None),
    (("Expand", "zero million", {}), "1000000"),
    (("Expand", "b last", {}), None),
    (("Loop", "c", {}), None),
    (("Relu", "nobody", {}), None),
    (("Relu", "a b", {}), None),
]


@pytest.mark.parametrize(("node", "expected"), TABLE, ids=lambda part: str(part)[:60])
def test_sizes_of_one_node(node, expected):
    if isinstance(expected, tuple):
        assert sizes(node) == expected
    else:
        with pytest.raises(GraphFault, match=expected or "which"):
            sizes(node)


def test_every_operator_is_in_the_table_or_alike():
    tried = {node[0] for node, _ in TABLE} | {"Sub"}  # below
    alike = {"Exp", "Not", "LeakyRelu", "And", "Div", "LessOrEqual", "ReduceMean"}
    assert tried - {"Loop"} | alike == set(OPERATORS)


def test_sizes_that_a_graph_makes_of_lengths():
    fewer = ("Sub", "r0 i1", {})
    joined = ("Concat", "r1 width", {"axis": 0})
    assert sizes(COUNT, fewer, joined, ("ConstantOfShape", "r2", {})) == (n, 5)
    assert sizes(COUNT, fewer, joined, ("Expand", "zero r2", {})) == (n, 5)
    more = (("Squeeze", "r0", {}), ("Add", "s1 r1", {}), ("Reshape", "r2 all", {}))
    assert sizes(COUNT, *more, ("ConstantOfShape", "r3", {})) == (n,)
    wide = ("Concat", "r0 million", {"axis": 0})
    for nodes, reason in (
        ((COUNT, wide, ("ConstantOfShape", "r1", {})), "makes n x 1000000 numbers"),
        ((COUNT, ("Concat", "r0 r0", {"axis": 0}), ("ConstantOfShape", "r1", {})), "makes n x n numbers"),
        ((COUNT, ("Mul", "r0 r0", {}), ("ConstantOfShape", "r1", {})), "ConstantOfShape of 1"),
        ((COUNT, ("Add", "r0 r0", {}), ("ConstantOfShape", "r1", {})), "ConstantOfShape of 1"),
        ((COUNT, ("Add", "r0 million", {}), ("ConstantOfShape", "r1", {})), "ConstantOfShape of 1"),
        ((COUNT, ("Sub", "i1 r0", {}), ("ConstantOfShape", "r1", {})), "ConstantOfShape of 1"),
    ):
        with pytest.raises(GraphFault, match=reason):
            sizes(*nodes)


def test_all_values_together_are_bounded():
    nodes = [("Relu", "a", {})] * 20
    sizes(*nodes, bounds=Bounds(nodes=20, per_row=6, per_row_together=120, cut_weights=0))
    for bounds, reason in (
        (Bounds(nodes=19, per_row=6, per_row_together=120, cut_weights=0), "20 nodes"),
        (Bounds(nodes=20, per_row=5, per_row_together=120, cut_weights=0), "n x 6 numbers"),
        (Bounds(nodes=20, per_row=6, per_row_together=119, cut_weights=0), "n x 120 numbers"),
    ):
        with pytest.raises(GraphFault, match=reason):
            sizes(*nodes, bounds=bounds)
