import pytest
import torch

from textlattice.nn.readout import Readout


def test_literal():
    readout = Readout(2)
    with torch.no_grad():
        readout.score.weight.copy_(torch.tensor([[1.0, 0.0]]))
        tokens = torch.tensor([[0.0, 4.0], [0.0, -2.0], [5.0, 5.0]])
        found = readout(tokens, torch.tensor([0, 0, 2]), torch.tensor([0, 2, 2, 3]))
    expected = [
        [0, 4, 0, 1, 0, 1],
        [0] * 6,
        [5, 5, 5, 5, 5, 5],
    ]  # largest, mean, attended; the second is empty
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("num_docs", [0, 1, 3])
def test_documents_without_tokens_read_as_zeros(num_docs):
    ptr = torch.zeros(num_docs + 1, dtype=torch.int32)
    found = Readout(2)(torch.empty(0, 2), torch.empty(0, dtype=torch.int32), ptr)
    assert torch.equal(found, torch.zeros(num_docs, 6))
