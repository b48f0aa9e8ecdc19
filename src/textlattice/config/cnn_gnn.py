"""Settings of the CNN-GNN classifier."""

from dataclasses import dataclass
from typing import Literal

from textlattice.config.checks import require, require_not_negative, require_positive, require_shares


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
        require_positive(self, "char_channels", "channels", "num_heads", "head_channels")
        require_not_negative(self, "injected_channels")
        require(
            self.channels % self.num_heads == 0,
            f"model.num_heads must divide model.channels, got num_heads={self.num_heads} and "
            f"channels={self.channels}; try {2 ** (self.num_heads.bit_length() - 1)}.",
        )
        require_shares(self, "dropout", "word_dropout")
