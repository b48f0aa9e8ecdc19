"""The pyramid: states of tokens, units of growing size, a graph over the units of all scales, a readout by scale.

The preset `pyramid` has neither the way from large units to small ones nor the graph; `pyramid-graph` has both.

- The encoder gives several states of each token: the lower ones feed small units, the higher ones large units.
- Units hear the units beside them, their parent and children, and units like them; the last are chosen anew in each
  layer, open by degrees, so that ties change nothing.
- Convolutions, means and edges stop at document borders: a text's answer is its own.
- Options are resolved when the model is built; what is off is absent, and the forward pass has no branch.

Not here: which units there are (`batch/scales.py`), what reads the tokens (`encoders/`).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from textlattice.batch.pyramid_batch import PyramidBatch, Scale, Units
from textlattice.config import Config, GraphConfig, PyramidConfig
from textlattice.encoders.form import FormEncoder
from textlattice.encoders.states import StateEncoder
from textlattice.encoders.table import TableEncoder
from textlattice.encoders.tuned import TunedEncoder
from textlattice.models.classifier import ReadSample, WideAndDeep
from textlattice.models.wide import Wide
from textlattice.nn.act_norm import ActNorm
from textlattice.nn.attention import RANDOM_SLOT_BIAS, GraphAttention
from textlattice.nn.dropout import Dropout
from textlattice.nn.gate import rewire
from textlattice.nn.head import LastLayer
from textlattice.nn.inject import make_word_input
from textlattice.nn.pyramid import Climb, Descend, GatedDescend, ScaleReadout, Smooth, unit_mean
from textlattice.nn.similarity import similar_units
from textlattice.nn.spelling import SpellingEncoder

Encoder = FormEncoder | TableEncoder | StateEncoder | TunedEncoder
"""What reads the tokens; the last only in training, which puts it there (`training/tuning.py`)."""
DESCENTS: dict[str, Callable[[int], nn.Module]] = {"sum": Descend, "gate": GatedDescend, "none": Smooth}


class UnitLayer(nn.Module):
    """x + dropout(scale * attention(norm x)) over the table of neighbours.

    The scale is learned by channel and begins at 0: what neighbours say is added as far as it helps. Added in full from
    the first step, it costs the network more than it gives (docs/experiments.md).

    Args:
        channels: Width of a unit.
        num_heads: Attention heads.
        dropout: Probability that a channel of the update is dropped in training.
        degree: Slots of the table. Each slot is of one type of edge, and has a bias of its own.

    Source: MSF-GNN (arXiv 2511.05752), graph network; GATv2 (arXiv 2105.14491); LayerScale (arXiv 2103.17239).
    """

    def __init__(
        self, channels: int, num_heads: int, dropout: float, *, degree: int, num_similar: int = 0
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = GraphAttention(channels, channels, num_heads, degree=degree, num_kept=num_similar)
        self.scale = nn.Parameter(torch.zeros(channels))
        self.dropout = Dropout(dropout)

    def forward(
        self, features: Float[Tensor, "num_units channels"], units: Units[Tensor]
    ) -> Float[Tensor, "num_units channels"]:
        """New features."""
        return self.hear(self.norm(features), features, units.neighbours, units.mask.to(features.dtype))

    def hear(self, normed: Tensor, features: Tensor, neighbours: Tensor, gate: Tensor) -> Tensor:
        """The features with what the neighbours say."""
        no_inverse = neighbours[:, :0]  # units have any number of listeners
        heard, _ = self.attention(normed, neighbours, gate, no_inverse)
        return features + self.dropout(self.scale * heard)


class SimilarLayer(UnitLayer):
    """A `UnitLayer` that hears the units most like each unit as well.

    Args:
        channels: Width of a unit.
        num_heads: Attention heads.
        dropout: Probability that a channel of the update is dropped in training.
        degree: Slots of the table.
        num_similar: Similar units at most.
        threshold: Cosine from which on units are similar.
        temperature: Difference of cosines at which an edge is wholly open.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        dropout: float,
        *,
        degree: int,
        num_similar: int,
        threshold: float,
        temperature: float,
    ) -> None:
        super().__init__(channels, num_heads, dropout, degree=degree, num_similar=num_similar)
        self.num_similar, self.threshold, self.temperature = num_similar, threshold, temperature

    def forward(
        self, features: Float[Tensor, "num_units channels"], units: Units[Tensor]
    ) -> Float[Tensor, "num_units channels"]:
        """New features."""
        normed = self.norm(features)
        similar, openness = self.similar(normed, units)
        return self.hear(normed, features, *rewire(units.neighbours, units.mask, similar, openness))

    def similar(
        self, features: Float[Tensor, "num_units channels"], units: Units[Tensor]
    ) -> tuple[Int[Tensor, "num_units num_similar"], Float[Tensor, "num_units num_similar"]]:
        """The units most like each unit, and how far the edge to each is open."""
        found = [
            similar_units(
                *(features, windows.units, windows.filled),
                num_similar=self.num_similar,
                threshold=self.threshold,
                temperature=self.temperature,
            )
            for windows in units.windows
        ]
        similar, openness = (
            torch.cat(parts).index_select(0, units.place) for parts in zip(*found, strict=True)
        )
        return similar, openness


class DocumentLayer(nn.Module):
    """A layer over the units and a node a document: the mean of the units of its highest scale, which hear it.

    The node is made anew for each layer and keeps nothing; an empty document's is zeros, and nobody hears it.

    Args:
        layer: What runs over all nodes.

    Source: MSF-GNN (arXiv 2511.05752), graph over fused features; the node is ours.
    """

    def __init__(self, layer: UnitLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, features: Float[Tensor, "num_units channels"], units: Units[Tensor]
    ) -> Float[Tensor, "num_units channels"]:
        """New features."""
        assert units.documents is not None
        nodes = unit_mean(features, units.documents.doc_index, units.documents.num_units)
        heard: Tensor = self.layer(torch.cat([features, nodes]), units)
        return heard[: features.shape[0]]


class PyramidClassifier(WideAndDeep):
    """Logits of each document of a batch.

    Args:
        config: Settings, whose model is of this family.
        num_outputs: Logits a document.
        num_words: Known words.
        num_ngrams: Known n-grams of the wide branch; 0 leaves only its bias.
        num_injected: Words of the token table.

    Source: MSF-GNN (arXiv 2511.05752), which prints no layers; `docs/architecture.md` says what is ours.
    """

    def __init__(
        self, config: Config, *, num_outputs: int, num_words: int, num_ngrams: int, num_injected: int = 0
    ) -> None:
        super().__init__()
        model = config.model
        assert isinstance(model, PyramidConfig)
        channels, above = model.channels, range(model.num_scales - 1)
        self.encoder: Encoder = _encoder(config, model, num_words, num_injected)
        self.word_channels = model.word_channels if model.encoder == "form" else 0
        widths = self.encoder.widths
        self.state_of = states_of_scales(len(widths), model.num_scales)
        self.projections = nn.ModuleList(nn.Linear(widths[place], channels) for place in self.state_of)
        self.dropout = Dropout(model.dropout)
        self.climbs = nn.ModuleList(Climb(channels) for _ in above)
        self.top = Smooth(channels)
        self.descents = nn.ModuleList(DESCENTS[model.top_down](channels) for _ in above)
        self.layers = nn.ModuleList(_layer(model, config.graph) for _ in range(model.num_layers))
        self.readout = ScaleReadout(channels, model.num_scales, model.head_channels)
        self.head = LastLayer(model.head_channels, num_outputs, model.dropout)
        self.wide = Wide(num_ngrams, num_outputs)

    def fill_words(self, rows: Float[Tensor, "num_words word_channels"]) -> None:
        """Begins the rows of the known words with the given ones; training goes on from there."""
        assert isinstance(self.encoder, FormEncoder)
        self.encoder.fill_words(rows)

    def fill_injected(self, vectors: Float[Tensor, "num_injected injected_channels"]) -> None:
        """Takes the vectors of a token table; they are not trained."""
        assert isinstance(self.encoder, FormEncoder | TableEncoder)
        self.encoder.fill_vectors(vectors)

    def tuned(self) -> list[nn.Parameter]:
        """Parameters of the language model, while it learns."""
        return [*self.encoder.parameters()] if isinstance(self.encoder, TunedEncoder) else []

    def forward(self, batch: PyramidBatch[Tensor]) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits, natural-log units: the network and the wide branch, summed."""
        assert batch.ngrams is not None
        deep = self.deep_logits(batch)
        return deep + self.wide(batch.ngrams, deep.shape[0])

    def deep_logits(self, batch: PyramidBatch[Tensor]) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits of the network alone."""
        return self.head(self.document_vectors(batch))

    def document_vectors(self, batch: PyramidBatch[Tensor]) -> Float[Tensor, "num_docs head_channels"]:
        """One vector a document: the hidden layer, which the head takes through its ELU."""
        return self.readout.mean(self.read_scales(batch), present(batch.scales))

    def scale_weights(self, batch: PyramidBatch[Tensor]) -> Float[Tensor, "num_docs num_scales"]:
        """How much each scale counts for each document; sums to 1."""
        return self.readout.weigh(self.read_scales(batch), present(batch.scales))

    def read_scales(self, batch: PyramidBatch[Tensor]) -> Float[Tensor, "num_docs num_scales head_channels"]:
        """One vector a document and scale; what a document without units in a scale has there is not weighed."""
        scales: Tensor = self.readout(self.read_units(batch))
        return scales

    def read_units(self, batch: PyramidBatch[Tensor]) -> list[Float[Tensor, "num_docs width"]]:
        """Largest, mean and attended values of each document, three times as wide as a unit, scale by scale."""
        scales = batch.scales
        features = torch.cat(self.descend(self.climb(self.read_states(batch), scales), scales))
        for layer in self.layers:
            features = layer(features, batch.units)
        by_scale = features.split([scale.parent.shape[0] for scale in scales])
        return [
            self.readout.read(number, units, scale.documents.doc_index, scale.documents.doc_ptr)
            for number, (units, scale) in enumerate(zip(by_scale, scales, strict=True))
        ]

    @torch.no_grad()
    def begin_norms(self, read: ReadSample) -> None:
        """Begins the norms of the scales, each with the documents that have it."""
        values = read(lambda batch: torch.stack(self.read_units(batch), 1))
        has = values.any(2)  # what a document has not reads as zeros
        for number, norm in enumerate(self.readout.norms):
            assert isinstance(norm, ActNorm)
            norm.begin(values[has[:, number], number])

    def read_states(self, batch: PyramidBatch[Tensor]) -> list[Float[Tensor, "num_tokens channels"]]:
        """A state of each token for each scale."""
        states = self.encoder(batch)
        return [
            self.dropout(project(states[place]))
            for place, project in zip(self.state_of, self.projections, strict=True)
        ]

    def climb(self, states: list[Tensor], scales: tuple[Scale[Tensor], ...]) -> list[Tensor]:
        """Units of each scale, the tokens first, from those below and the states."""
        units = [states[0]]
        for climb, state, below, own in zip(self.climbs, states[1:], scales[:-1], scales[1:], strict=True):
            units.append(
                climb(
                    units[-1],
                    below.documents.doc_index,
                    below.parent,
                    own.num_children,
                    state,
                    own.token_unit,
                    own.num_tokens,
                )
            )
        return units

    def descend(self, units: list[Tensor], scales: tuple[Scale[Tensor], ...]) -> list[Tensor]:
        """The same units smoothed; with a way down each also reads the larger one it is part of."""
        highest = scales[-1]
        passed = [self.top(units[-1], highest.documents.doc_index, units[-1], highest.parent)]
        for descent, own, scale in reversed([*zip(self.descents, units[:-1], scales[:-1], strict=True)]):
            passed.append(descent(own, scale.documents.doc_index, passed[-1], scale.parent))
        return passed[::-1]


def states_of_scales(num_states: int, num_scales: int) -> list[int]:
    """Which state feeds each scale: the highest ones, the last of them more than once where there are too few."""
    first = max(0, num_states - num_scales)
    return [min(first + number, num_states - 1) for number in range(num_scales)]


def present(scales: tuple[Scale[Tensor], ...]) -> Tensor:
    """Which scales each document has, bool [num_docs, num_scales]."""
    return torch.stack([scale.documents.doc_ptr.diff() > 0 for scale in scales], 1)


def _encoder(config: Config, model: PyramidConfig, num_words: int, num_injected: int) -> Encoder:
    if model.encoder == "table":
        return TableEncoder(num_injected, model.injected_channels)
    if model.encoder == "language_model":
        return StateEncoder(model.num_states, model.state_channels)
    text, channels = config.text, model.word_channels
    word_input = make_word_input(
        *(num_words, channels, model.dropout, model.word_dropout),
        num_injected=num_injected,
        injected_channels=model.injected_channels,
    )
    spelling = SpellingEncoder(text.num_characters, text.num_subwords, model.char_channels, channels)
    return FormEncoder(spelling, word_input, channels)


def _layer(model: PyramidConfig, graph: GraphConfig) -> UnitLayer | DocumentLayer:
    sizes, degree = (model.channels, model.num_heads, model.dropout), model.degree(graph)
    if "similar" in model.edges:
        layer: UnitLayer = SimilarLayer(
            *sizes,
            degree=degree,
            num_similar=model.num_similar,
            threshold=model.least_similarity,
            temperature=model.similarity_temperature,
        )
    else:
        layer = UnitLayer(*sizes, degree=degree)
    with torch.no_grad():
        layer.attention.slot_bias[model.random_slots(graph)] = RANDOM_SLOT_BIAS
    return DocumentLayer(layer) if "document" in model.edges else layer
