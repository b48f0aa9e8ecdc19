"""Settings of the pyramid."""

import math
from dataclasses import dataclass
from typing import Literal

from textlattice.config.checks import (
    MOST,
    MOST_LAYERS,
    changed,
    require,
    require_at_most,
    require_not_negative,
    require_positive,
    require_shares,
)
from textlattice.config.graph import MAX_DEGREE, GraphConfig

ADJACENT = (1, 2)
"""Distances, within a scale of the pyramid, of the units that a unit hears by `adjacent`."""


@dataclass(frozen=True, kw_only=True)
class PyramidConfig:
    """The language-model pyramid (arXiv 2511.05752), which prints no settings: these are ours.

    Args:
        family: Which network these settings are of.
        encoder: What reads the tokens: `form` our own layers over spelling and words, `table` the vectors of a token
            table, `language_model` the hidden states of one.
        char_channels: Width of the character table and its two convolutions, of `form`.
        word_channels: Width of word rows and of spelling, of `form`.
        injected_channels: Width of the vectors of the token table; training sets it, 0 means no table.
        state_channels: Width of each hidden state of the language model; training sets it.
        num_states: Layers of the language model that are read, evenly spread up to the last; with one scale the last.
        channels: Width of a unit.
        num_scales: Scales: tokens, then units of two, four, eight tokens.
        units: What units are: `pairs` of the scale below, or the same within `sentences`, which are the highest scale.
        top_down: How larger units tell smaller ones: not at all (`none`), by `sum` or by `gate`.
        edges: Whom a unit hears: `adjacent` units, its `tree` (parent and children), `similar` units. By `small_world`
            tokens hear those of the first block of `graph` too; by `document` the units of the highest scale hear a
            node of their document, the mean of them all.
        num_similar: Similar units that a unit hears at most.
        least_similarity: Cosine from which on units are similar.
        similarity_temperature: Difference of cosines at which an edge is wholly open.
        num_layers: Layers of attention over the graph of `edges`; 0 leaves it out.
        num_heads: Attention heads; must divide `channels`.
        head_channels: Hidden width of the classifier.
        dropout: Probability that a channel is dropped in training.
        word_dropout: Probability that the word row of a token is dropped in training, of `form`.

    Source: MSF-GNN (arXiv 2511.05752); feature pyramid networks (arXiv 1612.03144).
    """

    family: Literal["pyramid"] = "pyramid"
    encoder: Literal["form", "table", "language_model"] = "form"
    char_channels: int = 32
    word_channels: int = 64
    injected_channels: int = 0
    state_channels: int = 0
    num_states: int = 2
    channels: int = 128
    num_scales: int = 4
    units: Literal["pairs", "sentences"] = "pairs"
    top_down: Literal["none", "sum", "gate"] = "none"
    edges: tuple[str, ...] = ("adjacent", "tree", "similar")
    num_similar: int = 4
    least_similarity: float = 0.3
    similarity_temperature: float = 0.05
    num_layers: int = 0
    num_heads: int = 4
    head_channels: int = 128
    dropout: float = 0.1
    word_dropout: float = 0.1

    def __post_init__(self) -> None:
        require_positive(
            self,
            *("char_channels", "word_channels", "channels", "num_scales", "num_heads", "head_channels"),
        )
        require_positive(self, "num_similar", "num_states", most=MAX_DEGREE)
        require_not_negative(self, "injected_channels", "state_channels")
        require_not_negative(self, "num_layers", most=MOST_LAYERS)
        require(self.num_scales <= 8, f"model.num_scales must lie in 1..8, got {self.num_scales}.")
        require(
            self.num_scales > 1 or self.units == "pairs",
            f"model.units={self.units} would do nothing with model.num_scales=1; set it to 2 or more.",
        )
        require(
            self.channels % self.num_heads == 0,
            f"model.num_heads must divide model.channels, got {self.num_heads} and {self.channels}.",
        )
        kinds = ("adjacent", "tree", "similar", "small_world", "document")
        require(
            set(self.edges) <= set(kinds),
            f"model.edges must be among {', '.join(kinds)}, got {self.edges}.",
        )
        of_form = changed(self, "char_channels", "word_channels", "word_dropout")
        self.require_form([f"model.{name}" for name in of_form])
        require(
            self.num_states <= self.num_scales or not changed(self, "num_states"),
            f"model.num_states must not exceed model.num_scales, for each scale reads one of the layers, got "
            f"{self.num_states} and {self.num_scales}.",
        )
        of_similar = ("num_similar", "least_similarity", "similarity_temperature")
        idle = changed(self, "edges", *of_similar, "num_heads")
        require(
            self.num_layers > 0 or not idle,
            f"{', '.join(f'model.{name}' for name in idle)} would do nothing without a graph, which "
            "model.num_layers=0 leaves out; set model.num_layers to 1 or more, or take the preset pyramid-graph.",
        )
        idle = [] if "similar" in self.edges else changed(self, *of_similar)
        require(
            not idle,
            f"{', '.join(f'model.{name}' for name in idle)} would do nothing without similar among model.edges, got "
            f"{self.edges}; add it.",
        )
        require(
            -1 <= self.least_similarity <= 1,
            f"model.least_similarity must be a cosine in [-1, 1], got {self.least_similarity}.",
        )
        require(
            1e-6 <= self.similarity_temperature < math.inf,
            "model.similarity_temperature must be finite and at least 1e-6, got "
            f"{self.similarity_temperature}.",
        )
        require_at_most("model", self, MOST, "similarity_temperature")
        require_shares(self, "dropout", "word_dropout")

    def require_form(self, names: list[str]) -> None:
        """That the tokens are read by our own layers, if these settings of theirs are changed."""
        require(
            self.encoder == "form" or not names,
            f"{', '.join(names)} would do nothing with model.encoder={self.encoder}, for it is of our own encoder; "
            "leave it out.",
        )

    @property
    def num_states_read(self) -> int:
        """Layers of the language model that are read: each scale reads one."""
        return min(self.num_states, self.num_scales)

    @property
    def child_slots(self) -> int:
        """Children that a unit hears: both of a pair, of a sentence as many, evenly spread."""
        return 2 if self.units == "pairs" else 4

    def small_world(self, graph: GraphConfig) -> tuple[tuple[int, ...], int]:
        """Distances on the ring, and number of random edges, of `small_world`; what `adjacent` gives is left out."""
        if "small_world" not in self.edges:
            return (), 0
        known = ADJACENT if "adjacent" in self.edges else ()
        offsets = tuple(offset for offset in graph.lattice_offsets[0] if offset not in known)
        return offsets, graph.num_random_edges[0]

    def degree(self, graph: GraphConfig) -> int:
        """Slots per unit in the neighbour table, similar units aside.

        In order: itself, two on either side, parent, children, its document, lattice, random.
        """
        offsets, num_random = self.small_world(graph)
        near = 1 + 2 * len(ADJACENT) * ("adjacent" in self.edges)
        above = (1 + self.child_slots) * ("tree" in self.edges) + ("document" in self.edges)
        return near + above + 2 * len(offsets) + num_random

    def random_slots(self, graph: GraphConfig) -> slice:
        """Where the random neighbours stand in the neighbour table: behind all others."""
        degree = self.degree(graph)
        return slice(degree - self.small_world(graph)[1], degree)

    @property
    def table_channels(self) -> int:
        """Numbers that a token takes from the token table."""
        return self.injected_channels

    @property
    def reads_words(self) -> bool:
        """Whether it learns a row for each known word."""
        return self.encoder == "form"

    @property
    def reads_counts(self) -> bool:
        """Whether it asks how frequent words are."""
        return False
