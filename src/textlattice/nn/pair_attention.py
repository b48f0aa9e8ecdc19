"""The paper's "modified sparse attention": query, key and value of an edge are made of both of its ends."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.nn.attention import VOID_SCORE, attention_weights


class PairAttention(nn.Module):
    """out_i = x_i U + sum_j alpha_ij (x_i + x_j) V, head by head.

    alpha_ij = softmax_j <(x_i + x_j) Q, (x_i + x_j) K> / sqrt(d), with d the width of a head's result. A head sees its
    own share of the channels alone.

    Args:
        in_channels: Width of a token.
        out_channels: Width of the result, all heads together.
        num_heads: Must divide both.

    Source: CNN-GNN (arXiv 2507.07414), equations 14 to 22, with three faults mended: a view that mixed tokens, a
    softmax over all edges of a batch with its scale behind it, and messages to both ends of an edge.
    """

    def __init__(self, in_channels: int, out_channels: int, num_heads: int) -> None:
        super().__init__()
        shape = (num_heads, in_channels // num_heads, out_channels // num_heads)
        self.query, self.key, self.value, self.update = (nn.Parameter(torch.empty(shape)) for _ in range(4))
        for weight in (self.query, self.key, self.value, self.update):
            nn.init.uniform_(weight, -(shape[1] ** -0.5), shape[1] ** -0.5)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens in_channels"],
        neighbours: Int[Tensor, "num_tokens degree"],
        gate: Float[Tensor, "num_tokens degree"],
        inverse: Int[Tensor, "num_tokens num_mapped"] | None = None,
    ) -> tuple[Float[Tensor, "num_tokens out_channels"], Float[Tensor, "num_tokens degree num_heads"]]:
        """Update plus mixed messages, and the scores before the softmax, -1e4 in void slots.

        Args:
            tokens: Features.
            neighbours: Row i holds the tokens that i listens to.
            gate: Openness of each slot, in [0, 1].
            inverse: Not read.
        """
        heads = tokens.unflatten(1, self.query.shape[:2])  # [num_tokens, num_heads, head_channels]
        query, key, value, update = (
            torch.einsum("nhi,hio->nho", heads, weight)
            for weight in (self.query, self.key, self.value, self.update)
        )
        scores = []
        for slot in neighbours.unbind(1):
            asked = query + query.index_select(0, slot)
            scores.append((asked * (key + key.index_select(0, slot))).sum(2))
        stacked = torch.stack(scores, 1) / self.query.shape[2] ** 0.5
        alpha = attention_weights(stacked, gate)
        mixed = update + alpha.sum(1)[:, :, None] * value
        for place, slot in enumerate(neighbours.unbind(1)):
            mixed = torch.addcmul(mixed, value.index_select(0, slot), alpha[:, place, :, None])
        return mixed.flatten(1), stacked.masked_fill((gate <= 0)[:, :, None], VOID_SCORE)
