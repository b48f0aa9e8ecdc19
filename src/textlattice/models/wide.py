"""The wide branch: a linear model over the known n-grams of a document."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from textlattice.batch.text_batch import Ngrams


class Wide(nn.Module):
    """Sum of one weight row for each distinct known n-gram of a document, plus a bias.

    Fitted on its own (`training/wide.py`), never by gradients of the network.

    Args:
        num_ngrams: Known n-grams.
        num_outputs: Logits a document.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, num_ngrams: int, num_outputs: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(num_ngrams, num_outputs))
        self.register_buffer("bias", torch.zeros(num_outputs))

    def forward(self, ngrams: Ngrams[Tensor], num_docs: int) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits, natural-log units; the bias alone for a document without known n-grams."""
        rows = F.embedding(ngrams.row, self.weight)
        return self.bias + rows.new_zeros(num_docs, rows.shape[1]).index_add(0, ngrams.doc_index, rows)
