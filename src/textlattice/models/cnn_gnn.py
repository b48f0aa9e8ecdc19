"""The product: characters and words, convolution beside graph attention, rewired once, plus a wide branch.

- Each distinct token is read once (`encode_forms`); its vector is shared by all occurrences.
- The second graph holds the strongest edges of the first, gated, so that ties change nothing.
- Norms are per token, convolutions stop at document borders: a text's answer is its own.
- The wide branch is a linear model over n-grams, fitted apart and added at the end.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.batch.text_batch import Documents, Forms, Graph, TextBatch
from textlattice.config import CnnGnnConfig, Config, GraphConfig
from textlattice.models.classifier import ReadSample, WideAndDeep
from textlattice.models.wide import Wide
from textlattice.nn.act_norm import ActNorm
from textlattice.nn.attention import RANDOM_SLOT_BIAS
from textlattice.nn.block import ConvBlock, GraphBlock
from textlattice.nn.conv import RaggedConv
from textlattice.nn.gate import keep_edges, rewire
from textlattice.nn.head import Head
from textlattice.nn.inject import InjectedWordInput, make_word_input
from textlattice.nn.readout import Readout
from textlattice.nn.spelling import SpellingEncoder


class GraphBlocks(nn.Module):
    """Two blocks; the second hears the strongest neighbours of the first as well."""

    def __init__(self, model: CnnGnnConfig, graph: GraphConfig) -> None:
        super().__init__()
        self.num_kept, self.temperature = graph.num_kept_edges, graph.keep_temperature
        widths = (model.channels, model.num_heads, model.dropout)
        self.block1 = GraphBlock(*widths, degree=graph.degree(0))
        self.block2 = GraphBlock(*widths, degree=graph.degree(1), num_kept=self.num_kept)
        with torch.no_grad():
            for place, block in enumerate((self.block1, self.block2)):
                block.attention.slot_bias[graph.random_slots(place)] = RANDOM_SLOT_BIAS

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        documents: Documents[Tensor],
        graph1: Graph[Tensor],
        graph2: Graph[Tensor],
    ) -> Float[Tensor, "num_tokens channels"]:
        """Tokens that have heard their document."""
        tokens, kept, openness = self.keep(tokens, documents, graph1)
        neighbours, gate = rewire(graph2.neighbours, graph2.mask, kept, openness)
        tokens, _ = self.block2(tokens, documents.doc_index, neighbours, gate, graph2.inverse)
        return tokens

    def keep(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        documents: Documents[Tensor],
        graph1: Graph[Tensor],
    ) -> tuple[
        Float[Tensor, "num_tokens channels"],
        Int[Tensor, "num_tokens num_kept"],
        Float[Tensor, "num_tokens num_kept"],
    ]:
        """Tokens after block 1, the neighbours that each heard best in it, and how far these edges are open, 0 to 1."""
        mask = graph1.mask.to(tokens.dtype)
        tokens, scores = self.block1(tokens, documents.doc_index, graph1.neighbours, mask, graph1.inverse)
        return tokens, *keep_edges(graph1.neighbours, scores, self.num_kept, self.temperature)


class ConvBlocks(nn.Module):
    """Two blocks of convolution alone: the "no graph" row, with equal parameters."""

    def __init__(self, model: CnnGnnConfig) -> None:
        super().__init__()
        self.block1 = ConvBlock(model.channels, model.dropout)
        self.block2 = ConvBlock(model.channels, model.dropout)

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        documents: Documents[Tensor],
        graph1: Graph[Tensor],
        graph2: Graph[Tensor],
    ) -> Float[Tensor, "num_tokens channels"]:
        """Tokens that have heard the few beside them; the graphs are not looked at."""
        return self.block2(self.block1(tokens, documents.doc_index), documents.doc_index)


class CnnGnnClassifier(WideAndDeep):
    """Logits of each document of a batch.

    Args:
        config: Settings; only their numbers reach the layers.
        num_outputs: Logits a document.
        num_words: Known words.
        num_ngrams: Known n-grams of the wide branch; 0 leaves only its bias.
        num_injected: Words of the token table; read only where the settings give its vectors a width.

    Source: CNN-GNN (arXiv 2507.07414); what differs is described in `docs/architecture.md`.
    """

    def __init__(
        self, config: Config, *, num_outputs: int, num_words: int, num_ngrams: int, num_injected: int = 0
    ) -> None:
        super().__init__()
        text, model = config.text, config.model
        assert isinstance(model, CnnGnnConfig)
        self.word_channels = model.channels
        self.spelling = SpellingEncoder(
            text.num_characters, text.num_subwords, model.char_channels, model.channels
        )
        self.word_input = make_word_input(
            *(num_words, model.channels, model.dropout, model.word_dropout),
            num_injected=num_injected,
            injected_channels=model.injected_channels,
        )
        self.token_conv = RaggedConv(self.word_input.out_channels, model.channels, 3)
        self.blocks = GraphBlocks(model, config.graph) if model.graph_attention else ConvBlocks(model)
        self.readout = Readout(model.channels)
        self.norm = ActNorm(3 * model.channels)
        self.head = Head(3 * model.channels, model.head_channels, num_outputs, model.dropout)
        self.wide = Wide(num_ngrams, num_outputs)

    def fill_words(self, rows: Float[Tensor, "num_words channels"]) -> None:
        """Begins the rows of the known words with the given ones; training goes on from there."""
        self.word_input.fill_words(rows)

    def fill_injected(self, vectors: Float[Tensor, "num_injected injected_channels"]) -> None:
        """Takes the vectors of a token table; they are not trained. For settings that give them a width."""
        assert isinstance(self.word_input, InjectedWordInput)
        self.word_input.fill_vectors(vectors)

    def forward(self, batch: TextBatch[Tensor]) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits, natural-log units."""
        assert batch.forms is not None
        return self.classify(batch, self.encode_forms(batch.forms))

    def encode_forms(self, forms: Forms[Tensor]) -> Float[Tensor, "num_forms channels"]:
        """One vector a distinct token; depends on its spelling alone."""
        return self.spelling(
            forms.characters,
            forms.form_index,
            forms.form_ptr,
            forms.subwords,
            forms.subword_index,
            forms.subword_ptr,
        )

    def classify(
        self, batch: TextBatch[Tensor], forms: Float[Tensor, "num_forms channels"]
    ) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits from the vectors of the forms: the graph network and the wide branch, summed."""
        assert batch.ngrams is not None
        deep = self.deep(batch, forms)
        return deep + self.wide(batch.ngrams, deep.shape[0])

    def kept_edges(
        self, batch: TextBatch[Tensor]
    ) -> tuple[Int[Tensor, "num_tokens num_kept"], Float[Tensor, "num_tokens num_kept"]]:
        """Neighbours that block 2 hears again from block 1, and how far these edges are open, 0 to 1.

        Without a graph there are none.
        """
        assert batch.forms is not None
        if not isinstance(self.blocks, GraphBlocks):
            return batch.graph1.neighbours[:, :0], self.wide.bias.new_zeros(len(batch.graph1.neighbours), 0)
        tokens = self.read_tokens(batch, self.encode_forms(batch.forms))
        _, kept, openness = self.blocks.keep(tokens, batch.documents, batch.graph1)
        return kept, openness

    def deep_logits(self, batch: TextBatch[Tensor]) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits of the graph network alone, of a batch that holds its forms."""
        assert batch.forms is not None
        return self.deep(batch, self.encode_forms(batch.forms))

    def begin_norms(self, read: ReadSample) -> None:
        """Begins the norm of the document vectors."""
        self.norm.begin(read(self.document_vectors))

    def document_vectors(self, batch: TextBatch[Tensor]) -> Float[Tensor, "num_docs width"]:
        """One vector a document, from a batch that holds its forms."""
        assert batch.forms is not None
        return self.read_documents(batch, self.encode_forms(batch.forms))

    def deep(
        self, batch: TextBatch[Tensor], forms: Float[Tensor, "num_forms channels"]
    ) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits of the graph network alone."""
        return self.head(self.norm(self.read_documents(batch, forms)))

    def read_documents(
        self, batch: TextBatch[Tensor], forms: Float[Tensor, "num_forms channels"]
    ) -> Float[Tensor, "num_docs width"]:
        """One vector a document, three times as wide as a token."""
        tokens = self.read_tokens(batch, forms)
        tokens = self.blocks(tokens, batch.documents, batch.graph1, batch.graph2)
        return self.readout(tokens, batch.documents.doc_index, batch.documents.doc_ptr)

    def read_tokens(
        self, batch: TextBatch[Tensor], forms: Float[Tensor, "num_forms channels"]
    ) -> Float[Tensor, "num_tokens channels"]:
        """Tokens that know their form, their word and the tokens beside them; what enters the blocks."""
        tokens = self.word_input(forms, batch.tokens.form, batch.tokens.word, batch.tokens.injected)
        return self.token_conv(tokens, batch.documents.doc_index)
