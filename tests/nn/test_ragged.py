import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from textlattice.nn.ragged import segment_max, segment_mean, segment_softmax, segment_sum

VALUES = torch.tensor([[1.0, -1.0], [3.0, -5.0], [7.0, 2.0], [2.0, 2.0]])
INDEX = torch.tensor([0, 0, 2, 2], dtype=torch.int32)  # segment 1 is empty
PTR = torch.tensor([0, 2, 2, 4], dtype=torch.int32)


def test_sum():
    assert segment_sum(VALUES, INDEX, 3).tolist() == [[4, -6], [0, 0], [9, 4]]


def test_mean():
    assert segment_mean(VALUES, INDEX, PTR).tolist() == [[2, -3], [0, 0], [4.5, 2]]


def test_max():
    assert segment_max(VALUES, INDEX, 3).tolist() == [[3, -1], [0, 0], [7, 2]]


def test_softmax():
    weights = segment_softmax(torch.tensor([[0.0], [0.0], [1e4], [1e4 - 1]]), INDEX, 3)
    torch.testing.assert_close(weights[:, 0], torch.tensor([0.5, 0.5, 0.7310586, 0.2689414]))


def test_gradient_of_the_largest_is_shared_between_equals():
    values = VALUES.clone().requires_grad_()
    segment_max(values, INDEX, 3).sum().backward()
    assert values.grad.tolist() == [[0, 1], [1, 0], [1, 0.5], [0, 0.5]]


@pytest.mark.parametrize("num_segments", [0, 1, 3])
def test_no_rows(num_segments):
    none, index = torch.empty(0, 2), torch.empty(0, dtype=torch.int32)
    ptr = torch.zeros(num_segments + 1, dtype=torch.int32)
    zeros = torch.zeros(num_segments, 2)
    assert torch.equal(segment_sum(none, index, num_segments), zeros)
    assert torch.equal(segment_mean(none, index, ptr), zeros)
    assert torch.equal(segment_max(none, index, num_segments), zeros)
    assert segment_softmax(none, index, num_segments).shape == (0, 2)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "softmax"])
def test_gradients_equal_finite_differences(name):
    values = VALUES.double() + torch.arange(8, dtype=torch.float64).reshape(4, 2) / 10  # no ties
    functions = {
        "sum": lambda v: segment_sum(v, INDEX, 3),
        "mean": lambda v: segment_mean(v, INDEX, PTR),
        "max": lambda v: segment_max(v, INDEX, 3),
        "softmax": lambda v: segment_softmax(v, INDEX, 3),
    }
    assert torch.autograd.gradcheck(functions[name], values.requires_grad_())


@given(st.lists(st.lists(st.floats(-100, 100, width=32), max_size=5), max_size=5))
def test_equals_one_segment_at_a_time(segments):
    flat = torch.tensor([v for segment in segments for v in segment])[:, None]
    counts = [len(segment) for segment in segments]
    index = torch.repeat_interleave(torch.arange(len(segments)), torch.tensor(counts, dtype=torch.int64))
    ptr = torch.tensor([0, *counts]).cumsum(0)
    weights = segment_softmax(flat, index, len(segments))
    sums = segment_sum(flat, index, len(segments))
    means = segment_mean(flat, index, ptr)
    highest = segment_max(flat, index, len(segments))
    for place, segment in enumerate(segments):
        alone = torch.tensor(segment)
        torch.testing.assert_close(weights[index == place, 0], alone.softmax(0))
        torch.testing.assert_close(sums[place, 0], alone.sum(), atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(means[place, 0], alone.mean() if segment else torch.tensor(0.0))
        assert highest[place, 0] == max(segment, default=0)
