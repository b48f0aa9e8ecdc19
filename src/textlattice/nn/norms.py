"""The four normalisations that the paper compares, over tokens of several documents."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.nn.ragged import segment_mean
from textlattice.nn.unchanged import Unchanged

NormKind = Literal["none", "document", "token", "feature"]


class FeatureNorm(nn.Module):
    """gamma (x - mu) / sqrt(var + eps) + beta, with the mean and variance of each channel over all tokens of a batch.

    In training a document's tokens depend on the others of its batch; in evaluation running averages stand in.

    Args:
        channels: Width of a token.

    Source: CNN-GNN (arXiv 2507.07414), equation 26.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        doc_index: Int[Tensor, " num_tokens"],
        doc_ptr: Int[Tensor, " doc_bounds"],
    ) -> Float[Tensor, "num_tokens channels"]:
        """The tokens, each channel normalised over the batch; a batch of one token takes the running averages."""
        return nn.functional.batch_norm(
            tokens,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training and len(tokens) > 1,
        )


class TokenNorm(nn.Module):
    """Each token normalised over its channels.

    Args:
        channels: Width of a token.

    Source: CNN-GNN (arXiv 2507.07414), table 2, "token level".
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        doc_index: Int[Tensor, " num_tokens"],
        doc_ptr: Int[Tensor, " doc_bounds"],
    ) -> Float[Tensor, "num_tokens channels"]:
        """The tokens, each with mean 0 and variance 1."""
        return self.norm(tokens)


class DocumentNorm(nn.Module):
    """Each document normalised over all channels of all its tokens.

    Args:
        channels: Width of a token.

    Source: CNN-GNN (arXiv 2507.07414), table 2, "custom layer normalisation".
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        doc_index: Int[Tensor, " num_tokens"],
        doc_ptr: Int[Tensor, " doc_bounds"],
    ) -> Float[Tensor, "num_tokens channels"]:
        """The tokens; those of one document have mean 0 and variance 1 together."""
        mean = segment_mean(tokens.mean(1, keepdim=True), doc_index, doc_ptr)
        centred = tokens - mean.index_select(0, doc_index)
        variance = segment_mean(centred.square().mean(1, keepdim=True), doc_index, doc_ptr)
        return centred * (variance + 1e-5).rsqrt().index_select(0, doc_index) * self.weight + self.bias


NORMS = {"document": DocumentNorm, "token": TokenNorm, "feature": FeatureNorm}


def make_norm(kind: NormKind, channels: int) -> nn.Module:
    """The layer of that name; all of them are called with (tokens, doc_index, doc_ptr).

    Args:
        kind: Over what mean and variance are taken.
        channels: Width of a token.
    """
    return Unchanged() if kind == "none" else NORMS[kind](channels)
