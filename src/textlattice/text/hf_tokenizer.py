"""The tokens of a `tokenizer.json` of the Hugging Face library, as spans of the text."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Int64

from textlattice.errors import DataError, MissingExtraError, TextTooLongError
from textlattice.text.tokenizer_json import check_tokenizer
from textlattice.text.words import Bounds, check_num_tokens

TOKENIZER = "tokenizer.json"
MOST_BYTES = 10_000_000
"""Bytes of UTF-8 that are cut as one text: the library takes up to some 300 for each, and ends the process where memory
does not suffice."""
_PROBE = "a \u0378\u00e9\u6f22\U0001f642\n1!"


def open_tokenizer(content: bytes) -> tuple[Any, dict[str, Any]]:
    """The library's tokenizer of a file, without padding or truncation, and what the file says but for its tables.

    Raises:
        DataError: The file cannot be read, or holds what this version does not read, see `check_tokenizer`.
        MissingExtraError: The extra `hf` is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtraError("a model with a tokenizer file", "hf") from None
    try:
        settings = check_tokenizer(content)
    except DataError as error:
        reason, _, advice = str(error).rpartition("; ")
        raise DataError(f"{TOKENIZER} cannot be read ({reason}); {advice}") from None
    with calling_library("cannot be read ({}); save it again."):
        _check_added(settings)
        tokenizer = Tokenizer.from_str(content.decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode(_PROBE)
    return tokenizer, settings


def _check_added(settings: dict[str, Any]) -> None:
    """That the normalizer leaves something of each added token that it is applied to, or the library panics later."""
    from tokenizers import Tokenizer

    texts = [entry["content"] for entry in settings.get("added_tokens") or [] if entry.get("normalized")]
    if not texts or not settings.get("normalizer"):
        return
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    alone = json.dumps({"version": "1.0", "normalizer": settings["normalizer"], "model": model})
    normalizer = Tokenizer.from_str(alone).normalizer
    if gone := [text for text in texts if not normalizer.normalize_str(text)]:
        raise DataError(
            f"{TOKENIZER} cannot be read (its normalizer leaves nothing of the added token {gone[0]!r}); save it "
            "without that token."
        )


@contextmanager
def calling_library(says: str = "cannot cut this text ({}); take another tokenizer.") -> Iterator[None]:
    """In its body whatever the library raises becomes a `DataError`; a panic of it is no `Exception` to Python.

    Args:
        says: What of the file, with a place for the library's words.
    """
    try:
        yield
    except (DataError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise DataError(f"{TOKENIZER} {says.format(' '.join(str(error).split())[:200])}") from None


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
        self.content = content
        self._tokenizer, _ = open_tokenizer(content)

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

    def frame(self) -> tuple[list[int], list[int]]:
        """Numbers of the special tokens that the tokenizer sets before and behind a text."""
        return frame_of(self._encode("a", framed=True))

    def _encode(self, text: str, *, framed: bool = False) -> Any:
        num_bytes = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if num_bytes > MOST_BYTES:
            raise TextTooLongError(f"{num_bytes:,}", f"{MOST_BYTES:,} bytes for a tokenizer file")
        with calling_library():
            encoding = self._tokenizer.encode(text, add_special_tokens=framed)
        check_num_tokens(len(encoding))
        return encoding

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


def frame_of(encoding: Any) -> tuple[list[int], list[int]]:
    """Numbers of the special tokens before and behind the text of an encoding."""
    places = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    if not places:
        return list(encoding.ids), []
    return list(encoding.ids[: places[0]]), list(encoding.ids[places[-1] + 1 :])
