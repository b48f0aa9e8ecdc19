import pytest
import torch

import reference
from textlattice.nn.attention import attend
from textlattice.nn.gate import keep_edges, rewire


def test_literal():
    neighbours = torch.tensor([[10, 11, 12, 13]], dtype=torch.int32)
    scores = torch.tensor([[[0.5, 0.7], [2.0, 2.0], [-1e4, -1e4], [0.65, 0.75]]])  # means .6, 2, void, .7
    kept, openness = keep_edges(neighbours, scores, 2, 0.25)
    assert kept.tolist() == [[11, 13]]
    torch.testing.assert_close(openness, torch.tensor([[1.0, 0.4]]))


def test_equals_the_slow_twin():
    neighbours = torch.randint(0, 50, (50, 7), dtype=torch.int32)
    scores = torch.randn(50, 7, 2, dtype=torch.float64)
    kept, openness = keep_edges(neighbours, scores, 3, 0.25)
    slow_kept, slow_openness = reference.keep_edges(neighbours, scores, 3, 0.25)
    assert kept.tolist() == slow_kept
    torch.testing.assert_close(openness, torch.tensor(slow_openness, dtype=torch.float64))


def test_a_tie_opens_neither():
    neighbours = torch.tensor([[3, 4, 5]], dtype=torch.int32)
    _, openness = keep_edges(neighbours, torch.tensor([[[1.0], [1.0], [0.0]]]), 1, 0.25)
    assert openness.tolist() == [[0]]


@pytest.mark.parametrize("distance", [1e-7, 1e-6])
def test_the_gate_moves_by_as_little_as_the_scores(distance):
    neighbours = torch.tensor([[3, 4]], dtype=torch.int32)
    ahead = keep_edges(neighbours, torch.tensor([[[distance], [0.0]]], dtype=torch.float64), 1, 0.25)[1]
    behind = keep_edges(neighbours, torch.tensor([[[0.0], [distance]]], dtype=torch.float64), 1, 0.25)[1]
    assert ahead.item() == behind.item() == pytest.approx(distance / 0.25)


def test_none_kept():
    kept, openness = keep_edges(torch.tensor([[1, 2]], dtype=torch.int32), torch.zeros(1, 2, 1), 0, 0.25)
    assert kept.shape == openness.shape == (1, 0)


def test_gradient_reaches_the_kept_and_the_first_not_kept():
    scores = torch.tensor([[[0.2], [0.1], [-3.0]]], requires_grad=True)
    _, openness = keep_edges(torch.tensor([[1, 2, 0]], dtype=torch.int32), scores, 1, 0.25)
    openness.sum().backward()
    assert scores.grad.flatten().tolist() == [4, -4, 0]


def test_rewire_voids_what_the_new_graph_holds():
    neighbours = torch.tensor([[0, 5, 6]], dtype=torch.int32)
    mask = torch.tensor([[True, True, False]])
    table, gate = rewire(
        neighbours, mask, torch.tensor([[5, 6, 7]], dtype=torch.int32), torch.tensor([[1.0, 0.5, 0.25]])
    )
    assert table.tolist() == [[0, 5, 6, 5, 6, 7]]
    assert gate.tolist() == [[1, 1, 0, 0, 0.5, 0.25]]  # 6 stands in a void slot only


def test_swapping_slots_that_tie_changes_no_feature():
    """Tokens of one word score alike, so which of them is kept must not matter."""
    torch.manual_seed(0)
    num_tokens, channels = 12, 4
    words = torch.randn(3, channels)
    message = words[torch.arange(num_tokens) % 3].clone()  # each word four times
    query = torch.randn(num_tokens, channels)
    weight = torch.randn(2, 2)
    neighbours = torch.stack([torch.roll(torch.arange(num_tokens), shift) for shift in range(8)], 1).int()
    mask = torch.ones(num_tokens, 8)
    new_table = torch.arange(num_tokens, dtype=torch.int32)[:, None]
    value = torch.randn(num_tokens, channels)  # what block 2 hears differs between tokens of one word
    table_bias, new_bias = torch.zeros(8, 2), torch.tensor([[0.3, -0.2], [0.5, 0.1], [0.5, 0.1]])
    results = []
    for slots in (list(range(8)), [3, 1, 2, 0, 7, 5, 6, 4], [6, 7, 5, 0, 4, 3, 2, 1]):
        table = neighbours[:, slots]
        _, scores = attend(query, message, weight, table, mask, table_bias)
        kept, openness = keep_edges(table, scores, 2, 0.25)
        table, gate = rewire(new_table, new_table >= 0, kept, openness)
        results.append(attend(query, value, weight, table, gate, new_bias)[0])
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(results[2], results[0], rtol=0, atol=1e-6)
