"""Characters to forms: one vector a distinct token, from its spelling alone."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.nn.conv import RaggedConv
from textlattice.nn.ragged import segment_max, segment_mean


class SpellingEncoder(nn.Module):
    """Two convolutions over the characters of a form, largest and mean value, hashed sub-words beside them.

    Without dropout and batch statistics: the vector of a form is the same in every batch, so it is computed once
    for all its occurrences and can be kept for later batches.

    Args:
        num_characters: Rows of the character table.
        num_subwords: Rows of the table of hashed character n-grams.
        char_channels: Width of a character.
        channels: Width of a form.

    Source: CNN-GNN (arXiv 2507.07414), section 3 and table 9, token by token in place of the running text.
    """

    def __init__(self, num_characters: int, num_subwords: int, char_channels: int, channels: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(num_characters, char_channels)
        self.conv1 = RaggedConv(char_channels, char_channels, 5)
        self.conv2 = RaggedConv(char_channels, char_channels, 5)
        self.subwords = nn.Embedding(num_subwords, channels)
        nn.init.normal_(self.subwords.weight, std=0.02)
        self.output = nn.Linear(2 * char_channels, channels)

    def forward(
        self,
        characters: Int[Tensor, " num_characters"],
        form_index: Int[Tensor, " num_characters"],
        form_ptr: Int[Tensor, " form_bounds"],
        subwords: Int[Tensor, " num_subwords"],
        subword_index: Int[Tensor, " num_subwords"],
        subword_ptr: Int[Tensor, " form_bounds"],
    ) -> Float[Tensor, "form_bounds-1 channels"]:
        """One vector a form."""
        letters = F.embedding(characters, self.characters.weight)
        letters = F.relu(self.conv1(letters, form_index))
        letters = F.relu(self.conv2(letters, form_index))
        num_forms = form_ptr.shape[0] - 1
        pooled = torch.cat(
            [segment_max(letters, form_index, num_forms), segment_mean(letters, form_index, form_ptr)], 1
        )
        pieces = segment_mean(F.embedding(subwords, self.subwords.weight), subword_index, subword_ptr)
        return self.output(pooled) + pieces
