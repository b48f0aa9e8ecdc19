"""Our own encoder: spelling and words, then two convolutions over the tokens. It needs no weights from elsewhere."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textlattice.batch.pyramid_batch import PyramidBatch
from textlattice.nn.conv import RaggedConv
from textlattice.nn.inject import InjectedWordInput, WordInput
from textlattice.nn.spelling import SpellingEncoder


class FormEncoder(nn.Module):
    """Three states of each token: what it is, and what it is among one and two tokens on each side.

    Args:
        spelling: Reads the distinct tokens.
        word_input: Sets words, and vectors of a token table, beside what it says.
        channels: Width of the two convolutions.

    Source: CNN-GNN (arXiv 2507.07414), section 3; as the encoder of the pyramid it is ours.
    """

    def __init__(self, spelling: SpellingEncoder, word_input: WordInput, channels: int) -> None:
        super().__init__()
        self.spelling, self.word_input = spelling, word_input
        self.conv1 = RaggedConv(word_input.out_channels, channels, 3)
        self.conv2 = RaggedConv(channels, channels, 3)
        self.widths = (word_input.out_channels, channels, channels)

    def fill_words(self, rows: Float[Tensor, "num_words channels"]) -> None:
        """Begins the rows of the known words with the given ones."""
        self.word_input.fill_words(rows)

    def fill_vectors(self, vectors: Float[Tensor, "num_injected injected_channels"]) -> None:
        """Takes the vectors of a token table."""
        assert isinstance(self.word_input, InjectedWordInput)
        self.word_input.fill_vectors(vectors)

    def forward(self, batch: PyramidBatch[Tensor]) -> list[Float[Tensor, "num_tokens width"]]:
        """States, lowest first."""
        forms, doc_index = batch.forms, batch.scales[0].documents.doc_index
        assert forms is not None
        spelling = self.spelling(
            forms.characters,
            forms.form_index,
            forms.form_ptr,
            forms.subwords,
            forms.subword_index,
            forms.subword_ptr,
        )
        tokens = self.word_input(spelling, batch.tokens.form, batch.tokens.word, batch.tokens.injected)
        near = F.relu(self.conv1(tokens, doc_index))
        return [tokens, near, F.relu(self.conv2(near, doc_index))]
