import math

import numpy as np
import pytest
import torch

from textlattice.graph.neighbours import neighbour_table
from textlattice.nn.attention import VOID_SCORE
from textlattice.nn.pair_attention import PairAttention


def graph(lengths):
    edges = neighbour_table(
        np.concatenate([[0], np.cumsum(lengths)]),
        lattice_offsets=(2,),
        num_random_edges=2,
        random="uniform",
        seed=0,
        block=0,
        self_slot=False,
    )
    return torch.from_numpy(edges.neighbours), torch.from_numpy(edges.mask).double()


def slow(layer, tokens, neighbours, gate):
    """Edge by edge, head by head."""
    num_heads, width, out = layer.query.shape
    result = torch.zeros(len(tokens), num_heads, out, dtype=tokens.dtype)
    for i in range(len(tokens)):
        for head in range(num_heads):
            part = slice(head * width, (head + 1) * width)
            x = tokens[:, part]
            result[i, head] = x[i] @ layer.update[head]
            heard = [
                j for j, openness in zip(neighbours[i].tolist(), gate[i].tolist(), strict=True) if openness
            ]
            pairs = [x[i] + x[j] for j in heard]
            scores = [(p @ layer.query[head]) @ (p @ layer.key[head]) / math.sqrt(out) for p in pairs]
            for pair, share in zip(
                pairs, torch.softmax(torch.stack(scores), 0) if scores else [], strict=True
            ):
                result[i, head] += share * (pair @ layer.value[head])
    return result.flatten(1)


@pytest.mark.parametrize("lengths", [[1], [2, 0, 5], [30]])
def test_equals_the_slow_twin(lengths):
    layer = PairAttention(6, 8, 2).double()
    neighbours, gate = graph(lengths)
    tokens = torch.randn(sum(lengths), 6, dtype=torch.float64)
    found, scores = layer(tokens, neighbours, gate)
    torch.testing.assert_close(found, slow(layer, tokens, neighbours, gate))
    assert (scores[gate == 0] == VOID_SCORE).all()


def test_a_head_sees_its_channels_alone():
    layer = PairAttention(6, 8, 2)
    neighbours, gate = graph([9])
    tokens = torch.randn(9, 6, requires_grad=True)
    found, _ = layer(tokens, neighbours, gate.float())
    found[:, :4].sum().backward()
    assert (tokens.grad[:, 3:] == 0).all()
    assert (tokens.grad[:, :3] != 0).any()
