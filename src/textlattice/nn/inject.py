"""What a token is: its spelling, its word row and, if given, an injected vector, side by side."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.nn.dropout import Dropout


class WordInput(nn.Module):
    """Token vectors of twice the width of a form: the form's vector and the word's row.

    Row 0 is the unknown word and stays zero. In training the word row of a token is dropped now and then,
    so that spelling learns to stand in.

    Args:
        num_words: Known words.
        channels: Width of a word row.
        dropout: Probability that a channel is dropped in training.
        word_dropout: Probability that a word row is dropped in training.
    """

    def __init__(self, num_words: int, channels: int, dropout: float, word_dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words + 1, channels, padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.02)
        with torch.no_grad():
            self.words.weight[0] = 0
        self.dropout = Dropout(dropout)
        self.word_dropout = Dropout(word_dropout)

    def forward(
        self,
        forms: Float[Tensor, "num_forms channels"],
        form: Int[Tensor, " num_tokens"],
        word: Int[Tensor, " num_tokens"],
    ) -> Float[Tensor, "num_tokens 2*channels"]:
        """One vector a token."""
        spelling = forms.index_select(0, form)
        keep = self.word_dropout(torch.ones_like(spelling[:, :1]))
        words = F.embedding(word, self.words.weight, padding_idx=0) * keep
        return self.dropout(torch.cat([spelling, words], 1))
