"""One spelling for texts that read the same, with the way back to the original offsets."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

import numpy as np
import regex
from jaxtyping import Int, Int32

from textlattice.text.confusables import fold_confusables

# Characters without a visible form: controls that are no space (`str.isspace`), soft hyphen, bidi controls,
# zero-width characters, fillers, variation selectors, tags (Default_Ignorable_Code_Point and Cc of Unicode).
_INVISIBLE = (
    r"\x00-\x08\x0E-\x1B\x7F-\x84\x86-\x9F\xAD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F"
    r"\u202A-\u202E\u2060-\u206F\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U0001BCA0-\U0001BCA3"
    r"\U0001D173-\U0001D17A\U000E0000-\U000E0FFF"
)
_INVISIBLE_ASCII = re.compile(r"[\x00-\x08\x0E-\x1B\x7F]")
_UNWANTED = re.compile(rf"[{_INVISIBLE}\u2800\uD800-\uDFFF]")
_JOINING = (
    r"[[\p{L}\p{M}]&&[\p{Arabic}\p{Syriac}\p{Mandaic}\p{Nko}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}"
    r"\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\u064B-\u0655\u0670]]"
)
_REMOVED = regex.compile(
    rf"(?!(?<={_JOINING})[\u200C\u200D](?={_JOINING}))"
    r"(?!(?<=\p{ExtPict}\p{EMod}?\uFE0F?)\u200D(?=\p{ExtPict}))"
    rf"[{_INVISIBLE}]",
    regex.V1,
)
# The blank of braille is no space to Python; a surrogate alone is no character.
_REPLACED = {0x2800: " "} | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")

# A character that may merge with the one before it: marks, Hangul vowels and finals, in any width.
_FOLLOWER = r"[\p{M}\u1160-\u11FF\uD7B0-\uD7FF\u3131-\u318E\uFF9E-\uFFDC\U00016D63-\U00016D6A]"
_LONGEST_PIECE = 256  # putting n marks in order takes n * n steps, so a longer run is taken in pieces
_UNICODE_FORMS: dict[str, Literal["NFC", "NFKC"]] = {"nfc": "NFC", "nfkc": "NFKC"}
_LONG_RUN = regex.compile(rf"{_FOLLOWER}{{{_LONGEST_PIECE}}}")
_PIECE = regex.compile(rf"[^{_FOLLOWER}]?{_FOLLOWER}{{1,{_LONGEST_PIECE}}}|[^\x00-\x7F]", regex.V1)


@dataclass(frozen=True, kw_only=True)
class Normalised:
    """A normalised text and where its characters came from.

    Args:
        text: The normalised text.
        origins: For each character the offset in the original where it begins, then the original's length:
            `len(text) + 1` numbers that never fall. A span `[start, end)` came from
            `origins[start]:origins[end]`. Characters that were made together begin together. None if every
            character is where it was.
        num_removed: Invisible characters left out.
    """

    text: str
    origins: Int32[np.ndarray, " bounds"] | None
    num_removed: int

    def original_offsets(self, offsets: Int[np.ndarray, " num_offsets"]) -> Int[np.ndarray, " num_offsets"]:
        """Offsets into the original for offsets into `text`, 0 to `len(text)`."""
        return offsets if self.origins is None else self.origins[offsets]

    def original_spans(self, spans: Int[np.ndarray, "num_spans 2"]) -> Int[np.ndarray, "num_spans 2"]:
        """Where spans of `text` came from; none that holds a character is empty.

        A span of a part of what was made together, such as each of the three tokens of a fraction that was one
        character, came from all of it.

        Args:
            spans: Starts and ends in `text`, each start below its end or equal to it.
        """
        if self.origins is None:
            return spans
        starts, ends = self.origins[spans].T
        is_part = (spans[:, 0] < spans[:, 1]) & (self.origins[spans[:, 1] - 1] == ends)
        ends[is_part] = self.origins[np.searchsorted(self.origins, ends[is_part], side="right")]
        return np.stack([starts, ends], axis=1)


def normalise(text: str, form: Literal["nfc", "nfkc", "none"], *, fold: bool = False) -> Normalised:
    """`text` without invisible characters and in one Unicode form.

    Left out are controls that are no space, bidi controls, zero-width characters, soft hyphens, fillers,
    variation selectors and tags. A joiner stays inside an emoji sequence, a joiner or non-joiner between
    letters of the Arabic and Indic scripts. Lone surrogates become U+FFFD, the braille blank a space. Time is
    linear in the length; in a run of more than 256 marks the form is applied to 256 at a time.

    Args:
        text: Any string, the empty one included.
        form: `none` keeps the code points of what stays.
        fold: Whether letters that look Latin become so, last of all; see `fold_confusables`.

    Source: Unicode Standard Annex 15 (forms), DerivedCoreProperties.txt (Default_Ignorable_Code_Point).
    """
    if text.isascii() and not _INVISIBLE_ASCII.search(text):
        return Normalised(text=text, origins=None, num_removed=0)
    clean, origins = _remove_invisible(text)
    num_removed = len(text) - len(clean)
    if form != "none" and not _is_in_form(clean, _UNICODE_FORMS[form]):
        clean, clean_origins = _put_in_form(clean, _UNICODE_FORMS[form])
        origins = clean_origins if origins is None else origins[clean_origins]
    if fold:
        clean = fold_confusables(clean)  # one character for one, so origins stay
    return Normalised(text=clean, origins=origins, num_removed=num_removed)


def _remove_invisible(text: str) -> tuple[str, np.ndarray | None]:
    if not _UNWANTED.search(text):
        return text, None
    is_kept = np.ones(len(text) + 1, bool)  # the last entry stands for the end
    for match in _REMOVED.finditer(text):
        is_kept[match.start()] = False
    origins = np.flatnonzero(is_kept).astype(np.int32)
    return _REMOVED.sub("", text).translate(_REPLACED), origins


def _is_in_form(text: str, form: Literal["NFC", "NFKC"]) -> bool:
    return not _LONG_RUN.search(text) and unicodedata.is_normalized(form, text)


def _put_in_form(text: str, form: Literal["NFC", "NFKC"]) -> tuple[str, np.ndarray]:
    pieces: list[str] = []
    counts = np.ones(
        len(text) + 1, np.int64
    )  # characters made at each offset; the last entry stands for the end
    unchanged_from = 0
    for match in _PIECE.finditer(text):
        piece = unicodedata.normalize(form, match[0])
        if piece == match[0]:
            continue
        start, end = match.span()
        pieces += text[unchanged_from:start], piece
        unchanged_from = end
        first, last = _changed_part(match[0], piece)  # what stays at its ends keeps its place
        counts[start + first : end - last] = 0
        counts[start + first] = len(piece) - first - last
    pieces.append(text[unchanged_from:])
    return "".join(pieces), np.repeat(np.arange(len(text) + 1, dtype=np.int32), counts)


def _changed_part(before: str, after: str) -> tuple[int, int]:
    """How many characters stay at the beginning and at the end; one at least of each text counts as changed."""
    most = min(len(before), len(after)) - 1
    first = last = 0
    while first < most and before[first] == after[first]:
        first += 1
    while last < most - first and before[-1 - last] == after[-1 - last]:
        last += 1
    return first, last
