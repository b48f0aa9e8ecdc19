"""Where the tokens of a text begin and end."""

import re
from collections.abc import Callable
from itertools import chain, islice

import numpy as np
import regex
from jaxtyping import Int32

from textlattice.errors import TextTooLongError

MOST_TOKENS = 2_000_000
"""Tokens of a text that is read: some 10 MB of English. The preset `base` takes some 3 kB of memory for each."""
MOST_CHARACTERS = 20_000_000
"""Characters of a text that is read."""
Bounds = tuple[Int32[np.ndarray, " num_tokens"], Int32[np.ndarray, " num_tokens"]]
"""Start and end offset of each token of a text, in characters; disjoint and in order."""
Cut = Callable[[str], Bounds]

_SPACE = r"\s\x1C-\x1F"  # what `str.isspace` calls space
_GRAPHEME_SCRIPTS = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\u3006\u3031-\u3035\u30FC\uFF70"  # letters of Han and Kana that Unicode files under no script
)
_WORD = rf"[[\p{{L}}\p{{N}}_]--[{_GRAPHEME_SCRIPTS}]]"
_INNER = rf"[[\p{{L}}\p{{N}}\p{{M}}_\u200C\u200D]--[{_GRAPHEME_SCRIPTS}]]"
_EXTEND = r"[\p{M}\p{EMod}\u0E33\u0EB3\u200C\u200D\U000E0020-\U000E007F]"
_TOKEN = regex.compile(
    rf"{_WORD}{_INNER}*(?:(?:['’](?={_WORD})|(?<=\p{{Nd}})[.,٫٬](?=\p{{Nd}})){_INNER}+)*"
    rf"|([\p{{P}}$+<=>^`|~])\1{{1,2}}(?!{_EXTEND})"
    rf"|(?:\p{{RI}}{{2}}|[^{_SPACE}]){_EXTEND}*(?:(?<=\u200D)\p{{ExtPict}}{_EXTEND}*)*",
    regex.V1,
)
_UNSPACED = regex.compile(rf"[{_GRAPHEME_SCRIPTS}]", regex.V1)

# The same cut for plain letters and punctuation, where the standard library's engine is three times as fast.
_UNUSUAL = re.compile(r"[^\x00-\x7F\xA0£\xC0-\xD6\xD8-\xF6\xF8-\u02AF\u0400-\u0481\u048A-\u052F–—‘-‟†•…€]")
_USUAL_TOKEN = re.compile(
    r"\w+(?:(?:['’](?=\w)|(?<=\d)[.,](?=\d))\w+)*"
    r"|([^\w\s\x00-\x1F\x7F£€])\1{1,2}"
    r"|[^\s\x1C-\x1F]"
)


def token_bounds(text: str) -> Bounds:
    """Start and end offset of each token of `text`, in characters.

    A token is a word (letters, marks, digits and underscores; `don't`, `3.14` and `1,000` are one each),
    up to three equal punctuation marks, or any other single grapheme, such as an emoji with its
    modifiers. Han, Kana, Thai, Lao, Khmer and Myanmar are written without spaces and give one token a
    grapheme. Tokens are disjoint and in order, and every character that is no space (`str.isspace`) lies
    in one; no token holds a space. Time is linear in the length.

    Returns:
        Starts and ends; both are empty for a text without tokens.

    Raises:
        TextTooLongError: There are more than `MOST_TOKENS`.
    """
    pattern = _TOKEN if not text.isascii() and _UNUSUAL.search(text) else _USUAL_TOKEN
    spans = [match.span() for match in islice(pattern.finditer(text), MOST_TOKENS + 1)]
    check_num_tokens(len(spans))
    bounds = np.fromiter(chain.from_iterable(spans), np.int32, 2 * len(spans)).reshape(-1, 2)
    return bounds[:, 0].copy(), bounds[:, 1].copy()


def check_num_tokens(num_tokens: int, most: int | None = None) -> None:
    """Raises `TextTooLongError` for more tokens than a text may have, `MOST_TOKENS` where nothing else is said."""
    most = MOST_TOKENS if most is None else most
    if num_tokens > most:
        raise TextTooLongError("more" if most == MOST_TOKENS else f"{num_tokens:,}", f"{most:,} tokens")


def reader_words(text: str) -> list[tuple[int, int]]:
    """Start and end of each word as a reader counts them: what stands between spaces.

    Where that holds letters of a script that is written without spaces, each of its tokens is one (`token_bounds`).
    """
    found: list[tuple[int, int]] = []
    for match in re.finditer(r"\S+", text):
        if _UNSPACED.search(match.group()):
            starts, ends = token_bounds(match.group())
            found += zip((starts + match.start()).tolist(), (ends + match.start()).tolist(), strict=True)
        else:
            found.append(match.span())
    return found
