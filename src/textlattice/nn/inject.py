"""What a token is: its spelling, its word row and, if given, an injected vector, side by side."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.nn.dropout import Dropout


class WordInput(nn.Module):
    """Token vectors of twice the width of a form (`out_channels`): the form's vector and the word's row.

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
        self.out_channels = 2 * channels
        self.words = nn.Embedding(num_words + 1, channels, padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.02)
        with torch.no_grad():
            self.words.weight[0] = 0
        self.dropout = Dropout(dropout)
        self.word_dropout = Dropout(word_dropout)

    def fill_words(self, rows: Float[Tensor, "num_words channels"]) -> None:
        """Begins the rows of the known words with the given ones."""
        with torch.no_grad():
            self.words.weight[1:] = rows

    def forward(
        self,
        forms: Float[Tensor, "num_forms channels"],
        form: Int[Tensor, " num_tokens"],
        word: Int[Tensor, " num_tokens"],
        injected: Int[Tensor, " num_tokens"] | None = None,
    ) -> Float[Tensor, "num_tokens width"]:
        """One vector a token; there is no token table, so `injected` is not read."""
        spelling = forms.index_select(0, form)
        keep = self.word_dropout(torch.ones_like(spelling[:, :1]))
        words = F.embedding(word, self.words.weight, padding_idx=0) * keep
        return self.dropout(torch.cat([spelling, words], 1))


class InjectedWordInput(WordInput):
    """Token vectors of three times the width of a form: form, word and a projection of the injected vector.

    The injected vectors are frozen; a token without one adds zeros. A vector stays where the word row of its
    token is dropped, so that the projection learns to speak for words that training has not seen.

    Args:
        num_words: Known words.
        channels: Width of a word row, and of the projection.
        dropout: Probability that a channel is dropped in training.
        word_dropout: Probability that a word row is dropped in training.
        num_injected: Words of the token table.
        injected_channels: Width of its vectors.

    Source: CNN-GNN (arXiv 2507.07414), injected embeddings; there they join before the second block.
    """

    vectors: Tensor

    def __init__(
        self,
        num_words: int,
        channels: int,
        dropout: float,
        word_dropout: float,
        *,
        num_injected: int,
        injected_channels: int,
    ) -> None:
        super().__init__(num_words, channels, dropout, word_dropout)
        self.out_channels = 3 * channels
        self.register_buffer("vectors", torch.zeros(num_injected + 1, injected_channels))
        self.projection = nn.Linear(injected_channels, channels, bias=False)

    def fill_vectors(self, vectors: Float[Tensor, "num_injected injected_channels"]) -> None:
        """Takes the vectors of a token table, divided by their root mean square, so that their scale is no matter."""
        self.vectors[1:] = at_unit_size(vectors)

    def forward(
        self,
        forms: Float[Tensor, "num_forms channels"],
        form: Int[Tensor, " num_tokens"],
        word: Int[Tensor, " num_tokens"],
        injected: Int[Tensor, " num_tokens"] | None = None,
    ) -> Float[Tensor, "num_tokens width"]:
        """One vector a token; `injected` is never None here."""
        assert injected is not None
        vectors = self.projection(F.embedding(injected, self.vectors))
        return torch.cat([super().forward(forms, form, word), self.dropout(vectors)], 1)


def at_unit_size(vectors: Float[Tensor, "num_injected channels"]) -> Float[Tensor, "num_injected channels"]:
    """The vectors divided by their root mean square; zeros and none at all stay."""
    scale = torch.linalg.vector_norm(vectors, dtype=torch.float64).item() / max(vectors.numel(), 1) ** 0.5
    return vectors / (scale or 1.0)


def make_word_input(
    num_words: int,
    channels: int,
    dropout: float,
    word_dropout: float,
    *,
    num_injected: int,
    injected_channels: int,
) -> WordInput:
    """The layer with or without the vectors of a token table; 0 `injected_channels` mean none."""
    if not injected_channels:
        return WordInput(num_words, channels, dropout, word_dropout)
    return InjectedWordInput(
        num_words,
        channels,
        dropout,
        word_dropout,
        num_injected=num_injected,
        injected_channels=injected_channels,
    )
