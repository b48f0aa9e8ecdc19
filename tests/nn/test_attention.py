import warnings

import numpy as np
import pytest
import torch

import reference
from textlattice.graph.neighbours import edge_index, neighbour_table
from textlattice.nn.attention import (
    VOID_SCORE,
    GatV2,
    GraphAttention,
    _AttendByInverse,
    attend,
    attention_weights,
)


def table(lengths, *, self_slot=True, num_random_edges=3, salt=7):
    return neighbour_table(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        lattice_offsets=(2, 4),
        num_random_edges=num_random_edges,
        random="affine",
        seed=0,
        block=0,
        salt=salt,
        self_slot=self_slot,
        with_inverse=True,
    )


def inputs(lengths, *, num_kept=2, num_heads=2, channels=4, seed=0):
    """Everything `attend` reads, in double; behind the table kept slots, shut, half open and open."""
    edges = table(lengths)
    num_tokens = sum(lengths)
    draw = torch.Generator().manual_seed(seed)
    kept = torch.randint(0, max(num_tokens, 1), (num_tokens, num_kept), dtype=torch.int32, generator=draw)
    openness = (1.5 * torch.rand(num_tokens, num_kept, dtype=torch.float64, generator=draw) - 0.3).clamp(0, 1)
    gate = torch.cat([torch.from_numpy(edges.mask).double(), openness], 1)
    neighbours = torch.cat([torch.from_numpy(edges.neighbours), kept], 1)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=draw)

    query, message = normal(num_tokens, channels), normal(num_tokens, channels)
    weight, slot_bias = normal(num_heads, channels // num_heads), normal(neighbours.shape[1], num_heads)
    return query, message, weight, neighbours, gate, slot_bias, torch.from_numpy(edges.inverse)


# The scores and their mixture.


@pytest.mark.parametrize("lengths", [[1], [2, 0, 5], [30]])
def test_equals_the_slow_twin(lengths):
    *arguments, _ = inputs(lengths)
    mixed, scores = attend(*arguments)
    slow_mixed, slow_scores = reference.attend(*arguments)
    torch.testing.assert_close(mixed, slow_mixed)
    torch.testing.assert_close(scores, slow_scores)


@pytest.fixture(scope="module")
def gatv2_conv():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import itself warns
        from torch_geometric.nn import GATv2Conv
    return GATv2Conv


@pytest.mark.parametrize("kind", [GraphAttention, GatV2])
@pytest.mark.parametrize("self_slot", [True, False])
def test_equals_gatv2_of_pytorch_geometric(gatv2_conv, self_slot, kind):
    edges = table([1, 2, 3, 40, 7], self_slot=self_slot)
    assert self_slot or not edges.mask[0].any()  # a row without an open slot yields the bias alone
    ours = kind(6, 8, 2, **({"degree": edges.mask.shape[1]} if kind is GraphAttention else {}))
    theirs = gatv2_conv(6, 4, heads=2, add_self_loops=False)
    with torch.no_grad():
        theirs.lin_l.load_state_dict(ours.message.state_dict())
        theirs.lin_r.load_state_dict(ours.query.state_dict())
        theirs.att.copy_(ours.weight[None])
        ours.bias.normal_()
        theirs.bias.copy_(ours.bias)
        tokens = torch.randn(53, 6)
        mixed, scores = ours(tokens, torch.from_numpy(edges.neighbours), torch.from_numpy(edges.mask).float())
        expected, (_, their_weights) = theirs(
            tokens, torch.from_numpy(edge_index(edges)), return_attention_weights=True
        )
    torch.testing.assert_close(mixed, expected, rtol=0, atol=1e-5)
    weights = attention_weights(scores, torch.from_numpy(edges.mask).float())
    torch.testing.assert_close(weights[torch.from_numpy(edges.mask)], their_weights, rtol=0, atol=1e-5)


def test_a_token_without_open_slots_mixes_nothing():
    query, message, weight, neighbours, gate, slot_bias, inverse = inputs([6])
    gate[2] = 0
    for mixed, scores in (
        attend(query, message, weight, neighbours, gate, slot_bias),
        _AttendByInverse.apply(query, message, weight, neighbours, gate, slot_bias, inverse),
    ):
        assert (mixed[2] == 0).all()
        assert (scores[2] == VOID_SCORE).all()
        assert (attention_weights(scores, gate)[2] == 0).all()


def test_no_tokens():
    *arguments, _ = inputs([0])
    mixed, scores = attend(*arguments)
    assert mixed.shape == (0, 4)
    assert scores.shape == (0, 10, 2)


def test_weights_sum_to_one_and_do_not_overflow():
    scores = torch.tensor([[[900.0], [899.0], [VOID_SCORE]], [[-900.0], [VOID_SCORE], [VOID_SCORE]]])
    gate = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    weights = attention_weights(scores, gate)[:, :, 0]
    torch.testing.assert_close(weights, torch.tensor([[0.7310586, 0.2689414, 0], [1, 0, 0]]))


def test_a_half_open_slot_weighs_half():
    weights = attention_weights(torch.zeros(1, 3, 1), torch.tensor([[1.0, 0.5, 0.0]]))
    torch.testing.assert_close(weights[0, :, 0], torch.tensor([2 / 3, 1 / 3, 0]))


def test_a_gate_that_closes_does_so_without_a_jump():
    query, message, weight, neighbours, gate, slot_bias, _ = inputs([12])
    results = []
    for openness in (1e-7, 0.0):
        gate[:, -1] = openness
        results.append(attend(query, message, weight, neighbours, gate, slot_bias)[0])
    torch.testing.assert_close(*results, rtol=0, atol=1e-5)


# The backward pass in closed form.


def gradients(function, arguments, grad_mixed, grad_scores, inverse=None):
    query, message, weight, neighbours, gate, slot_bias = arguments
    leaves = [value.clone().requires_grad_() for value in (query, message, weight, gate, slot_bias)]
    extra = () if inverse is None else (inverse,)
    results = function(*leaves[:3], neighbours, *leaves[3:], *extra)
    torch.autograd.backward(results, (grad_mixed, grad_scores))
    return [*results, *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("num_unmapped", [0, 3, 8])
@pytest.mark.parametrize("num_kept", [0, 2])
@pytest.mark.parametrize("lengths", [[1], [2, 3, 0, 9], [1, 600, 3, 500]])  # blocks hold 512 tokens
def test_closed_form_equals_autograd(lengths, num_kept, num_unmapped):
    *arguments, inverse = inputs(lengths, num_kept=num_kept)
    inverse = inverse[:, : inverse.shape[1] - num_unmapped]  # as if the last slots were independent draws
    grad_mixed = torch.randn_like(arguments[0])
    grad_scores = torch.randn(*arguments[3].shape, 2, dtype=torch.float64)
    expected = gradients(attend, arguments, grad_mixed, grad_scores)
    found = gradients(_AttendByInverse.apply, arguments, grad_mixed, grad_scores, inverse)
    names = ("mixed", "scores", "query", "message", "weight", "gate", "slot_bias")
    for name, value, wanted in zip(names, found, expected, strict=True):
        torch.testing.assert_close(value, wanted, msg=lambda text, name=name: f"{name}: {text}")


def test_closed_form_equals_finite_differences():
    query, message, weight, neighbours, gate, slot_bias, inverse = inputs([2, 7, 1])
    openness = (0.1 + 0.8 * torch.rand_like(gate[:, -2:])).requires_grad_()  # away from the kinks of the gate
    edges = gate[:, :-2]

    def call(query, message, weight, slot_bias, openness):
        gate = torch.cat([edges, openness], 1)
        mixed, scores = _AttendByInverse.apply(query, message, weight, neighbours, gate, slot_bias, inverse)
        return mixed, scores[gate > 0]

    leaves = [value.requires_grad_() for value in (query, message, weight, slot_bias)]
    assert torch.autograd.gradcheck(call, (*leaves, openness))


def test_layer_takes_either_path():
    edges = table([3, 20])
    layer = GraphAttention(4, 6, 3, degree=edges.mask.shape[1])
    torch.nn.init.normal_(layer.slot_bias)
    tokens = torch.randn(23, 4)
    neighbours, gate = torch.from_numpy(edges.neighbours), torch.from_numpy(edges.mask).float()
    by_slot = layer(tokens, neighbours, gate)
    by_inverse = layer(tokens, neighbours, gate, torch.from_numpy(edges.inverse))
    torch.testing.assert_close(by_slot, by_inverse)


def test_kept_slots_share_a_bias():
    layer = GraphAttention(4, 6, 3, degree=2, num_kept=2)
    with torch.no_grad():
        layer.slot_bias[2] = torch.tensor([1.0, 2.0, 3.0])
    neighbours = torch.tensor([[0, 1, 0, 1], [1, 0, 0, 1]])
    tokens, gate = torch.randn(2, 4), torch.ones(2, 4)
    scores = layer(tokens, neighbours, gate)[1]
    torch.testing.assert_close(scores[0, 2:] - scores[0, :2], layer.slot_bias[2].expand(2, -1))
    swapped = layer(tokens, neighbours[:, [0, 1, 3, 2]], gate)[
        0
    ]  # which of two kept edges stands first is no matter
    torch.testing.assert_close(swapped, layer(tokens, neighbours, gate)[0], rtol=0, atol=1e-6)
