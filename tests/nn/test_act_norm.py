import pytest
import torch

from textlattice.nn.act_norm import ActNorm


def test_literal():
    norm = ActNorm(2)
    rows = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    assert torch.equal(norm(rows), rows)  # nothing read yet
    norm.begin(rows)
    half = 0.1 * 0.5**0.5
    torch.testing.assert_close(norm(rows), torch.tensor([[-half, -half], [half, half]]))
    torch.testing.assert_close(norm(torch.tensor([[2.0, 20.0]])), torch.zeros(1, 2))


def test_a_sample_has_mean_0_and_one_deviation():
    sample = 7 + 0.01 * torch.randn(300, 5, generator=torch.Generator().manual_seed(0))
    norm = ActNorm(5)
    norm.begin(sample)
    torch.testing.assert_close(norm(sample).mean(0), torch.zeros(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(norm(sample).std(0), torch.full((5,), 0.1), atol=1e-3, rtol=0)


def test_a_channel_that_hardly_varies_is_not_blown_up():
    sample = torch.tensor([[0.0, 5.0, -1.0], [0.0, 5.002, 1.0], [0.0, 5.001, 0.0]]) * torch.tensor(
        [1, 1, 0.1]
    )
    norm = ActNorm(3)
    norm.begin(sample)
    deviation = sample.std(0)
    expected = 0.1 / torch.tensor(
        [deviation[1] / 10, deviation[1], deviation[2]]
    )  # the median is that of channel 1
    torch.testing.assert_close(norm.scale.detach(), expected)


@pytest.mark.parametrize("sample", [torch.empty(0, 3), torch.randn(1, 3), torch.ones(4, 3)])
def test_of_a_sample_that_says_nothing_nothing_is_read(sample):
    norm = ActNorm(3)
    norm.begin(sample)
    assert torch.equal(norm.scale, torch.ones(3))
    assert torch.equal(norm.shift, torch.zeros(3))
    assert norm(sample).shape == sample.shape
