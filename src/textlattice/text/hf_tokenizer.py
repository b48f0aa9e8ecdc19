"""The tokens of a `tokenizer.json` of the Hugging Face library, as spans of the text."""

import hashlib
from typing import Any

import numpy as np
from jaxtyping import Int64

from textlattice.errors import DataError, MissingExtraError, TextTooLongError
from textlattice.text.words import Bounds, check_num_tokens

TOKENIZER = "tokenizer.json"
MOST_BYTES = 10_000_000
"""Bytes of UTF-8 that are cut as one text: the library takes up to some 300 for each, and ends the process where memory
does not suffice."""


class FileTokenizer:
    """Cuts texts as a tokenizer file says; no token is added, none cut off.

    What the tokenizer changes in the text (case, accents, marks of word starts) changes nothing here: a token is the
    span of characters that it was made of, and its spelling is that of the text. Tokens without a character of their
    own, such as the further bytes of one character, are left out.

    Args:
        content: The file.

    Raises:
        DataError: It cannot be read.
        MissingExtraError: The extra `hf` is not installed.
    """

    def __init__(self, content: bytes) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtraError("a model with a tokenizer file", "hf") from None
        self.content = content
        try:
            self._tokenizer: Any = Tokenizer.from_str(content.decode())
        except Exception as error:  # of the library, which has no errors of its own
            raise DataError(
                f"{TOKENIZER} cannot be read ({' '.join(str(error).split())[:300]}); save it again."
            ) from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def num_rows(self) -> int:
        """Rows that a table needs to have one for the number of each piece."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def __call__(self, text: str) -> Bounds:
        """Start and end offset of each token, in characters; tokens are disjoint and in order.

        Raises:
            TextTooLongError: There are more than `MOST_TOKENS`, or the text has more than `MOST_BYTES`.
        """
        encoding = self._encode(text)
        spans = self._spans(text, encoding.offsets)
        starts, ends = ([span[place] for span in spans] for place in (1, 2))
        return np.array(starts, np.int32), np.array(ends, np.int32)

    def pieces(self, text: str) -> tuple[Int64[np.ndarray, " num_pieces"], Int64[np.ndarray, " num_tokens"]]:
        """Numbers of all pieces that the tokenizer makes of a text, and which of them each token is."""
        encoding = self._encode(text)
        places = [place for place, _, _ in self._spans(text, encoding.offsets)]
        return np.array(encoding.ids, np.int64), np.array(places, np.int64)

    def _encode(self, text: str) -> Any:
        num_bytes = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if num_bytes > MOST_BYTES:
            raise TextTooLongError(f"{num_bytes:,}", f"{MOST_BYTES:,} bytes for a tokenizer file")
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        check_num_tokens(len(encoding))
        return encoding

    def frame(self) -> tuple[list[int], list[int]]:
        """Numbers of the special tokens that the tokenizer sets before and behind a text."""
        encoding = self._tokenizer.encode("a")
        places = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
        if not places:
            return list(encoding.ids), []
        return list(encoding.ids[: places[0]]), list(encoding.ids[places[-1] + 1 :])

    def _spans(self, text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
        """Number, start and end of the pieces that are tokens."""
        spans, last = [], 0
        for place, (start, end) in enumerate(offsets):
            start = max(start, last)
            while start < end and text[start].isspace():
                start += 1
            while start < end and text[end - 1].isspace():
                end -= 1
            if start < end:
                spans.append((place, start, end))
                last = end
        return spans
