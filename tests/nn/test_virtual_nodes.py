import numpy as np
import pytest
import torch

import reference
from textlattice.graph.neighbours import neighbour_table
from textlattice.nn.virtual_nodes import VirtualGatV2


def graph(lengths):
    edges = neighbour_table(
        np.concatenate([[0], np.cumsum(lengths)]),
        lattice_offsets=(1,),
        num_random_edges=1,
        random="uniform",
        seed=0,
        block=0,
        self_slot=False,
    )
    return torch.from_numpy(edges.neighbours), torch.from_numpy(edges.mask).double()


@pytest.mark.parametrize("lengths", [[2, 3], [1, 0, 4], [12]])
@pytest.mark.parametrize("num_virtual", [1, 2])
def test_equals_attention_over_a_table_of_all_rows(lengths, num_virtual):
    """The slow twin, with the nodes as rows of their own that list all tokens of their document."""
    layer = VirtualGatV2(5, 4, 2).double()
    with torch.no_grad():
        layer.bias.normal_()
    num_tokens, num_docs = sum(lengths), len(lengths)
    tokens = torch.randn(num_tokens, 5, dtype=torch.float64)
    nodes = torch.randn(num_docs, num_virtual, 5, dtype=torch.float64)
    neighbours, gate = graph(lengths)
    owner = np.repeat(np.arange(num_docs), lengths)
    width = max(neighbours.shape[1] + num_virtual, *lengths)
    table = torch.zeros(num_tokens + num_docs * num_virtual, width, dtype=torch.long)
    openness = torch.zeros(table.shape, dtype=torch.float64)
    for i in range(num_tokens):
        heard = neighbours[i].tolist() + [num_tokens + owner[i] * num_virtual + v for v in range(num_virtual)]
        table[i, : len(heard)] = torch.tensor(heard)
        openness[i, : len(heard)] = torch.tensor(gate[i].tolist() + [1.0] * num_virtual)
    for doc in range(num_docs):
        members = np.flatnonzero(owner == doc)
        for v in range(num_virtual):
            row = num_tokens + doc * num_virtual + v
            table[row, : len(members)] = torch.from_numpy(members)
            openness[row, : len(members)] = 1
    rows = torch.cat([tokens, nodes.flatten(0, 1)])
    expected, scores = reference.attend(
        layer.query(rows), layer.message(rows), layer.weight, table, openness, torch.zeros(width, 2).double()
    )
    expected = expected + layer.bias
    found, heard, found_scores = layer.exchange(tokens, nodes, torch.from_numpy(owner), neighbours, gate)
    torch.testing.assert_close(found, expected[:num_tokens])
    torch.testing.assert_close(heard.flatten(0, 1), expected[num_tokens:])
    torch.testing.assert_close(found_scores, scores[:num_tokens, : neighbours.shape[1]])
