import pytest
import torch
import torch.nn.functional as F

import reference
from textlattice.nn.conv import RaggedConv


def owners(lengths):
    return torch.repeat_interleave(torch.arange(len(lengths), dtype=torch.int32), torch.tensor(lengths))


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [2, 7, 1, 4], [30]])
def test_equals_a_padded_convolution_of_each_segment(lengths, kernel_size):
    conv = RaggedConv(3, 4, kernel_size)
    torch.nn.init.normal_(conv.bias)
    rows = torch.randn(sum(lengths), 3)
    with torch.no_grad():
        found = conv(rows, owners(lengths)).split(lengths)
        for part, result in zip(rows.split(lengths), found, strict=True):
            weight = conv.weight.permute(1, 2, 0)  # [out, in, taps], as torch has it
            expected = F.conv1d(part.T, weight, conv.bias, padding="same").T
            torch.testing.assert_close(result, expected)
            torch.testing.assert_close(result, reference.convolve(part, conv.weight, conv.bias))


def test_no_rows():
    rows = torch.empty(0, 3, requires_grad=True)
    result = RaggedConv(3, 4, 5)(rows, torch.empty(0, dtype=torch.int32))
    assert result.shape == (0, 4)
    result.sum().backward()


def test_a_border_hides_even_nan_and_infinity():
    rows = torch.ones(4, 2)
    rows[2], rows[3] = float("nan"), float("inf")
    result = RaggedConv(2, 2, 3)(rows, owners([2, 2]))
    assert result[:2].isfinite().all()
    assert result[2:].isnan().all()


def test_gradients_equal_finite_differences():
    conv = RaggedConv(2, 2, 3).double()
    rows = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)

    def call(rows, weight, bias):
        return torch.func.functional_call(conv, {"weight": weight, "bias": bias}, (rows, owners([1, 3, 2])))

    assert torch.autograd.gradcheck(call, (rows, *conv.parameters()))
