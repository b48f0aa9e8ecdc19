import pytest
import torch

from textlattice.nn.norms import DocumentNorm, FeatureNorm, TokenNorm, make_norm
from textlattice.nn.unchanged import Unchanged

DOC_INDEX = torch.tensor([0, 0, 0, 2, 2, 3])
DOC_PTR = torch.tensor([0, 3, 3, 5, 6])


def tokens():
    return 3 + 2 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def unit(values):
    return (values - values.mean()) / (values.var(unbiased=False) + 1e-5).sqrt()


def test_each_kind_over_what_it_says():
    rows = tokens()
    by_document = torch.cat([unit(rows[:3]), unit(rows[3:5]), unit(rows[5:])])
    by_token = torch.stack([unit(row) for row in rows])
    by_feature = torch.stack([unit(column) for column in rows.T], 1)
    for kind, expected in (
        ("none", rows),
        ("document", by_document),
        ("token", by_token),
        ("feature", by_feature),
    ):
        found = make_norm(kind, 4)(rows, DOC_INDEX, DOC_PTR)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", ["none", "document", "token", "feature"])
def test_gain_and_shift_are_a_channel_each(kind):
    norm = make_norm(kind, 4)
    assert sum(value.numel() for value in norm.parameters()) == (0 if kind == "none" else 8)
    with torch.no_grad():
        for value in norm.parameters():
            value.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        plain = make_norm(kind, 4)(tokens(), DOC_INDEX, DOC_PTR)
        found = norm(tokens(), DOC_INDEX, DOC_PTR)
    gain = torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(found, plain if kind == "none" else plain * gain + gain)


def test_feature_norm_takes_running_averages_in_evaluation():
    norm = FeatureNorm(4)
    for _ in range(200):
        norm(tokens(), DOC_INDEX, DOC_PTR)
    norm.eval()
    alone = norm(tokens()[:1], DOC_INDEX[:1], DOC_PTR[:2])
    torch.testing.assert_close(alone, norm(tokens(), DOC_INDEX, DOC_PTR)[:1])  # of no neighbour
    unbiased = norm.running_var * 5 / 6
    torch.testing.assert_close(norm.running_mean, tokens().mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(unbiased, tokens().var(0, unbiased=False), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", [Unchanged(), DocumentNorm(3), TokenNorm(3), FeatureNorm(3)])
@pytest.mark.parametrize("num_tokens", [0, 1])
def test_no_token_and_one(norm, num_tokens):
    found = norm(
        torch.ones(num_tokens, 3), torch.zeros(num_tokens, dtype=torch.long), torch.tensor([0, num_tokens])
    )
    assert found.shape == (num_tokens, 3)
    assert found.isfinite().all()
