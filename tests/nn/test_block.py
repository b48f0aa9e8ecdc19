import pytest
import torch

import reference
from textlattice.nn.block import ConvBlock, GraphBlock

OWNERS = torch.tensor([0, 0, 0, 1, 1])
TABLE = torch.tensor([[0, 1], [1, 2], [2, 0], [3, 4], [4, 4]], dtype=torch.int32)
GATE = torch.tensor([[1.0, 1.0], [1.0, 0.5], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


def test_graph_block_equals_the_slow_twin():
    block = GraphBlock(4, 2, 0.5, degree=1, num_kept=1).eval()
    torch.nn.init.normal_(block.attention.slot_bias)
    tokens = torch.randn(5, 4)
    with torch.no_grad():
        found, scores = block(tokens, OWNERS, TABLE, GATE)
        for part, first in ((slice(0, 3), 0), (slice(3, 5), 3)):
            expected, slow_scores = reference.graph_block(
                block, tokens[part], TABLE[part] - first, GATE[part]
            )
            torch.testing.assert_close(found[part], expected)
            torch.testing.assert_close(scores[part], slow_scores)


def test_conv_block_hears_its_own_segment():
    block = ConvBlock(4, 0.5).eval()
    tokens = torch.randn(5, 4)
    with torch.no_grad():
        together = block(tokens, OWNERS)
        torch.testing.assert_close(block(tokens[:3], OWNERS[:3]), together[:3])
        torch.testing.assert_close(block(tokens[3:], OWNERS[3:]), together[3:])


@pytest.mark.parametrize("num_tokens", [0, 1])
def test_none_and_one(num_tokens):
    tokens = torch.randn(num_tokens, 4)
    found, scores = GraphBlock(4, 2, 0.5, degree=2)(
        tokens, OWNERS[:num_tokens], TABLE[:num_tokens] * 0, GATE[:num_tokens]
    )
    assert found.shape == (num_tokens, 4)
    assert scores.shape == (num_tokens, 2, 2)
    assert ConvBlock(4, 0.5)(tokens, OWNERS[:num_tokens]).shape == (num_tokens, 4)
