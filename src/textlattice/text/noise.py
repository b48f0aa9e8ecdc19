"""Texts as people, scanners and adversaries spoil them: each family of noise at any strength, the same every time.

A text is spoiled by itself: what happens to it depends on the text, the family, the strength and the seed alone.
"""

import hashlib
import string
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from textlattice.errors import ConfigError
from textlattice.text.words import reader_words

Generator = np.random.Generator

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_KEYS_BESIDE = {
    key: "".join(row[place + step] for step in (-1, 1) if 0 <= place + step < len(row))
    for row in _KEYBOARD
    for place, key in enumerate(row)
}
_MISREAD = {
    **{"m": "rn", "w": "vv", "d": "cl", "h": "b", "e": "c", "c": "e", "i": "l", "l": "1", "o": "0", "s": "5"},
    **{"g": "9", "b": "6", "z": "2", "t": "f", "f": "t", "n": "ri", "u": "ii", "a": "o", "y": "v", "q": "g"},
    **{"O": "0", "I": "l", "S": "5", "B": "8", "Z": "2", "D": "O", "G": "6", "E": "F", "0": "O", "1": "l"},
    **{"5": "S", "8": "B", ".": ",", ",": ".", "6": "b", "M": "N", "R": "K", "P": "F", "T": "I", "A": "4"},
}
_ALIKE = {
    **{
        "a": "\u0430",
        "c": "\u0441",
        "e": "\u0435",
        "i": "\u0456",
        "j": "\u0458",
        "o": "\u043e",
        "p": "\u0440",
    },
    **{
        "s": "\u0455",
        "x": "\u0445",
        "y": "\u0443",
        "v": "\u03bd",
        "u": "\u057d",
        "h": "\u04bb",
        "n": "\u0578",
    },
    **{
        "A": "\u0410",
        "B": "\u0412",
        "C": "\u0421",
        "E": "\u0415",
        "H": "\u041d",
        "I": "\u0406",
        "J": "\u0408",
    },
    **{
        "K": "\u041a",
        "M": "\u041c",
        "O": "\u041e",
        "P": "\u0420",
        "S": "\u0405",
        "T": "\u0422",
        "X": "\u0425",
    },
    **{
        "Y": "\u04ae",
        "Z": "\u0396",
        "N": "\u039d",
        "d": "\u0501",
        "q": "\u051b",
        "w": "\u051d",
        "g": "\u0261",
    },
}
"""Letters of other scripts that look like those of Latin."""
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202c"
"""Characters without a visible form: of no width, joiners, soft hyphen, marks of direction."""
_MARKS = ".,;:!?-'\""


def _typo(letters: list[str], place: int, draw: Generator) -> None:
    """Swaps with the next letter, which may be the same, leaves out, doubles, or takes a key beside it."""
    letter = letters[place]
    kind = int(draw.integers(4))
    if kind == 0 and place + 1 < len(letters) and letters[place + 1]:
        letters[place], letters[place + 1] = letters[place + 1], letter
    elif kind == 1:
        letters[place] = ""
    elif kind == 2:
        letters[place] = 2 * letter
    else:
        beside = _KEYS_BESIDE.get(letter.lower(), string.ascii_lowercase)
        chosen = beside[int(draw.integers(len(beside)))]
        letters[place] = chosen.upper() if letter.isupper() else chosen


def _replace(table: dict[str, str]) -> Callable[[list[str], int, Generator], None]:
    def change(letters: list[str], place: int, draw: Generator) -> None:
        letters[place] = table[letters[place]]

    return change


def _flip_case(letters: list[str], place: int, draw: Generator) -> None:
    letters[place] = letters[place].swapcase()


def _space(letters: list[str], place: int, draw: Generator) -> None:
    """Leaves a space out, or sets one behind a letter."""
    letters[place] = "" if letters[place].isspace() else letters[place] + " "


def _punctuation(letters: list[str], place: int, draw: Generator) -> None:
    """Leaves a mark out, or sets one behind a character."""
    mark = _MARKS[int(draw.integers(len(_MARKS)))]
    letters[place] = "" if letters[place] in _MARKS else letters[place] + mark


def _hide(letters: list[str], place: int, draw: Generator) -> None:
    letters[place] += _UNSEEN[int(draw.integers(len(_UNSEEN)))]


_BY_CHARACTER: dict[str, tuple[Callable[[str], bool], Callable[[list[str], int, Generator], None]]] = {
    "typo": (str.isalpha, _typo),
    "ocr": (_MISREAD.__contains__, _replace(_MISREAD)),
    "case": (lambda letter: letter != letter.swapcase() and len(letter.swapcase()) == 1, _flip_case),
    "spacing": (lambda letter: True, _space),
    "punctuation": (lambda letter: True, _punctuation),
    "homoglyph": (_ALIKE.__contains__, _replace(_ALIKE)),
    "invisible": (lambda letter: True, _hide),
}
"""Of each family that spoils characters: which characters, and how."""


def _drop_words(num_words: int, level: float, draw: Generator) -> list[int]:
    """Places of the words that stay."""
    dropped = set(draw.choice(num_words, _count(level, num_words, draw), replace=False).tolist())
    return [place for place in range(num_words) if place not in dropped]


def _truncate(num_words: int, level: float, draw: Generator) -> list[int]:
    """Places of the words that stay."""
    return [*range(num_words - _count(level, num_words, draw))]


_BY_WORD = {"token_dropout": _drop_words, "truncation": _truncate}
"""Families that spoil words: some left out, or those at the end."""

FAMILIES = (*_BY_CHARACTER, *_BY_WORD)
"""Names of all families."""


def check_family(name: str) -> None:
    """Raises `ConfigError` where there is no such family."""
    if name not in FAMILIES:
        raise ConfigError(f"unknown family of noise {name!r}: expected one of {', '.join(FAMILIES)}.")


def corrupt(text: str, family: str, level: float, seed: int) -> str:
    """A text with noise.

    Args:
        text: Any string.
        family: One of `FAMILIES`. Families of characters: `typo`, `ocr`, `case`, `spacing`, `punctuation`,
            `homoglyph`, `invisible`; of words: `token_dropout`, `truncation`.
        level: Share of the text's characters, or of its words (in scripts without spaces its tokens), that are spoiled,
            in [0, 1]. Of a family that fits fewer characters all that it fits are. A share of a character is one with
            that probability.
        seed: Of the draw.

    Raises:
        ConfigError: There is no such family, or the level is no share.

    Source: natural noise as in arXiv 2002.00754; imperceptible characters as in arXiv 2106.09898.
    """
    check_family(family)
    if not 0 <= level <= 1:
        raise ConfigError(f"a level of noise must lie in [0, 1], got {level}.")
    if level == 0:
        return text
    draw = _generator(text, family, level, seed)
    if family in _BY_WORD:
        words = reader_words(text)
        return _only(text, words, _BY_WORD[family](len(words), level, draw)) if words else text
    fits, change = _BY_CHARACTER[family]
    letters = list(text)
    places = [place for place, letter in enumerate(letters) if fits(letter)]
    count = min(_count(level, len(letters), draw), len(places))
    for place in draw.choice(places, count, replace=False).tolist() if count else []:
        if fits(letters[place]):  # else a swap has moved something else here
            change(letters, place, draw)
    return "".join(letters)


def _only(text: str, words: list[tuple[int, int]], places: list[int]) -> str:
    """The text with the words at these places alone.

    What stands around words that stay, and between two that were neighbours, stays; of what stood between two others a
    space, if there was one.
    """
    bounds = [(0, 0), *words, (len(text), len(text))]  # the ends of the text stay, as words without a letter
    kept = [0, *(place + 1 for place in places), len(words) + 1]
    changed = ""
    for former, place in pairwise(kept):
        start, end = bounds[place]
        between = text[bounds[former][1] : start]
        if place != former + 1:
            at_an_end = former == 0 or place == len(words) + 1
            between = " " if any(map(str.isspace, between)) and not at_an_end else ""
        changed += between + text[start:end]
    return changed


def _count(level: float, total: int, draw: Generator) -> int:
    """So many of a total, rounded at random so that the mean is right."""
    return min(int(level * total + draw.random()), total)


def _generator(text: str, family: str, level: float, seed: int) -> Generator:
    """A generator that the four decide, on every machine."""
    state = f"{family} {level:.6f} {seed} ".encode() + text.encode("utf-8", "surrogatepass")
    return np.random.default_rng(int.from_bytes(hashlib.sha256(state).digest()[:16], "little"))
