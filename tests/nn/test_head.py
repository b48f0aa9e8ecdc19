import torch

from textlattice.nn.head import Head


def test_formula():
    head = Head(3, 4, 2, 0.5).eval()
    documents = torch.randn(5, 3)
    with torch.no_grad():
        hidden = documents @ head.hidden.weight.T + head.hidden.bias
        hidden = torch.where(hidden > 0, hidden, hidden.exp() - 1)
        torch.testing.assert_close(head(documents), hidden @ head.output.weight.T + head.output.bias)
        assert head(torch.empty(0, 3)).shape == (0, 2)
