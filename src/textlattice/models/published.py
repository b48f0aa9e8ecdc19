"""The published CNN-GNN with all its ablations, defects mended: the yardstick, not the product.

- One stream of characters, read by two convolutions, pooled to tokens.
- Polarity and subjectivity enter at up to three places, vectors of a language model before the second block.
- The second graph holds the two strongest edges a token of the first, cut hard: at a tie one rounding decides.
- Options are resolved when the model is built; what is off is absent, and the forward pass has no branch.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.batch.published_batch import PublishedBatch
from textlattice.batch.text_batch import Documents, Graph
from textlattice.config import Config, PublishedConfig
from textlattice.models.classifier import Classifier
from textlattice.nn.attention import GatV2, attention_weights
from textlattice.nn.conv import DepthwiseConv, RaggedConv
from textlattice.nn.gate import rewire
from textlattice.nn.inject import at_unit_size
from textlattice.nn.norms import make_norm
from textlattice.nn.pair_attention import PairAttention
from textlattice.nn.positions import PositionalEncoding
from textlattice.nn.ragged import segment_max, segment_mean
from textlattice.nn.sentiment import NUM_SENTIMENTS, SentimentConv, SentimentLinear
from textlattice.nn.unchanged import Unchanged
from textlattice.nn.virtual_nodes import VirtualGatV2

CONVOLUTIONS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "full": RaggedConv,
    "depthwise": DepthwiseConv,
}
ATTENTIONS: dict[str, Callable[[int, int, int], nn.Module]] = {"gatv2": GatV2, "pair": PairAttention}
_LEAKY_SLOPE = 0.01

Nodes = Float[Tensor, "num_docs num_virtual channels"]


def strongest_edges(
    neighbours: Int[Tensor, "num_tokens degree"],
    scores: Float[Tensor, "num_tokens degree num_heads"],
    gate: Float[Tensor, "num_tokens degree"],
    num_kept: int,
) -> tuple[Int[Tensor, "num_tokens num_kept"], Float[Tensor, "num_tokens num_kept"]]:
    """The neighbours that each token heard best, mean over heads, and whether it has so many: 1 or 0.

    Source: CNN-GNN (arXiv 2507.07414), algorithm 2.
    """
    weights, slots = attention_weights(scores, gate).mean(2).topk(num_kept, dim=1)
    return neighbours.gather(1, slots), (weights > 0).to(gate.dtype)


class PublishedBlock(nn.Module):
    """[LeakyReLU(norm(attention x)) ; ReLU(conv x)]; nothing is added to x.

    Args:
        config: Settings.
        in_channels: Width of a token.
        out_channels: Width of the result, half of it from either branch.

    Source: CNN-GNN (arXiv 2507.07414), row "CNN-GNN".
    """

    def __init__(self, config: PublishedConfig, in_channels: int, out_channels: int) -> None:
        super().__init__()
        attention = VirtualGatV2 if config.num_virtual_nodes else ATTENTIONS[config.attention]
        self.attention = attention(in_channels, out_channels // 2, config.num_heads)
        self.norm = make_norm(config.norm, out_channels // 2)
        self.conv = CONVOLUTIONS[config.convolution](in_channels, out_channels // 2, 3)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens in_channels"],
        nodes: Nodes,
        documents: Documents[Tensor],
        neighbours: Int[Tensor, "num_tokens degree"],
        gate: Float[Tensor, "num_tokens degree"],
        inverse: Int[Tensor, "num_tokens num_mapped"] | None,
    ) -> tuple[Float[Tensor, "num_tokens out_channels"], Nodes, Float[Tensor, "num_tokens degree num_heads"]]:
        """New tokens, the same nodes (there are none), and the scores before the softmax."""
        far, scores = self.attention(tokens, neighbours, gate, inverse)
        return self.join(tokens, far, documents), nodes, scores

    def join(
        self,
        tokens: Float[Tensor, "num_tokens in_channels"],
        far: Float[Tensor, "num_tokens far_channels"],
        documents: Documents[Tensor],
    ) -> Float[Tensor, "num_tokens out_channels"]:
        """Both branches side by side."""
        far = F.leaky_relu(self.norm(far, documents.doc_index, documents.doc_ptr), _LEAKY_SLOPE)
        return torch.cat([far, F.relu(self.conv(tokens, documents.doc_index))], 1)


class VirtualBlock(PublishedBlock):
    """A `PublishedBlock` with virtual nodes, for which a linear layer stands in for the convolution.

    Args:
        config: Settings.
        in_channels: Width of a token and of a node.
        out_channels: Width of the result, half of it from either branch.
    """

    attention: VirtualGatV2

    def __init__(self, config: PublishedConfig, in_channels: int, out_channels: int) -> None:
        super().__init__(config, in_channels, out_channels)
        self.node_output = nn.Linear(in_channels, out_channels // 2)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens in_channels"],
        nodes: Nodes,
        documents: Documents[Tensor],
        neighbours: Int[Tensor, "num_tokens degree"],
        gate: Float[Tensor, "num_tokens degree"],
        inverse: Int[Tensor, "num_tokens num_mapped"] | None,
    ) -> tuple[Float[Tensor, "num_tokens out_channels"], Nodes, Float[Tensor, "num_tokens degree num_heads"]]:
        """New tokens and nodes, and the scores of the table's slots before the softmax."""
        far, heard, scores = self.attention.exchange(tokens, nodes, documents.doc_index, neighbours, gate)
        nodes = torch.cat([F.leaky_relu(heard, _LEAKY_SLOPE), F.relu(self.node_output(nodes))], 2)
        return self.join(tokens, far, documents), nodes, scores


class CharacterReader(nn.Module):
    """Characters to tokens: two convolutions over five characters, then the largest and the mean value of each token.

    Args:
        config: Settings.
        num_characters: Rows of the character table; higher code points share the last.

    Source: CNN-GNN (arXiv 2507.07414), equations 7 to 10.
    """

    def __init__(self, config: PublishedConfig, num_characters: int) -> None:
        super().__init__()
        conv, channels = CONVOLUTIONS[config.convolution], config.channels
        self.characters = nn.Embedding(num_characters, channels)
        self.conv1, self.conv2 = conv(channels, channels, 5), conv(channels, channels, 5)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, batch: PublishedBatch[Tensor]) -> Float[Tensor, "num_tokens width"]:
        """One vector a token, twice as wide as a character."""
        letters = self.dropout(F.embedding(batch.characters, self.characters.weight))
        letters = F.relu(self.conv1(letters, batch.char_doc))
        letters = self.dropout(F.relu(self.conv2(letters, batch.char_doc)))
        num_tokens = batch.token_ptr.shape[0] - 1
        largest = segment_max(letters, batch.char_token, num_tokens)
        return torch.cat([largest, segment_mean(letters, batch.char_token, batch.token_ptr)], 1)


class PublishedClassifier(Classifier):
    """Logits of each document of a batch.

    Args:
        settings: Settings, whose model is of this family.
        num_outputs: Logits a document.
        num_injected: Words of the token table; read only where the settings take something from it.

    Source: CNN-GNN (arXiv 2507.07414), figure 1 and table 9; what is mended stands in `docs/architecture.md`.
    """

    vectors: Tensor

    def __init__(self, settings: Config, *, num_outputs: int, num_injected: int = 0) -> None:
        super().__init__()
        config = settings.model
        assert isinstance(config, PublishedConfig)
        channels, width = config.channels, config.width
        self.num_kept, self.num_injected = settings.graph.num_kept_edges, config.injected_channels
        self.reader = CharacterReader(config, settings.text.num_characters)
        self.num_sentiments = NUM_SENTIMENTS if 1 in config.sentiment_positions else 0
        conv = CONVOLUTIONS[config.convolution]
        self.token_conv = conv(2 * channels + self.num_sentiments, channels, 3)
        self.sentiment2, self.sentiment3 = (_sentiment(config, place) for place in (2, 3))
        self.token_places = _positions(config, "tokens", channels)
        self.block1_places = _positions(config, "block1", channels)
        self.injected_places = _positions(config, "injected", config.injected_channels)
        block = VirtualBlock if config.num_virtual_nodes else PublishedBlock
        self.block1, self.block2 = block(config, channels, channels), block(config, width, width)
        self.nodes = nn.Parameter(torch.randn(config.num_virtual_nodes, channels))
        pad = nn.ConstantPad1d((0, config.injected_channels), 0.0)  # of no node
        self.widen = nn.Linear(channels, width) if config.num_virtual_nodes else pad
        self.register_buffer("vectors", torch.zeros(num_injected + 1, config.table_channels))
        self.expand = nn.Linear(width, 2 * width)
        self.hidden = nn.Linear(2 * width * (2 + config.num_virtual_nodes), config.head_channels)
        self.output = nn.Linear(config.head_channels, num_outputs)
        self.dropout = nn.Dropout(config.dropout)

    def fill_injected(self, vectors: Float[Tensor, "num_injected table_channels"]) -> None:
        """Takes the vectors of a token table, polarity and subjectivity last; they are not trained.

        Vectors are divided by their root mean square, so that their scale is no matter; scores stay as they are.
        """
        own, scores = vectors[:, : self.num_injected], vectors[:, self.num_injected :]
        self.vectors[1:] = torch.cat([at_unit_size(own), scores], 1)

    @torch.no_grad()
    def join(
        self,
        wide_weight: Float[Tensor, "num_ngrams num_outputs"],
        wide_bias: Float[Tensor, " num_outputs"],
        scale: float,
    ) -> None:
        """Brings the network to its scale; of a wide branch, which it has not, the bias remains."""
        assert not len(wide_weight)
        self.output.weight.mul_(scale)
        self.output.bias.mul_(scale).add_(wide_bias)

    def learned(self) -> Mapping[str, Tensor]:
        """What training changes, by name: all but the token table; views."""
        return {name: value for name, value in self.state_dict().items() if name != "vectors"}

    def deep_logits(self, batch: PublishedBatch[Tensor]) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits, natural-log units: there is no other branch."""
        return self(batch)

    def forward(self, batch: PublishedBatch[Tensor]) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits, natural-log units."""
        documents, graph2 = batch.documents, batch.graph2
        sentiment, vectors = self.look_up(batch)
        tokens, nodes, scores = self.first_block(batch, sentiment)
        tokens = self.block1_places(tokens, documents.doc_index, documents.doc_ptr)
        neighbours, gate = rewire(graph2.neighbours, graph2.mask, *self.strongest(batch.graph1, scores))
        tokens = self.sentiment3(tokens, sentiment, documents.doc_index, documents.doc_ptr)
        tokens, nodes = torch.cat([tokens, vectors], 1), self.widen(nodes)
        tokens, nodes, _ = self.block2(tokens, nodes, documents, neighbours, gate, graph2.inverse)
        return self.classify(F.elu(self.expand(tokens)), F.elu(self.expand(nodes)), documents)

    def look_up(
        self, batch: PublishedBatch[Tensor]
    ) -> tuple[Float[Tensor, "num_tokens num_sentiments"], Float[Tensor, "num_tokens injected_channels"]]:
        """Polarity and subjectivity of each token, and its vector; zeros without one."""
        rows = F.embedding(batch.injected, self.vectors)
        vectors, sentiment = rows[:, : self.num_injected], rows[:, self.num_injected :]
        return sentiment, self.injected_places(vectors, batch.documents.doc_index, batch.documents.doc_ptr)

    def first_block(
        self, batch: PublishedBatch[Tensor], sentiment: Float[Tensor, "num_tokens num_sentiments"]
    ) -> tuple[Float[Tensor, "num_tokens channels"], Nodes, Float[Tensor, "num_tokens degree num_heads"]]:
        """Tokens and nodes after block 1, and its scores before the softmax."""
        documents, graph = batch.documents, batch.graph1
        where = (documents.doc_index, documents.doc_ptr)
        read = torch.cat([self.reader(batch), sentiment[:, : self.num_sentiments]], 1)
        tokens = F.relu(self.token_conv(read, documents.doc_index))
        tokens = self.token_places(self.sentiment2(tokens, sentiment, *where), *where)
        nodes = self.nodes.expand(documents.doc_ptr.shape[0] - 1, -1, -1)
        gate = graph.mask.to(tokens.dtype)
        return self.block1(tokens, nodes, documents, graph.neighbours, gate, graph.inverse)

    def strongest(
        self, graph1: Graph[Tensor], scores: Float[Tensor, "num_tokens degree num_heads"]
    ) -> tuple[Int[Tensor, "num_tokens num_kept"], Float[Tensor, "num_tokens num_kept"]]:
        """The edges of graph 1 that graph 2 takes over, and whether there are so many: 1 or 0."""
        return strongest_edges(graph1.neighbours, scores, graph1.mask.to(scores.dtype), self.num_kept)

    def kept_edges(
        self, batch: PublishedBatch[Tensor]
    ) -> tuple[Int[Tensor, "num_tokens num_kept"], Float[Tensor, "num_tokens num_kept"]]:
        """Neighbours that block 2 hears again from block 1, and whether each is an edge: 1 or 0."""
        _, _, scores = self.first_block(batch, self.look_up(batch)[0])
        return self.strongest(batch.graph1, scores)

    def classify(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        nodes: Nodes,
        documents: Documents[Tensor],
    ) -> Float[Tensor, "num_docs num_outputs"]:
        """Largest and mean value of each channel over a document, its nodes behind them, then two layers."""
        num_docs = documents.doc_ptr.shape[0] - 1
        largest = segment_max(tokens, documents.doc_index, num_docs)
        mean = segment_mean(tokens, documents.doc_index, documents.doc_ptr)
        hidden = F.elu(self.hidden(torch.cat([largest, mean, nodes.flatten(1)], 1)))
        return self.output(self.dropout(hidden))


def _sentiment(config: PublishedConfig, place: int) -> nn.Module:
    if place not in config.sentiment_positions:
        return Unchanged()
    make: dict[str, Callable[[], nn.Module]] = {
        "conv": partial(SentimentConv, config.channels, config.norm),
        "linear1": partial(SentimentLinear, config.channels, residual=True),
        "linear2": partial(SentimentLinear, config.channels, residual=False),
    }
    return make[config.sentiment]()


def _positions(config: PublishedConfig, place: str, channels: int) -> nn.Module:
    return PositionalEncoding(channels) if place in config.positional_encoding else Unchanged()


@torch.no_grad()
def flip_rate(model: PublishedClassifier, batch: PublishedBatch[Tensor]) -> float:
    """Share of tokens whose kept edges differ between single and double precision, in evaluation mode.

    The edges are cut hard, so that where two scores nearly tie a rounding decides, and everything behind it changes.

    Args:
        model: In evaluation mode; it is put into double precision and back.
        batch: In single precision.
    """
    assert not model.training
    kept = []
    for dtype in (torch.float32, torch.float64):
        model.to(dtype)
        neighbours, is_edge = model.kept_edges(batch)
        kept.append(torch.where(is_edge > 0, neighbours, -1))
    model.to(torch.float32)
    single, double = (rows.sort(1).values for rows in kept)
    return float((single != double).any(1).double().mean())
