"""Settings of the CNN-GNN as published."""

from dataclasses import dataclass
from typing import Literal

from textlattice.config.checks import require, require_not_negative, require_positive

EdgeSampling = Literal["none", "linear", "sigmoid"]
_NUM_SENTIMENTS = 2  # polarity and subjectivity


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
        require_positive(self, "channels", "num_heads", "head_channels")
        require_not_negative(self, "injected_channels")
        require_not_negative(self, "num_virtual_nodes", most=1024)
        for width in (self.channels, self.width):
            require(
                width % (2 * self.num_heads) == 0,
                "model.num_heads must divide half of model.channels, and of it and model.injected_channels "
                f"together, got num_heads={self.num_heads} and a width of {width}; try 4 and 64.",
            )
        require(
            set(self.sentiment_positions) <= {1, 2, 3},
            f"model.sentiment_positions must be among 1, 2, 3, got {self.sentiment_positions}.",
        )
        places = ("tokens", "block1", "injected")
        require(
            set(self.positional_encoding) <= set(places),
            f"model.positional_encoding must be among {', '.join(places)}, got {self.positional_encoding}.",
        )
        require(
            not self.num_virtual_nodes or self.attention == "gatv2",
            f"model.num_virtual_nodes: virtual nodes go with gatv2 alone, got attention={self.attention!r}.",
        )
        require(0 <= self.dropout < 1, f"model.dropout must lie in [0, 1), got {self.dropout}.")

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
