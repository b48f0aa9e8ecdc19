import pytest
import torch

from textlattice.nn.dropout import Dropout


@pytest.mark.parametrize(("probability", "rounded"), [(0.3, 77 / 256), (0.1, 26 / 256), (0.5, 0.5)])
def test_share_and_scale(probability, rounded):
    torch.manual_seed(0)
    values = Dropout(probability)(torch.ones(400, 1_000))
    kept = values != 0
    assert abs((~kept).float().mean() - rounded) < 0.003  # five standard errors
    assert (values[kept] == 1 / (1 - rounded)).all()
    assert abs(values.mean() - 1) < 0.005


def test_elements_are_dropped_apart():
    """Neither the place in the draw of eight, nor the row, nor the neighbour tells what is dropped."""
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(40_000, 8)) == 0).float()
    assert (abs(dropped.mean(0) - 0.5) < 0.0125).all()
    assert (abs(torch.corrcoef(dropped.T) - torch.eye(8)) < 0.025).all()


def test_evaluation_and_zero_pass_values_on():
    values = torch.randn(5, 3)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (3, 5), (7,)])
def test_any_shape(shape):
    assert Dropout(0.5)(torch.ones(shape)).shape == shape


def test_gradient_takes_the_mask_of_the_forward_pass():
    values = torch.ones(50, 3, requires_grad=True)
    result = Dropout(0.5)(values)
    result.sum().backward()
    assert torch.equal(values.grad, result.detach())


def test_the_draw_follows_the_seed():
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(Dropout(0.5)(torch.ones(100)))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
