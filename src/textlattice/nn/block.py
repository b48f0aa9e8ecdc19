"""One block: token convolution beside sparse graph attention, or convolution alone."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.nn.attention import GraphAttention
from textlattice.nn.conv import RaggedConv
from textlattice.nn.dropout import Dropout
from textlattice.nn.virtual_nodes import VirtualGatV2


def _small_linear(in_channels: int, out_channels: int) -> nn.Linear:
    """A linear layer that starts small, so that a block begins near the identity and words are heard early."""
    linear = nn.Linear(in_channels, out_channels)
    with torch.no_grad():
        linear.weight.mul_(0.2)
        linear.bias.zero_()
    return linear


class GraphBlock(nn.Module):
    """x + W [ReLU(conv(norm x)) ; ReLU(attention(norm x))]: the near by convolution, the far by attention.

    The norm is per token, so no statistic is taken over a batch.

    Args:
        channels: Width of a token.
        num_heads: Attention heads.
        degree: Slots of the neighbour table, kept ones apart.
        num_kept: Kept slots behind them.
        dropout: Probability that a channel of the update is dropped in training.

    Source: CNN-GNN (arXiv 2507.07414), row "CNN-GNN"; pre-norm, residual and mixing are ours.
    """

    attention_class = GraphAttention

    def __init__(
        self, channels: int, num_heads: int, dropout: float, *, degree: int, num_kept: int = 0
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = RaggedConv(channels, channels, 3)
        self.attention = self.attention_class(channels, channels, num_heads, degree=degree, num_kept=num_kept)
        self.mix = _small_linear(2 * channels, channels)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        doc_index: Int[Tensor, " num_tokens"],
        neighbours: Int[Tensor, "num_tokens degree"],
        gate: Float[Tensor, "num_tokens degree"],
        inverse: Int[Tensor, "num_tokens num_mapped"] | None = None,
    ) -> tuple[Float[Tensor, "num_tokens channels"], Float[Tensor, "num_tokens degree num_heads"]]:
        """New features, and the attention scores before the softmax."""
        normed = self.norm(tokens)
        near = self.conv(normed, doc_index)
        far, scores = self.attention(normed, neighbours, gate, inverse)
        update = self.mix(F.relu_(torch.cat([near, far], 1)))
        return tokens + self.dropout(update), scores


class VirtualGraphAttention(GraphAttention, VirtualGatV2):
    """`GraphAttention` with virtual nodes, whose slots share one bias a head."""

    def __init__(self, *args: int, degree: int, num_kept: int = 0) -> None:
        super().__init__(*args, degree=degree, num_kept=num_kept)
        self.node_bias = nn.Parameter(torch.zeros(1, self.weight.shape[0]))

    def slot_biases(self, degree: int) -> Float[Tensor, "degree num_heads"]:
        """What each slot adds to its scores."""
        own = super().slot_biases(degree)
        return torch.cat([own, self.node_bias.expand(degree - len(own), -1)])


class VirtualGraphBlock(GraphBlock):
    """A `GraphBlock` in which virtual nodes hear all tokens of a document, and are heard."""

    attention_class = VirtualGraphAttention

    def exchange(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        nodes: Float[Tensor, "num_docs num_virtual channels"],
        doc_index: Int[Tensor, " num_tokens"],
        neighbours: Int[Tensor, "num_tokens degree"],
        gate: Float[Tensor, "num_tokens degree"],
    ) -> tuple[
        Float[Tensor, "num_tokens channels"],
        Float[Tensor, "num_docs num_virtual channels"],
        Float[Tensor, "num_tokens degree num_heads"],
    ]:
        """New tokens, new nodes, and the attention scores before the softmax."""
        normed = self.norm(tokens)
        near = self.conv(normed, doc_index)
        far, heard, scores = self.attention.exchange(normed, self.norm(nodes), doc_index, neighbours, gate)
        update = self.mix(F.relu_(torch.cat([near, far], 1)))
        return tokens + self.dropout(update), nodes + heard, scores


class ConvBlock(nn.Module):
    """A `GraphBlock` without its attention, the convolution widened to equal parameters: the "no graph" row.

    Args:
        channels: Width of a token.
        dropout: Probability that a channel of the update is dropped in training.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        attention = 2 * channels**2 + 4 * channels  # query, message, score weight, biases
        width = channels + round((attention + channels**2) / (4 * channels + 1))
        self.norm = nn.LayerNorm(channels)
        self.conv = RaggedConv(channels, width, 3)
        self.mix = _small_linear(width, channels)
        self.dropout = Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "num_tokens channels"], doc_index: Int[Tensor, " num_tokens"]
    ) -> Float[Tensor, "num_tokens channels"]:
        """New features."""
        update = self.mix(F.relu(self.conv(self.norm(tokens), doc_index)))
        return tokens + self.dropout(update)
