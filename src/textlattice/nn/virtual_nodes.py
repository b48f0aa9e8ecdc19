"""Nodes of no token, a few a document: every token hears them, and they hear every token."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from textlattice.nn.attention import NEGATIVE_SLOPE, GatV2, attend
from textlattice.nn.ragged import segment_softmax, segment_sum


class VirtualGatV2(GatV2):
    """`GatV2` over tokens and virtual nodes, which share its weights.

    Source: CNN-GNN (arXiv 2507.07414); nodes are kept by document and number, so that none hears another document.
    """

    def exchange(
        self,
        tokens: Float[Tensor, "num_tokens in_channels"],
        nodes: Float[Tensor, "num_docs num_virtual in_channels"],
        doc_index: Int[Tensor, " num_tokens"],
        neighbours: Int[Tensor, "num_tokens degree"],
        gate: Float[Tensor, "num_tokens degree"],
    ) -> tuple[
        Float[Tensor, "num_tokens out_channels"],
        Float[Tensor, "num_docs num_virtual out_channels"],
        Float[Tensor, "num_tokens degree num_heads"],
    ]:
        """What tokens hear, what nodes hear, and the scores of the slots of the table before the softmax.

        A node of a document without tokens hears nothing and yields the bias.
        """
        num_tokens, degree = neighbours.shape
        num_docs, num_virtual, _ = nodes.shape
        rows = torch.cat([tokens, nodes.flatten(0, 1)])
        query, message = self.query(rows), self.message(rows)
        places = torch.arange(num_virtual, device=doc_index.device)
        heard = (num_tokens + doc_index[:, None] * num_virtual + places).to(neighbours.dtype)
        table = torch.cat([neighbours, heard], 1)
        openness = torch.cat([gate, gate.new_ones(num_tokens, num_virtual)], 1)
        shut = (0, 0, 0, num_docs * num_virtual)  # the nodes' own rows of the table: they listen below
        mixed, scores = attend(
            *(query, message, self.weight, F.pad(table, shut), F.pad(openness, shut)),
            self.slot_biases(degree + num_virtual),
        )
        asked = query[num_tokens:].view(num_docs, num_virtual, *self.weight.shape)
        said = message[:num_tokens].view(num_tokens, 1, *self.weight.shape)
        hidden = F.leaky_relu(asked.index_select(0, doc_index) + said, NEGATIVE_SLOPE)
        node_scores = (hidden * self.weight).sum(3)  # [num_tokens, num_virtual, num_heads]
        alpha = segment_softmax(node_scores.flatten(1), doc_index, num_docs).view_as(node_scores)
        gathered = segment_sum((alpha[..., None] * said).flatten(1), doc_index, num_docs)
        return (
            mixed[:num_tokens] + self.bias,
            gathered.view(num_docs, num_virtual, -1) + self.bias,
            scores[:num_tokens, :degree],
        )
