import pytest
import torch

from textlattice.nn.inject import InjectedWordInput, WordInput

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


# With a token table.


def injected_input(
    num_words=2, channels=2, dropout=0.5, word_dropout=0.5, num_injected=2, injected_channels=3
):
    return InjectedWordInput(
        *(num_words, channels, dropout, word_dropout),
        num_injected=num_injected,
        injected_channels=injected_channels,
    )


def test_the_projected_vector_stands_beside_spelling_and_word():
    layer = injected_input().eval()
    forms = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    with torch.no_grad():
        layer.words.weight.copy_(torch.tensor([[0.0, 0.0], [10.0, 11.0], [20.0, 21.0]]))
        layer.vectors.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]))
        layer.projection.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
        found = layer(forms, FORM, WORD, torch.tensor([1, 2, 0], dtype=torch.int32))
    assert found.tolist() == [[1, 2, 20, 21, 7, 16], [3, 4, 0, 0, 2, 5], [1, 2, 10, 11, 0, 0]]
    assert found.shape[1] == layer.out_channels


def test_vectors_are_frozen_and_saved():
    layer = injected_input(dropout=0.0, word_dropout=0.0)
    layer.fill_vectors(torch.ones(2, 3))
    layer(torch.ones(2, 2), FORM, WORD, WORD).sum().backward()
    assert layer.vectors.grad is None
    assert (layer.projection.weight.grad != 0).all()
    assert {name for name, _ in layer.named_parameters()} == {"words.weight", "projection.weight"}
    assert "vectors" in layer.state_dict()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_scale_of_a_table_is_no_matter(scale):
    layer = injected_input()
    layer.fill_vectors(scale * torch.tensor([[1.0, -1.0, 2.0], [0.0, 0.0, 0.0]]))
    expected = torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 2.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(layer.vectors, expected)
    layer.fill_vectors(torch.zeros(2, 3))
    assert (layer.vectors == 0).all()


def test_word_dropout_leaves_the_injected_vector():
    torch.manual_seed(0)
    layer = injected_input(num_words=1, channels=8, dropout=0.0, word_dropout=0.5, num_injected=1)
    layer.fill_vectors(torch.ones(1, 3))
    ones = torch.ones(100, dtype=torch.int32)
    with torch.no_grad():
        layer.words.weight[1] = 1
        found = layer(torch.ones(1, 8), ones - 1, ones, ones)
    dropped = (found[:, 8:16] == 0).all(1)
    assert 0 < dropped.sum() < 100
    assert (found[:, 16:] == found[0, 16:]).all()


def test_no_tokens_with_a_table():
    none = torch.empty(0, dtype=torch.int32)
    assert injected_input()(torch.empty(0, 2), none, none, none).shape == (0, 6)
