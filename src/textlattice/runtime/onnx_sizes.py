"""How large the values of a graph can grow: the operators that `export` writes, and what each makes of sizes.

A size is a number or free: set by the batch, so the length of one of its arrays at most, and a few rows more. No
value may have two free sizes, whose product is the square of a text, nor more numbers a row than the settings
explain. So a forged graph takes a few times what an honest one takes, whatever the text, and it ends.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from textlattice.config import MAX_DEGREE
from textlattice.runtime.onnx_graph import BOOL, FLOAT, INT64, Dims, GraphFault, Node, OnnxGraph

FREE = None
_FEW = 8  # rows that a step may add to a free size; a convolution needs two on either side
_MOST_NUMBERS = 16  # of a constant that may be a shape


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a graph may take.

    Args:
        nodes: Its steps.
        per_row: Numbers of one value for each row of the batch.
        per_row_together: The same for all values together.
        cut_weights: Numbers in all parts of weights that are cut out before any text comes.
    """

    nodes: int
    per_row: int
    per_row_together: int
    cut_weights: int


class _Value(NamedTuple):
    dims: Dims  # none is larger, though it may be smaller
    numbers: Dims | None = None  # what a small tensor of whole numbers holds at most, where that is known
    is_weight: bool = False  # stands in the file, or is cut out of what does


def check_sizes(graph: OnnxGraph, bounds: Bounds) -> dict[str, Dims]:
    """The sizes of the outputs of a graph, by name.

    Raises:
        GraphFault: A node is none that `export` writes, or the values can grow beyond the bounds.
    """
    if len(graph.nodes) > bounds.nodes:
        raise GraphFault(f"{len(graph.nodes)} nodes, where config.json explains {bounds.nodes}")
    values = {name: _Value(value.dims) for name, value in graph.inputs.items()}
    values |= {name: _constant(array) for name, array in graph.constants.items()}
    if len(values) < len(graph.inputs) + len(graph.constants):
        raise GraphFault("an input that stands in the file as well")
    together = cut = 0
    for node in graph.nodes:
        made = _apply(node, values)
        width = math.prod(size for size in made.dims if size is not FREE)
        if made.is_weight:
            cut += width
        else:
            together += width
            if width > bounds.per_row or made.dims.count(FREE) > 1:
                raise GraphFault(
                    f"{node.operator} makes {_shown(made)} numbers, where config.json explains n x {bounds.per_row}"
                )
        for name in node.outputs:
            if not name or name in values:
                raise GraphFault(f"a name that is missing or stands twice: {name!r}")
            values[name] = made
    if together > bounds.per_row_together or cut > bounds.cut_weights:
        raise GraphFault(
            f"n x {together} numbers and {cut} cut out of weights, where config.json explains "
            f"n x {bounds.per_row_together} and {bounds.cut_weights}"
        )
    if missing := sorted(graph.outputs.keys() - values.keys()):
        raise GraphFault(f"output {missing[0]!r}, which no node makes")
    return {name: values[name].dims for name in graph.outputs}


def _constant(array: np.ndarray) -> _Value:
    may_be_shape = array.dtype.kind == "i" and array.size <= _MOST_NUMBERS
    return _Value(array.shape, tuple(array.ravel().tolist()) if may_be_shape else None, is_weight=True)


def _apply(node: Node, values: Mapping[str, _Value]) -> _Value:
    """What a node makes; each of its outputs is alike."""
    operator = OPERATORS.get(node.operator)
    if operator is None:
        raise GraphFault(f"the operator {node.operator!r}, which export never writes")
    for name, value in node.attributes.items():
        if name not in operator.attributes or value not in (operator.attributes[name] or (value,)):
            raise GraphFault(f"{node.operator} with {name}={value!r}, which export never writes")
    if missing := [name for name in node.inputs if name not in values]:
        raise GraphFault(f"{node.operator} takes {missing[0]!r}, which nothing before it makes")
    taken = [values[name] for name in node.inputs]
    try:
        _require(len(taken) in operator.takes and len(node.outputs) == operator.makes)
        return operator.rule(taken, node.attributes)
    except (_Unlike, IndexError, KeyError, ValueError):
        shown = ", ".join(map(_shown, taken))
        raise GraphFault(f"{node.operator} of {shown}, which export never writes") from None


def _shown(value: _Value) -> str:
    return " x ".join("n" if size is FREE else str(size) for size in value.dims[:8]) or "1"


class _Unlike(Exception):
    """An operator is used as `export` never uses it."""


def _require(condition: bool) -> None:
    if not condition:
        raise _Unlike


# Rules: what an operator makes of what it takes. Where a size is wrong for it, ONNX Runtime refuses or fails as well;
# a rule only has to give no less than what comes out.


def _first(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    return _Value(taken[0].dims)


def _second(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    return _Value(taken[1].dims)


def _norm(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    _require(taken[1].dims == taken[2].dims == taken[0].dims[-1:])
    return _Value(taken[0].dims)


def _broadcast(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    dims = []
    for sizes in zip_longest(*(reversed(value.dims) for value in taken), fillvalue=1):
        others = set(sizes) - {1}
        _require(len(others) <= 1)
        dims.append(others.pop() if others else 1)
    return _Value(tuple(reversed(dims)))


def _sum(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    dims = _broadcast(taken, attributes).dims
    some, few = sorted((value.numbers or (0, 0) for value in taken), key=lambda numbers: numbers != (FREE,))
    is_known = some == (FREE,) and len(few) == 1 and few[0] is not FREE and 0 <= few[0] <= _FEW
    return _Value(dims, (FREE,) if is_known else None)


def _difference(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    is_known = taken[0].numbers == (FREE,) and taken[1].numbers == (1,)
    return _Value(_broadcast(taken, attributes).dims, (FREE,) if is_known else None)


def _shape(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    numbers = taken[0].dims[: attributes.get("end")]
    return _Value((len(numbers),), numbers)


def _filled(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    numbers = _numbers(taken[-1])
    _require(all(number is FREE or number >= 0 for number in numbers))
    return _broadcast([*taken[:-1], _Value(numbers)], attributes)


def _reshaped(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    new = list(_fixed(taken[1]))
    old = [size for size in taken[0].dims if size is not FREE]
    _require(new.count(-1) <= 1 and all(size > 0 or size == -1 for size in new))
    rest, total = math.prod(size for size in new if size != -1), math.prod(old)
    is_free = len(old) < len(taken[0].dims)
    _require(rest == total if is_free or -1 not in new else total % rest == 0)
    _require(-1 in new or not is_free)
    dims: Dims = tuple((FREE if is_free else total // rest) if size == -1 else size for size in new)
    return _Value(dims, taken[0].numbers)


def _joined(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    axis, first = attributes["axis"], taken[0].dims
    sizes = [value.dims[axis] for value in taken]
    _require(len({(*value.dims[:axis], 0, *value.dims[axis + 1 :]) for value in taken}) == 1)
    total = sum(_sized(size) for size in sizes)
    is_known = len(first) == 1 and total <= _MOST_NUMBERS and all(value.numbers for value in taken)
    numbers = [number for value in taken for number in value.numbers or ()]
    return _Value((*first[:axis], total, *first[axis + 1 :]), tuple(numbers) if is_known else None)


def _gathered(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    axis, (rows, index) = attributes.get("axis", 0), (value.dims for value in taken)
    _require(axis < len(rows))
    return _Value((*rows[:axis], *index, *rows[axis + 1 :]))


def _multiplied(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    (rows, channels), (out_channels, weights) = taken[0].dims, taken[1].dims
    _require(channels == weights is not FREE and attributes["transB"] == 1)
    _require(len(taken) == 2 or taken[2].dims == (out_channels,))
    return _Value((rows, out_channels))


def _padded(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    pads, dims = _fixed(taken[1]), taken[0].dims
    _require(len(pads) == 2 * len(dims) and all(0 <= pad <= _FEW for pad in pads))
    added = zip(dims, pads[: len(dims)], pads[len(dims) :], strict=True)
    return _Value(tuple(FREE if size is FREE else size + before + after for size, before, after in added))


def _reduced(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    (axis,), dims = _fixed(taken[1]), taken[0].dims
    _require(0 <= axis < len(dims))
    return _Value((*dims[:axis], *(1,) * attributes["keepdims"], *dims[axis + 1 :]))


def _sliced(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    (axis,), (step,) = _fixed(taken[3]), _fixed(taken[4]) if len(taken) == 5 else (1,)
    dims = taken[0].dims
    _require(0 <= axis < len(dims) and step == 1 and taken[1].dims == taken[2].dims == (1,))
    size, are_fixed = dims[axis], all(value.is_weight for value in taken)
    if size is not FREE and taken[1].is_weight and taken[2].is_weight:
        size = len(range(size)[slice(_fixed(taken[1])[0], _fixed(taken[2])[0])])
    return _Value((*dims[:axis], size, *dims[axis + 1 :]), is_weight=are_fixed)


def _squeezed(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    dims = taken[0].dims
    axis = _fixed(taken[1])[0] if len(taken) == 2 else 0
    _require(0 <= axis < len(dims) and dims[axis] == 1 and (len(taken) == 2 or len(dims) == 1))
    return _Value((*dims[:axis], *dims[axis + 1 :]), taken[0].numbers, taken[0].is_weight)


def _unsqueezed(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    (axis,), dims = _fixed(taken[1]), taken[0].dims
    _require(0 <= axis <= len(dims))
    return _Value((*dims[:axis], 1, *dims[axis:]))


def _best(taken: list[_Value], attributes: Mapping[str, Any]) -> _Value:
    (rows, size), (number,) = taken[0].dims, _fixed(taken[1])
    _require(0 < number <= _sized(size))
    return _Value((rows, number))


def _numbers(value: _Value) -> Dims:
    """What a small tensor holds, free numbers too."""
    _require(value.numbers is not None and len(value.dims) == 1)
    return value.numbers or ()


def _fixed(value: _Value) -> tuple[int, ...]:
    """What a small tensor of the file holds."""
    _require(value.is_weight)
    return tuple(map(_sized, _numbers(value)))


def _sized(size: int | None) -> int:
    """A size that is not free."""
    if size is FREE:
        raise _Unlike
    return size


@dataclass(frozen=True, kw_only=True)
class _Operator:
    """An operator as `export` writes it.

    Args:
        rule: Gives the sizes of what it makes.
        takes: Numbers of inputs that it may have.
        makes: Outputs.
        attributes: Values of each attribute; any where there are none.
    """

    rule: Callable[[list[_Value], Mapping[str, Any]], _Value]
    takes: Sequence[int]
    makes: int = 1
    attributes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


OPERATORS = {
    **{name: _Operator(rule=_first, takes=(1,)) for name in ("Exp", "Not", "Relu")},
    **{name: _Operator(rule=_first, takes=(1,), attributes={"alpha": ()}) for name in ("Elu", "LeakyRelu")},
    **{
        name: _Operator(rule=_broadcast, takes=(2,))
        for name in ("And", "Div", "Equal", "LessOrEqual", "Max", "Mul")
    },
    **{
        name: _Operator(
            rule=_reduced, takes=(2,), attributes={"keepdims": keeps, "noop_with_empty_axes": (0,)}
        )
        for name, keeps in (("ReduceMax", (0, 1)), ("ReduceMean", (0,)), ("ReduceSum", (0, 1)))
    },
    "Add": _Operator(rule=_sum, takes=(2,)),
    "Cast": _Operator(rule=_first, takes=(1,), attributes={"to": (FLOAT, INT64, BOOL)}),
    "Clip": _Operator(rule=_first, takes=(2, 3)),
    "Concat": _Operator(
        rule=_joined,
        takes=range(2, 2 * MAX_DEGREE + 1),  # the slots of a token, kept ones too
        attributes={"axis": (0, 1)},
    ),
    "ConstantOfShape": _Operator(rule=_filled, takes=(1,)),
    "Expand": _Operator(rule=_filled, takes=(2,)),
    "Gather": _Operator(rule=_gathered, takes=(2,), attributes={"axis": (0, 1)}),
    "GatherElements": _Operator(rule=_second, takes=(2,), attributes={"axis": (1,)}),
    "Gemm": _Operator(
        rule=_multiplied,
        takes=(2, 3),
        attributes={"alpha": (1.0,), "beta": (1.0,), "transA": (0,), "transB": (1,)},
    ),
    "LayerNormalization": _Operator(
        rule=_norm, takes=(3,), attributes={"axis": (-1,), "epsilon": (), "stash_type": (1,)}
    ),
    "Pad": _Operator(rule=_padded, takes=(2, 3), attributes={"mode": ("constant",)}),
    "Reshape": _Operator(rule=_reshaped, takes=(2,), attributes={"allowzero": (0, 1)}),
    "ScatterND": _Operator(rule=_first, takes=(3,), attributes={"reduction": ("add", "max")}),
    "Shape": _Operator(rule=_shape, takes=(1,), attributes={"start": (0,), "end": (1,)}),
    "Slice": _Operator(rule=_sliced, takes=(4, 5)),
    "Squeeze": _Operator(rule=_squeezed, takes=(1, 2)),
    "Sub": _Operator(rule=_difference, takes=(2,)),
    "TopK": _Operator(
        rule=_best, takes=(2,), makes=2, attributes={"axis": (1,), "largest": (1,), "sorted": (1,)}
    ),
    "Unsqueeze": _Operator(rule=_unsqueezed, takes=(2,)),
    "Where": _Operator(rule=_broadcast, takes=(3,)),
}
"""The operators that `export` writes, each with at least one of its ways of writing it; all others are refused."""
