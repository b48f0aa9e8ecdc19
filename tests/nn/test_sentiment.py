import pytest
import torch
import torch.nn.functional as F

import reference
from textlattice.nn.sentiment import SentimentConv, SentimentLinear
from textlattice.nn.unchanged import Unchanged

INDEX, PTR = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 3, 5])
TOKENS, SENTIMENT = torch.randn(5, 6), torch.rand(5, 2)


def test_conv_equals_the_slow_twin():
    layer = SentimentConv(6, "none")
    expected = []
    for rows in (slice(0, 3), slice(3, 5)):
        heard = F.relu(
            reference.convolve(SENTIMENT[rows], layer.conv_sentiment.weight, layer.conv_sentiment.bias)
        )
        both = torch.cat([TOKENS[rows], heard], 1)
        expected.append(F.relu(reference.convolve(both, layer.conv.weight, layer.conv.bias)))
    torch.testing.assert_close(layer(TOKENS, SENTIMENT, INDEX, PTR), torch.cat(expected))


@pytest.mark.parametrize("residual", [True, False])
def test_linear(residual):
    layer = SentimentLinear(6, residual=residual)
    expected = [
        residual * x + F.relu(layer.output(F.relu(layer.hidden(torch.cat([x, s])))))
        for x, s in zip(TOKENS, SENTIMENT, strict=True)
    ]
    torch.testing.assert_close(layer(TOKENS, SENTIMENT, INDEX, PTR), torch.stack(expected))


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (SentimentConv(64, "feature"), 25_216),
        (SentimentLinear(64, residual=True), 66 * 64 + 64 + 64 * 64 + 64),
        (Unchanged(), 0),
    ],
)
def test_parameters_as_published(layer, count):
    assert sum(value.numel() for value in layer.parameters()) == count


def test_none():
    assert Unchanged()(TOKENS, SENTIMENT, INDEX, PTR) is TOKENS
