"""Settings: frozen dataclasses; `presets.py` gives whole sets of them by name, their JSON form is `config_json.py`.

A default exists once, here. Command-line options (`--set model.channels=96`) and the saved `config.json`
are both made from these fields; an unknown key is refused by name.
"""

import contextlib
import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from textlattice.config_json import from_dict, to_dict
from textlattice.errors import ConfigError

_EPOCHS = 2
_SMALLEST_BATCH = 8
_NUM_SENTIMENTS = 2  # polarity and subjectivity
_TUNE_RATES = {"none": 0.0, "lora": 3e-4, "full": 5e-5}

Normalisation = Literal["nfc", "nfkc", "none"]
RandomEdges = Literal["affine", "uniform"]
EdgeSampling = Literal["none", "linear", "sigmoid"]

MAX_DEGREE = 256
"""Most neighbours of a token, so that no folder can ask for more memory than a machine has."""
MAX_DISTANCE = 1_000_000_000
"""Longest distance on the ring of a document, in tokens."""
ADJACENT = (1, 2)
"""Distances, within a scale of the pyramid, of the units that a unit hears by `adjacent`."""


def _changed(section: object, *names: str) -> list[str]:
    """Which of these settings differ from their defaults."""
    return [name for name in names if getattr(section, name) != getattr(type(section), name)]


def _require_positive(model: Any, *names: str) -> None:
    for name in names:
        _require(getattr(model, name) > 0, f"model.{name} must be positive, got {getattr(model, name)}.")


def _require_not_negative(model: Any, *names: str) -> None:
    for name in names:
        _require(getattr(model, name) >= 0, f"model.{name} must not be negative, got {getattr(model, name)}.")


def _require_shares(model: Any, *names: str) -> None:
    for name in names:
        _require(
            0 <= getattr(model, name) < 1, f"model.{name} must lie in [0, 1), got {getattr(model, name)}."
        )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _require_seed(name: str, seed: int) -> None:
    _require(0 <= seed < 2**32, f"{name} must lie in 0..{2**32 - 1}, got {seed}.")


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How a text is cut and looked up.

    Args:
        tokenizer: What is cut: `words`, or the tokens of the `file` that training was given.
        normalisation: Unicode form applied first; `none` keeps code points (invisible ones are still removed).
        fold_confusables: Letters of other scripts that look Latin become so in words that are Latin but for them; a
            word wholly of another script stays.
        lowercase_keys: Word and n-gram keys are taken from the lower-cased token; characters keep their case.
        num_characters: Rows of the character table; the rows from `0x2500` on are shared by hashing.
        num_subwords: Rows of the hashed table of character n-grams.
        subword_lengths: Lengths of these character n-grams; none turns them off.
        ngram_order: Longest token n-gram of the wide branch.
    """

    tokenizer: Literal["words", "file"] = "words"
    normalisation: Normalisation = "nfc"
    fold_confusables: bool = False
    lowercase_keys: bool = True
    num_characters: int = 12_288
    num_subwords: int = 16_384
    subword_lengths: tuple[int, ...] = (3, 4, 5)
    ngram_order: int = 3

    def __post_init__(self) -> None:
        _require(
            self.num_characters > 0x2500,
            f"text.num_characters must exceed 9472 (U+2500, below which every character has its own row), "
            f"got {self.num_characters}; try 12288.",
        )
        _require(self.num_subwords > 0, f"text.num_subwords must be positive, got {self.num_subwords}.")
        lengths = self.subword_lengths
        _require(
            all(1 <= length <= 10 for length in lengths) and len(set(lengths)) == len(lengths),
            f"text.subword_lengths must be distinct and lie in 1..10, got {lengths}; try (3, 4, 5).",
        )
        _require(
            1 <= self.ngram_order <= 5, f"text.ngram_order must lie in 1..5, got {self.ngram_order}; try 3."
        )


@dataclass(frozen=True, kw_only=True)
class GraphConfig:
    """Which tokens listen to which, for the two blocks.

    Args:
        lattice_offsets: Distances on the ring of a document, one tuple a block; each gives two neighbours.
        num_random_edges: Random neighbours per token, one number a block.
        random: `affine` permutations (closed-form inverse) or `uniform` independent draws.
        num_kept_edges: Strongest edges of block 1 that block 2 listens to as well; 0 turns rewiring off.
        keep_temperature: Width of the gate that opens for a kept edge, in natural-log units of attention.
        seed: Seed of the random neighbours at prediction.
    """

    lattice_offsets: tuple[tuple[int, ...], ...] = ((1, 2, 3, 4), (2, 4, 6, 8))
    num_random_edges: tuple[int, ...] = (2, 2)
    random: RandomEdges = "affine"
    num_kept_edges: int = 2
    keep_temperature: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        _require(
            len(self.lattice_offsets) == len(self.num_random_edges) == 2,
            f"graph.lattice_offsets and graph.num_random_edges need one entry for each of the 2 blocks, "
            f"got {len(self.lattice_offsets)} and {len(self.num_random_edges)}.",
        )
        for offsets in self.lattice_offsets:
            _require(
                all(0 < d <= MAX_DISTANCE for d in offsets) and len(set(offsets)) == len(offsets),
                f"graph.lattice_offsets must be distinct distances in 1..{MAX_DISTANCE}, got {offsets}.",
            )
        _require(
            min(self.num_random_edges) >= 0,
            f"graph.num_random_edges must not be negative, got {self.num_random_edges}.",
        )
        degree = max(self.degree(0), self.degree(1))
        _require(
            degree <= MAX_DEGREE,
            f"graph: a token may have {MAX_DEGREE} neighbours, itself included, got {degree}; take fewer "
            "lattice_offsets or num_random_edges.",
        )
        _require(
            0 <= self.num_kept_edges < self.degree(0),
            f"graph.num_kept_edges must lie in 0..{self.degree(0) - 1} (the degree of block 1 less one), "
            f"got {self.num_kept_edges}.",
        )
        _require(
            1e-6 <= self.keep_temperature < math.inf,
            f"graph.keep_temperature must be finite and at least 1e-6, got {self.keep_temperature}.",
        )
        _require_seed("graph.seed", self.seed)

    def degree(self, block: int) -> int:
        """Slots per token in the neighbour table of a block: lattice both ways, random, self."""
        return 2 * len(self.lattice_offsets[block]) + self.num_random_edges[block] + 1

    def random_slots(self, block: int) -> slice:
        """Where the random neighbours of a token stand in the neighbour table of a block: behind all others."""
        return slice(self.degree(block) - self.num_random_edges[block], self.degree(block))


@dataclass(frozen=True, kw_only=True)
class CnnGnnConfig:
    """Widths of the CNN-GNN classifier.

    Args:
        family: Which network these settings are of.
        char_channels: Width of the character table and its two convolutions.
        channels: Width of a token.
        num_heads: Attention heads; must divide `channels`.
        head_channels: Hidden width of the classifier.
        injected_channels: Width of the vectors of the token table; training sets it, 0 means no table.
        graph_attention: False gives the "no graph" row: attention out, convolution widened to equal parameters.
        dropout: Probability that a channel of a token is dropped in training.
        word_dropout: Probability that the word row of a token is dropped in training.
    """

    family: Literal["cnn_gnn"] = "cnn_gnn"
    char_channels: int = 32
    channels: int = 64
    num_heads: int = 4
    head_channels: int = 64
    injected_channels: int = 0
    graph_attention: bool = True
    dropout: float = 0.05
    word_dropout: float = 0.1

    @property
    def table_channels(self) -> int:
        """Numbers that a token takes from the token table."""
        return self.injected_channels

    @property
    def reads_words(self) -> bool:
        """Whether it learns a row for each known word."""
        return True

    @property
    def reads_counts(self) -> bool:
        """Whether it asks how frequent words are."""
        return False

    def __post_init__(self) -> None:
        _require_positive(self, "char_channels", "channels", "num_heads", "head_channels")
        _require_not_negative(self, "injected_channels")
        _require(
            self.channels % self.num_heads == 0,
            f"model.num_heads must divide model.channels, got num_heads={self.num_heads} and "
            f"channels={self.channels}; try {2 ** (self.num_heads.bit_length() - 1)}.",
        )
        _require_shares(self, "dropout", "word_dropout")


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """The published CNN-GNN, every ablation a field; the defaults are its table 9 and its final model.

    Args:
        family: Which network these settings are of.
        channels: Width of characters and tokens, even.
        num_heads: Attention heads; must divide half of each block's width.
        head_channels: Hidden width of the classifier.
        injected_channels: Width of the token vectors that join before block 2; 0 for none.
        attention: `gatv2`, or `pair` for the modified sparse attention (equations 14 to 22).
        convolution: `full`, or `depthwise`.
        sentiment: Layer of positions 2 and 3: `conv`, `linear1` (with its input added) or `linear2`.
        sentiment_positions: Where polarity and subjectivity enter: 1 beside the pooled characters, 2 before the first
            graph, 3 after the second is drawn.
        norm: Over what the attention branch is normalised.
        positional_encoding: Where it is added: `tokens` before block 1, `block1` after it, `injected` to the vectors.
        num_virtual_nodes: Learned nodes a document that hear all its tokens, and all its tokens them.
        edge_sampling: `none`, or the half of each document's edges whose ends weigh most, a token weighing `linear`
            (Mikolov) or `sigmoid` in its frequency.
        dropout: Probability that a channel is dropped in training.

    Source: CNN-GNN (arXiv 2507.07414), table 9 and section 3.
    """

    family: Literal["published"] = "published"
    channels: int = 64
    num_heads: int = 4
    head_channels: int = 64
    injected_channels: int = 64
    attention: Literal["gatv2", "pair"] = "gatv2"
    convolution: Literal["full", "depthwise"] = "full"
    sentiment: Literal["conv", "linear1", "linear2"] = "conv"
    sentiment_positions: tuple[int, ...] = (1, 2, 3)
    norm: Literal["none", "document", "token", "feature"] = "feature"
    positional_encoding: tuple[str, ...] = ()
    num_virtual_nodes: int = 0
    edge_sampling: EdgeSampling = "none"
    dropout: float = 0.2

    def __post_init__(self) -> None:
        _require_positive(self, "channels", "num_heads", "head_channels")
        _require_not_negative(self, "injected_channels", "num_virtual_nodes")
        for width in (self.channels, self.width):
            _require(
                width % (2 * self.num_heads) == 0,
                "model.num_heads must divide half of model.channels, and of it and model.injected_channels "
                f"together, got num_heads={self.num_heads} and a width of {width}; try 4 and 64.",
            )
        _require(
            set(self.sentiment_positions) <= {1, 2, 3},
            f"model.sentiment_positions must be among 1, 2, 3, got {self.sentiment_positions}.",
        )
        places = ("tokens", "block1", "injected")
        _require(
            set(self.positional_encoding) <= set(places),
            f"model.positional_encoding must be among {', '.join(places)}, got {self.positional_encoding}.",
        )
        _require(
            not self.num_virtual_nodes or self.attention == "gatv2",
            f"model.num_virtual_nodes: virtual nodes go with gatv2 alone, got attention={self.attention!r}.",
        )
        _require(0 <= self.dropout < 1, f"model.dropout must lie in [0, 1), got {self.dropout}.")

    @property
    def width(self) -> int:
        """Width of a token in block 2."""
        return self.channels + self.injected_channels

    @property
    def table_channels(self) -> int:
        """Numbers that a token takes from the token table: its vector, then polarity and subjectivity if they enter."""
        return self.injected_channels + (_NUM_SENTIMENTS if self.sentiment_positions else 0)

    @property
    def reads_words(self) -> bool:
        """Whether it asks which words are known."""
        return self.reads_counts

    @property
    def reads_counts(self) -> bool:
        """Whether it asks how frequent words are."""
        return self.edge_sampling != "none"


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
        _require_positive(
            self,
            *("char_channels", "word_channels", "channels", "num_scales", "num_states"),
            *("num_similar", "num_heads", "head_channels"),
        )
        _require_not_negative(self, "injected_channels", "state_channels", "num_layers")
        _require(self.num_scales <= 8, f"model.num_scales must lie in 1..8, got {self.num_scales}.")
        _require(
            self.num_scales > 1 or self.units == "pairs",
            f"model.units={self.units} would do nothing with model.num_scales=1; set it to 2 or more.",
        )
        _require(
            self.channels % self.num_heads == 0,
            f"model.num_heads must divide model.channels, got {self.num_heads} and {self.channels}.",
        )
        kinds = ("adjacent", "tree", "similar", "small_world", "document")
        _require(
            set(self.edges) <= set(kinds),
            f"model.edges must be among {', '.join(kinds)}, got {self.edges}.",
        )
        idle = (
            [] if self.encoder == "form" else _changed(self, "char_channels", "word_channels", "word_dropout")
        )
        _require(
            not idle,
            f"{', '.join(f'model.{name}' for name in idle)} would do nothing with model.encoder={self.encoder}, for it "
            "is of our own encoder; leave it out.",
        )
        _require(
            self.num_states <= self.num_scales or not _changed(self, "num_states"),
            f"model.num_states must not exceed model.num_scales, for each scale reads one of the layers, got "
            f"{self.num_states} and {self.num_scales}.",
        )
        of_similar = ("num_similar", "least_similarity", "similarity_temperature")
        idle = _changed(self, "edges", *of_similar, "num_heads")
        _require(
            self.num_layers > 0 or not idle,
            f"{', '.join(f'model.{name}' for name in idle)} would do nothing without a graph, which "
            "model.num_layers=0 leaves out; set model.num_layers to 1 or more, or take the preset pyramid-graph.",
        )
        idle = [] if "similar" in self.edges else _changed(self, *of_similar)
        _require(
            not idle,
            f"{', '.join(f'model.{name}' for name in idle)} would do nothing without similar among model.edges, got "
            f"{self.edges}; add it.",
        )
        _require(
            -1 <= self.least_similarity <= 1,
            f"model.least_similarity must be a cosine in [-1, 1], got {self.least_similarity}.",
        )
        _require(
            1e-6 <= self.similarity_temperature < math.inf,
            "model.similarity_temperature must be finite and at least 1e-6, got "
            f"{self.similarity_temperature}.",
        )
        _require_shares(self, "dropout", "word_dropout")

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


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained; saved for the record, never needed to load.

    Args:
        wide: Whether the wide branch of `ngrams` stands beside the network, or `none` does.
        epochs: Passes over the fit rows; the schedule spans them. None takes 2, or as many as give `least_steps`.
        steps: Exact number of optimiser steps instead of epochs.
        max_minutes: Budget for everything after reading, in minutes.
        batch_size: Most documents per batch; batches carry equal numbers of characters.
        least_steps: With fewer steps than these, batches are smaller, down to 8 documents: few rows need small ones.
        learning_rate: Peak of the one-cycle schedule, or where the halvings begin.
        halvings: Shares of the schedule, in (0, 1), at which the rate is halved; none takes the one-cycle schedule.
        loss: Of a single label: `cross_entropy`, or `binary` cross entropy of each label by itself.
        focal: Exponent of the focal loss: the higher, the less rows count that are answered rightly; 0 turns it off.
        weight_decay: Decoupled weight decay of matrices and embedding rows.
        betas: Moments of AdamW.
        clip: Largest gradient norm.
        ema_decay: Decay of the exponential moving average of weights; 0 turns it off.
        label_smoothing: Mass spread over all classes.
        tune: What becomes of a pyramid's language model: `none` leaves it as it is, `lora` teaches each matrix of it a
            small addition, `full` changes all of its numbers.
        tune_learning_rate: Peak for the language model; None takes 3e-4 with `lora`, 5e-5 with `full`.
        lora_rank: Rank of the additions.
        tune_bfloat16: Whether the language model computes its training steps in bfloat16: faster on a processor with
            instructions for it, many times slower on another.
        noise: Share of the documents of each training step that the network reads from a spoiled text, in [0, 1); the
            wide branch, and the rows that choose and calibrate, stay as they are.
        word_vectors: What word rows begin as: vectors of `cooccurrence` in the fit rows, or `random` small numbers.
        class_weight: `balanced` weighs each class by the inverse of its frequency.
        patience: Epochs without a better selection loss, in the second half of the schedule, before training stops.
        seed: Seed of weights, row order, dropout and graph salts.
        threads: PyTorch threads; 0 keeps PyTorch's own choice.
    """

    wide: Literal["ngrams", "none"] = "ngrams"
    epochs: int | None = None
    steps: int | None = None
    max_minutes: float | None = None
    batch_size: int = 64
    least_steps: int = 900
    learning_rate: float = 2e-3
    halvings: tuple[float, ...] = ()
    loss: Literal["cross_entropy", "binary"] = "cross_entropy"
    focal: float = 0.0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    ema_decay: float = 0.99
    label_smoothing: float = 0.1
    tune: Literal["none", "lora", "full"] = "none"
    tune_learning_rate: float | None = None
    lora_rank: int = 8
    tune_bfloat16: bool = False
    noise: float = 0.0
    word_vectors: Literal["cooccurrence", "random"] = "cooccurrence"
    class_weight: Literal["none", "balanced"] = "none"
    patience: int = 3
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "steps", "batch_size", "least_steps", "lora_rank", "patience"):
            value = getattr(self, name)
            _require(value is None or value > 0, f"train.{name} must be positive, got {value}.")
        for name in ("max_minutes", "learning_rate", "tune_learning_rate", "clip"):
            value = getattr(self, name)
            _require(
                value is None or 0 < value < math.inf,
                f"train.{name} must be positive and finite, got {value}.",
            )
        _require(
            0 <= self.weight_decay < math.inf,
            f"train.weight_decay must be finite and not negative, got {self.weight_decay}.",
        )
        _require(0 <= self.focal <= 10, f"train.focal must lie in [0, 10], got {self.focal}; try 2.")
        _require(
            len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas),
            f"train.betas must be two numbers in [0, 1), got {self.betas}.",
        )
        _require(
            all(0 < share < 1 for share in self.halvings),
            f"train.halvings must lie in (0, 1), got {self.halvings}.",
        )
        _require(
            0 <= self.label_smoothing < 1,
            f"train.label_smoothing must lie in [0, 1), got {self.label_smoothing}.",
        )
        _require(0 <= self.noise < 1, f"train.noise must lie in [0, 1), got {self.noise}; try 0.3.")
        _require(0 <= self.ema_decay < 1, f"train.ema_decay must lie in [0, 1), got {self.ema_decay}.")
        _require(self.threads >= 0, f"train.threads must not be negative, got {self.threads}.")
        _require_seed("train.seed", self.seed)
        idle = _changed(self, *(("tune_learning_rate", "tune_bfloat16") if self.tune == "none" else ()))
        idle += _changed(self, *(("lora_rank",) if self.tune != "lora" else ()))
        _require(
            not idle,
            f"{', '.join(f'train.{name}' for name in idle)} would do nothing with train.tune={self.tune}; set "
            f"train.tune to {'lora' if 'lora_rank' in idle else 'lora or full'}.",
        )

    @property
    def tune_rate(self) -> float:
        """Peak learning rate of the language model."""
        return self.tune_learning_rate or _TUNE_RATES[self.tune]

    def batch_size_for(self, num_rows: int) -> int:
        """Documents per batch for so many fit rows."""
        passes = self.epochs or _EPOCHS
        return min(self.batch_size, max(_SMALLEST_BATCH, passes * num_rows // self.least_steps))

    def total_steps(self, num_rows: int) -> int:
        """Length of the schedule for so many fit rows, before any time budget."""
        steps_per_epoch = -(-num_rows // self.batch_size_for(num_rows))
        epochs = self.epochs or max(_EPOCHS, -(-self.least_steps // max(1, steps_per_epoch)))
        return self.steps or epochs * steps_per_epoch


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of one model; `model` says which family it is of."""

    text: TextConfig = field(default_factory=TextConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    model: CnnGnnConfig | PublishedConfig | PyramidConfig = field(default_factory=CnnGnnConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if isinstance(self.model, PublishedConfig):
            most = self.graph.degree(0) - 2  # it has no self slot
            _require(
                self.graph.num_kept_edges <= most,
                f"graph.num_kept_edges must lie in 0..{most} for this family, got {self.graph.num_kept_edges}.",
            )
            _require(
                self.train.wide == "none",
                "train.wide must be none for the family published, which has no wide branch, got "
                f"{self.train.wide!r}.",
            )
        if isinstance(self.model, PyramidConfig):
            self._require_used(self.model)

    def _require_used(self, model: PyramidConfig) -> None:
        """That no setting outside `model` asks for what this pyramid does not have."""
        idle = (
            []
            if model.encoder == "form"
            else [
                *(
                    f"text.{name}"
                    for name in _changed(self.text, "num_characters", "num_subwords", "subword_lengths")
                ),
                *(f"train.{name}" for name in _changed(self.train, "word_vectors")),
            ]
        )
        _require(
            not idle,
            f"{', '.join(idle)} would do nothing with model.encoder={model.encoder}, for it is of our own encoder; "
            "leave it out.",
        )
        names = [field.name for field in dataclasses.fields(GraphConfig)]
        idle = [] if "small_world" in model.edges else _changed(self.graph, *names)
        _require(
            not idle,
            f"{', '.join(f'graph.{name}' for name in idle)} would do nothing in a pyramid without small_world among "
            f"model.edges, got {model.edges}; add it, or leave this out.",
        )

    def with_settings(self, settings: dict[str, Any]) -> "Config":
        """A copy with dotted settings replaced, e.g. `{"model.channels": 96}`; text values are parsed.

        Raises:
            ConfigError: A name is unknown or a value does not fit.
        """
        sections = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        changes: dict[str, dict[str, Any]] = {}
        for name, value in settings.items():
            section, _, field = name.partition(".")
            if section not in sections or not field:
                raise ConfigError(
                    f"unknown setting {name!r}: expected SECTION.NAME with a section of {', '.join(sections)}."
                )
            if isinstance(value, str):
                with contextlib.suppress(json.JSONDecodeError):  # a word, such as nfkc, stays as it is
                    value = json.loads(value)
            changes.setdefault(section, {})[field] = value
        changed = {
            name: from_dict(type(sections[name]), to_dict(sections[name]) | fields, where=name)
            for name, fields in changes.items()
        }  # all of a section at once, since some fit only together
        return dataclasses.replace(self, **changed)
