import torch

from textlattice.batch.text_batch import Ngrams
from textlattice.models.wide import Wide


def test_sums_the_rows_of_each_document():
    wide = Wide(3, 2)
    wide.weight.copy_(torch.tensor([[1.0, -1.0], [10.0, 0.0], [0.0, 5.0]]))
    wide.bias.copy_(torch.tensor([0.5, 0.25]))
    ngrams = Ngrams(row=torch.tensor([0, 1, 2, 0]), doc_index=torch.tensor([0, 0, 2, 2]))
    expected = torch.tensor([[11.5, -0.75], [0.5, 0.25], [1.5, 4.25]])
    torch.testing.assert_close(wide(ngrams, 3), expected)


def test_without_ngrams_the_bias_is_left():
    wide = Wide(0, 2)
    wide.bias.fill_(2)
    none = torch.empty(0, dtype=torch.int32)
    assert wide(Ngrams(row=none, doc_index=none), 2).tolist() == [[2, 2], [2, 2]]
    assert wide(Ngrams(row=none, doc_index=none), 0).shape == (0, 2)


def test_is_not_trained_by_gradients():
    assert list(Wide(3, 2).parameters()) == []
    assert set(Wide(3, 2).state_dict()) == {"weight", "bias"}
