import torch

from textlattice.nn.inject import WordInput

FORM = torch.tensor([0, 1, 0], dtype=torch.int32)
WORD = torch.tensor([2, 0, 1], dtype=torch.int32)


def test_spelling_and_word_stand_side_by_side():
    layer = WordInput(2, 2, 0.5, 0.5).eval()
    forms = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    with torch.no_grad():
        layer.words.weight.copy_(torch.tensor([[0.0, 0.0], [10.0, 11.0], [20.0, 21.0]]))
        found = layer(forms, FORM, WORD)
    assert found.tolist() == [[1, 2, 20, 21], [3, 4, 0, 0], [1, 2, 10, 11]]


def test_the_unknown_word_is_zero_and_stays_so():
    layer = WordInput(2, 2, 0.0, 0.0)
    assert layer.words.weight[0].tolist() == [0, 0]
    layer(torch.ones(2, 2), FORM, WORD).sum().backward()
    assert layer.words.weight.grad[0].tolist() == [0, 0]
    assert (layer.words.weight.grad[1:] == 1).all()


def test_word_dropout_drops_whole_rows_of_words_only():
    torch.manual_seed(0)
    layer = WordInput(1, 8, 0.0, 0.25)
    tokens = torch.zeros(4_000, dtype=torch.int32)
    with torch.no_grad():
        layer.words.weight[1] = 1
        found = layer(torch.ones(1, 8), tokens, tokens + 1)
    assert (found[:, :8] == 1).all()
    dropped = (found[:, 8:] == 0).all(1)
    assert (found[~dropped, 8:] == 1 / 0.75).all()
    assert abs(dropped.float().mean() - 0.25) < 0.035


def test_no_tokens_no_words():
    none = torch.empty(0, dtype=torch.int32)
    assert WordInput(0, 3, 0.1, 0.1)(torch.empty(0, 3), none, none).shape == (0, 6)
