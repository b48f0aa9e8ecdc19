import math

import torch

from textlattice.nn.positions import PositionalEncoding
from textlattice.nn.unchanged import Unchanged


def test_literal():
    layer = PositionalEncoding(4)
    found = layer(torch.ones(3, 4), torch.tensor([0, 0, 2]), torch.tensor([0, 2, 2, 3]))
    first = [1.0, 2.0, 1.0, 2.0]  # sin 0, cos 0
    second = [1 + math.sin(1), 1 + math.cos(1), 1 + math.sin(0.01), 1 + math.cos(0.01)]
    torch.testing.assert_close(found, torch.tensor([first, second, first]))  # a document begins anew
    assert not list(layer.parameters())
    assert not layer.state_dict()


def test_none_and_no_channel():
    rows = torch.randn(2, 3)
    assert Unchanged()(rows, torch.zeros(2, dtype=torch.long), torch.tensor([0, 2])) is rows
    assert PositionalEncoding(0)(
        torch.empty(2, 0), torch.zeros(2, dtype=torch.long), torch.tensor([0, 2])
    ).shape == (2, 0)
