import pytest
import torch

from textlattice.nn.pyramid import Climb, Descend, GatedDescend, ScaleReadout, Smooth, unit_mean

DOC = torch.tensor([0, 0, 0, 1])
PARENT = torch.tensor([0, 0, 1, 2])  # the fourth has none: there are two units above


def test_means_leave_out_what_has_no_unit():
    rows = torch.tensor([[1.0], [3], [5], [100]])
    assert unit_mean(rows, PARENT, torch.tensor([2, 1])).tolist() == [[2], [5]]


def test_climbing_takes_children_and_states():
    torch.manual_seed(0)
    climb = Climb(2)
    below, state = torch.randn(4, 2), torch.randn(4, 2)
    made = climb(below, DOC, PARENT, torch.tensor([2, 1]), state, PARENT, torch.tensor([2, 1]))
    children = torch.nn.functional.gelu(climb.conv(below, DOC))
    told = climb.lateral(state)
    expected = torch.stack([(children[0] + children[1] + told[0] + told[1]) / 2, children[2] + told[2]])
    torch.testing.assert_close(made, expected)


@pytest.mark.parametrize("kind", [Smooth, Descend, GatedDescend])
def test_descending_hears_the_parent_alone(kind):
    torch.manual_seed(0)
    descend = kind(2)
    units, above = torch.randn(4, 2), torch.randn(2, 2, requires_grad=True)
    made = descend(units, DOC, above, PARENT)
    assert made.shape == (4, 2)
    if kind is Smooth:
        torch.testing.assert_close(made, descend(units, DOC, above + 1, PARENT))
        return
    gradient = torch.autograd.grad(made[3].sum(), above, retain_graph=True)[0]
    assert not gradient.any()  # no parent, and another document
    gradient = torch.autograd.grad(made[2].sum(), above)[0]
    assert gradient.abs().sum(1).gt(0).tolist() == [
        True,
        True,
    ]  # its own, and its neighbour's by the convolution


def test_a_gate_is_a_mean_of_the_two():
    descend = GatedDescend(2)
    lateral, down, there = torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([True])
    mean = descend.merge(lateral, down, there)
    assert ((mean > 0) & (mean < 1)).all()
    torch.testing.assert_close(descend.merge(down, down, there), down)


def test_a_gate_leaves_what_has_no_parent_whole():
    descend = GatedDescend(2)
    lateral, down = torch.randn(2, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    merged = descend.merge(lateral, down, torch.tensor([True, False]))
    assert (merged[0] != lateral[0]).all()
    assert torch.equal(merged[1], lateral[1])


def test_weights_of_scales_sum_to_one_over_those_present():
    torch.manual_seed(0)
    readout = ScaleReadout(5, 3, 4)
    present = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    weights = readout.weigh(torch.randn(3, 3, 4), present)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert weights[1].tolist() == [1, 0, 0]
    torch.testing.assert_close(weights[2], torch.full((3,), 1 / 3))
    assert weights[0].min() > 0


def test_scores_of_scales_grow_with_the_root_of_the_width():
    torch.manual_seed(0)
    narrow, wide = ScaleReadout(5, 3, 4), ScaleReadout(5, 3, 64)
    scales, present = torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)
    with torch.no_grad():
        wide.score.weight.copy_(narrow.score.weight.repeat(1, 16) / 4)
    torch.testing.assert_close(wide.weigh(scales.repeat(1, 1, 16), present), narrow.weigh(scales, present))
