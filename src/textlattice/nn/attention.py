"""Sparse graph attention (GATv2) over a table of neighbours.

The degree is a constant, so the table is worked slot by slot: features are gathered for one slot at a time,
only the scores are held for all slots, and nothing is scattered. Every slot of the small world but kept ones and
independent draws is a permutation of the tokens, so in training the backward pass gathers too, through the inverse
table. Where no slot is (the pyramid's), it is in closed form all the same.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

VOID_SCORE = -1e4
"""Score of a slot that holds no edge, natural-log units."""
NEGATIVE_SLOPE = 0.2
"""Of the rectifier before the scores."""
RANDOM_SLOT_BIAS = -3.0
"""Where the bias of random slots begins: a far token weighs 1/20 of a near one until training says otherwise."""
_BLOCK = 512  # rows at a time where all slots are held: [block, degree, channels] stays in the cache
_ROWS = 4096  # rows at a time where slots follow one another: [rows, channels] stays in the cache


def attention_weights(
    scores: Float[Tensor, "num_tokens degree num_heads"], gate: Float[Tensor, "num_tokens degree"]
) -> Float[Tensor, "num_tokens degree num_heads"]:
    """Weights in [0, 1] that sum to 1 over the slots of a token; all 0 where no slot is open.

    alpha_j = w_j exp(e_j - m) / sum_l w_l exp(e_l - m), with m the largest open score.

    Args:
        scores: e, as `attend` returns them.
        gate: w, 0 for a void slot, 1 for an edge, between for a kept edge that is half open.

    Source: GATv2 (arXiv 2105.14491), equation 4, with a gate in front of each term.
    """
    exponents = _open_exponents(scores, gate) * gate[:, :, None]
    return exponents / exponents.sum(1, keepdim=True).clamp(min=1e-30)


def _open_exponents(scores: Tensor, gate: Tensor) -> Tensor:
    """exp(e - m) of the open slots, 0 elsewhere."""
    shut = (gate <= 0)[:, :, None]
    highest = scores.masked_fill(shut, 4 * VOID_SCORE).amax(1, keepdim=True).detach()
    return (scores - highest).masked_fill(shut, 4 * VOID_SCORE).exp()


def attend(
    query: Float[Tensor, "num_tokens channels"],
    message: Float[Tensor, "num_tokens channels"],
    weight: Float[Tensor, "num_heads head_channels"],
    neighbours: Int[Tensor, "num_tokens degree"],
    gate: Float[Tensor, "num_tokens degree"],
    slot_bias: Float[Tensor, "degree num_heads"],
) -> tuple[Float[Tensor, "num_tokens channels"], Float[Tensor, "num_tokens degree num_heads"]]:
    """Messages of each token's neighbours, mixed by attention, and the scores before the softmax.

    e_ij = a . LeakyReLU_0.2(query_i + message_j) + bias of the slot that holds j; out_i = sum_j alpha_ij message_j,
    head by head.

    Args:
        query: W_t h, what a token asks.
        message: W_s h, what a token says.
        weight: a.
        neighbours: Row i holds the tokens that i listens to.
        gate: 0 for a void slot, 1 for an edge, between for a kept edge.
        slot_bias: What a slot adds to its scores: how gladly its distance and direction are heard.

    Returns:
        The mixed messages (zeros where no slot is open), and the scores, -1e4 in void slots.

    Source: GATv2 (arXiv 2105.14491), equations 4 and 7; CNN-GNN (arXiv 2507.07414), equations 11 to 13; the bias is
    that of relative positions (Raffel et al. 2020, section 2.1), a slot in place of a distance.
    """
    if torch.compiler.is_compiling():  # an exported graph has no loop whose length depends on the batch
        return _attend_rows(query, message, weight, neighbours, gate, slot_bias)
    blocks = [slice(start, start + _ROWS) for start in range(0, max(1, len(query)), _ROWS)]
    parts = [_attend_rows(query[b], message, weight, neighbours[b], gate[b], slot_bias) for b in blocks]
    mixed, scores = zip(*parts, strict=True)
    return torch.cat(mixed), torch.cat(scores)


def _attend_rows(
    query: Tensor, message: Tensor, weight: Tensor, neighbours: Tensor, gate: Tensor, slot_bias: Tensor
) -> tuple[Tensor, Tensor]:
    """`attend` for some rows of the table; `message` holds all tokens."""
    slots = []
    for slot in range(neighbours.shape[1]):
        heard = message.index_select(0, neighbours[:, slot])
        hidden = F.leaky_relu(query + heard, NEGATIVE_SLOPE).unflatten(1, weight.shape)
        slots.append((hidden * weight).sum(2))
    scores = torch.stack(slots, 1) + slot_bias  # [rows, degree, num_heads]
    alpha = attention_weights(scores, gate)
    mixed = torch.zeros_like(query).unflatten(1, weight.shape)
    for slot in range(neighbours.shape[1]):
        heard = message.index_select(0, neighbours[:, slot]).unflatten(1, weight.shape)
        mixed = torch.addcmul(mixed, heard, alpha[:, slot, :, None])
    return mixed.flatten(1), scores.masked_fill((gate <= 0)[:, :, None], VOID_SCORE)


class _AttendByInverse(torch.autograd.Function):
    """`attend` with a backward pass in closed form that gathers through the inverse table.

    Slots beyond the width of `inverse` (independent draws, kept edges, all of the pyramid's) have no inverse; their
    gradients are added by index.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        message: Tensor,
        weight: Tensor,
        neighbours: Tensor,
        gate: Tensor,
        slot_bias: Tensor,
        inverse: Tensor,
    ) -> tuple[Tensor, Tensor]:
        by_head = (-1, neighbours.shape[1], *weight.shape)
        mixed = torch.empty_like(query)
        scores = query.new_empty(*neighbours.shape, weight.shape[0])
        for start in range(0, query.shape[0], _BLOCK):
            rows = slice(start, start + _BLOCK)
            heard = _gather(message, neighbours[rows])
            hidden = F.leaky_relu_(heard + query[rows, None], NEGATIVE_SLOPE)
            torch.sum(hidden.view(by_head).mul_(weight), 3, out=scores[rows])
            scores[rows] += slot_bias
            alpha = attention_weights(scores[rows], gate[rows])
            heard.view(by_head).mul_(alpha[..., None])
            torch.sum(heard, 1, out=mixed[rows])
        ctx.save_for_backward(query, message, weight, neighbours, gate, inverse, scores)
        return mixed, scores.masked_fill((gate <= 0)[:, :, None], VOID_SCORE)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        grad_mixed, grad_scores = gradients
        query, message, weight, neighbours, gate, inverse, scores = ctx.saved_tensors
        num_heads, head_channels = weight.shape
        degree, num_mapped = neighbours.shape[1], inverse.shape[1]
        projection = _score_projection(weight)  # [num_heads, channels]
        exponents = _open_exponents(scores, gate)
        exponents /= (exponents * gate[:, :, None]).sum(1, keepdim=True).clamp_(min=1e-30)  # d alpha / d w
        alpha = exponents * gate[:, :, None]
        raw = grad_scores.masked_fill((gate <= 0)[:, :, None], 0)  # of the scores, all uses together
        grad_query, grad_message = torch.empty_like(query), torch.zeros_like(message)
        grad_gate = torch.empty_like(gate)
        grad_weight = torch.zeros_like(weight)
        for start in range(0, query.shape[0], _BLOCK):  # of listeners
            rows = slice(start, start + _BLOCK)
            heard = _gather(message, neighbours[rows])
            asked = grad_mixed[rows].view(-1, 1, num_heads, head_channels)
            grad_alpha = (heard.view(-1, degree, num_heads, head_channels) * asked).sum(3)
            grad_alpha -= (alpha[rows] * grad_alpha).sum(1, keepdim=True)
            grad_gate[rows] = (exponents[rows] * grad_alpha).sum(2)
            raw[rows] += alpha[rows] * grad_alpha
            before = heard.add_(query[rows, None])
            grad_before = _through_leaky(raw[rows].reshape(-1, num_heads).mm(projection), before)
            torch.sum(grad_before, 1, out=grad_query[rows])
            hidden = F.leaky_relu_(before, NEGATIVE_SLOPE).view(-1, degree, num_heads, head_channels)
            grad_weight += hidden.mul_(raw[rows][..., None]).sum((0, 1))
            if degree > num_mapped:
                said = (alpha[rows, num_mapped:, :, None] * asked).flatten(2)
                kept = (grad_before[:, num_mapped:] + said).flatten(0, 1)
                grad_message.index_add_(0, neighbours[rows, num_mapped:].flatten(), kept)
        slots = torch.arange(num_mapped, device=inverse.device)
        for start in range(0, query.shape[0], _BLOCK):  # of those listened to
            rows = slice(start, start + _BLOCK)
            listeners = inverse[rows].to(torch.int64)  # [block, num_mapped]
            edges = (listeners * degree + slots).view(-1)
            before = _gather(query, listeners).add_(message[rows, None])
            edge_raw = raw.view(-1, num_heads).index_select(0, edges)
            edge_alpha = alpha.view(-1, num_heads).index_select(0, edges)
            said = _gather(grad_mixed, listeners)
            said.view(-1, num_heads, head_channels).mul_(edge_alpha[:, :, None])
            grad_before = _through_leaky(edge_raw.mm(projection), before).add_(said)
            grad_message[rows] += grad_before.sum(1)
        return grad_query, grad_message, grad_weight, None, grad_gate, raw.sum(0), None


def _score_projection(weight: Tensor) -> Tensor:
    """a as a block-diagonal matrix [num_heads, channels]: gradients of scores to those of features."""
    return torch.block_diag(*weight)


def _through_leaky(gradient: Tensor, before: Tensor) -> Tensor:
    """Gradient before the leaky rectifier, in the shape of `before`."""
    return torch.ops.aten.leaky_relu_backward(gradient.view(before.shape), before, NEGATIVE_SLOPE, False)


def _gather(rows: Tensor, index: Tensor) -> Tensor:
    """The rows of a block of the table, [block, degree, channels]."""
    return rows.index_select(0, index.reshape(-1)).view(*index.shape, rows.shape[1])


class GatV2(nn.Module):
    """GATv2 over a neighbour table: each token mixes what its neighbours say.

    Args:
        in_channels: Width of a token.
        out_channels: Width of the result, all heads together.
        num_heads: Must divide `out_channels`.

    Source: CNN-GNN (arXiv 2507.07414), equations 11 to 13; PyG's GATv2Conv gives the same numbers.
    """

    def __init__(self, in_channels: int, out_channels: int, num_heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(in_channels, out_channels)
        self.message = nn.Linear(in_channels, out_channels)
        self.weight = nn.Parameter(torch.empty(num_heads, out_channels // num_heads))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.xavier_uniform_(self.query.weight)
        nn.init.xavier_uniform_(self.message.weight)
        nn.init.xavier_uniform_(self.weight)

    def slot_biases(self, degree: int) -> Float[Tensor, "degree num_heads"]:
        """What each slot adds to its scores: nothing."""
        return self.weight.new_zeros(degree, len(self.weight))

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens in_channels"],
        neighbours: Int[Tensor, "num_tokens degree"],
        gate: Float[Tensor, "num_tokens degree"],
        inverse: Int[Tensor, "num_tokens num_mapped"] | None = None,
    ) -> tuple[Float[Tensor, "num_tokens out_channels"], Float[Tensor, "num_tokens degree num_heads"]]:
        """Mixed messages plus bias, and the scores before the softmax.

        Args:
            tokens: Features.
            neighbours: Row i holds the tokens that i listens to.
            gate: Openness of each slot, in [0, 1].
            inverse: For each of the first slots, the token that listens to row j through it; training only.
        """
        query, message = self.query(tokens), self.message(tokens)
        arguments = (query, message, self.weight, neighbours, gate, self.slot_biases(neighbours.shape[1]))
        if inverse is None:
            mixed, scores = attend(*arguments)
        else:
            mixed, scores = _AttendByInverse.apply(*arguments, inverse)
        return mixed + self.bias, scores


class GraphAttention(GatV2):
    """GATv2 whose slots have a bias a head, so that a token two to the left need not weigh as one four to the right.

    Kept slots, whose order means nothing, share one.

    Args:
        in_channels: Width of a token.
        out_channels: Width of the result, all heads together.
        num_heads: Must divide `out_channels`.
        degree: Slots of the table, kept ones apart.
        num_kept: Kept slots behind them.

    Source: as `GatV2`, which it equals while all biases are 0; the biases are those of `attend`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, num_heads: int, *, degree: int, num_kept: int = 0
    ) -> None:
        super().__init__(in_channels, out_channels, num_heads)
        self.degree, self.num_kept = degree, num_kept
        self.slot_bias = nn.Parameter(torch.zeros(degree + min(num_kept, 1), num_heads))

    def slot_biases(self, degree: int) -> Float[Tensor, "degree num_heads"]:
        """What each slot adds to its scores."""
        kept = self.slot_bias[self.degree :].expand(self.num_kept, -1)
        return torch.cat([self.slot_bias[: self.degree], kept])
