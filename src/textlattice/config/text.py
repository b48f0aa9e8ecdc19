"""How a text is cut and looked up."""

from dataclasses import dataclass
from typing import Literal

from textlattice.config.checks import require, require_at_most

Normalisation = Literal["nfc", "nfkc", "none"]
_MOST_ROWS = 1 << 24


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
        require(
            self.num_characters > 0x2500,
            f"text.num_characters must exceed 9472 (U+2500, below which every character has its own row), "
            f"got {self.num_characters}; try 12288.",
        )
        require(self.num_subwords > 0, f"text.num_subwords must be positive, got {self.num_subwords}.")
        require_at_most("text", self, _MOST_ROWS, "num_characters", "num_subwords")
        lengths = self.subword_lengths
        require(
            all(1 <= length <= 10 for length in lengths) and len(set(lengths)) == len(lengths),
            f"text.subword_lengths must be distinct and lie in 1..10, got {lengths}; try (3, 4, 5).",
        )
        require(
            1 <= self.ngram_order <= 5, f"text.ngram_order must lie in 1..5, got {self.ngram_order}; try 3."
        )
