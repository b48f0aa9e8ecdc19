"""Polarity and subjectivity of words, from lexicons in the forms that are about; two numbers a word."""

import csv
import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float32

from textlattice.config import TextConfig
from textlattice.errors import DataError, MissingExtraError
from textlattice.tables.words import is_word, same_key

TEXTBLOB = "textblob"
"""Name of the lexicon that the package of that name brings."""
CHANNELS = ("polarity", "subjectivity")
_TEXTBLOB_FILE = ("en", "en-sentiment.xml")
_SIGNS = {"positive=": 1.0, "negative=": -1.0}
_VADER_RANGE = 4.0
_AFINN_RANGE = 5.0
_FORMS = (
    "textblob, a table .csv or .tsv with columns word, polarity and subjectivity (the last may be missing), an .xml in "
    "TextBlob's form, a .txt in VADER's or AFINN's, or two lists of words positive=FILE negative=FILE"
)
_Scores = tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lexicon:
    """Scores of words.

    Args:
        words: Words as texts are cut into them, each key once.
        scores: Polarity, -1 (negative) to 1 (positive), and subjectivity, 0 (a fact) to 1 (an opinion), of each.
        record: Sources, digest, licence if stated, and how many entries are no single word, so never found.
    """

    words: list[str]
    scores: Float32[np.ndarray, "num_words 2"]
    record: dict[str, Any]


def read_lexicon(sources: Sequence[str], config: TextConfig) -> Lexicon:
    """The lexicon that these sources make up: one, or a list of positive and a list of negative words.

    Where a lexicon states no subjectivity, a word that has a polarity is an opinion (1) and another is none (0).
    VADER's -4..4 and AFINN's -5..5 become -1..1. A word that stands several times gets the mean; in TextBlob's form,
    where each sense of a word stands apart, the mean over parts of speech of the means over senses, as that package
    itself answers.

    Args:
        sources: `textblob`; a path ending in `.csv`, `.tsv`, `.xml` or `.txt`; or `positive=PATH` and `negative=PATH`.
        config: How texts are cut and keyed.

    Raises:
        DataError: A source has none of these forms, cannot be read, or a score lies outside its range.
        MissingExtraError: `textblob` without the extra `tables`.
    """
    signs = {source[: source.index("=") + 1] for source in sources if source.startswith(tuple(_SIGNS))}
    if not ((len(sources) == 1 and not signs) or (len(sources) == 2 and signs == set(_SIGNS))):
        raise DataError(f"lexicon: expected {_FORMS}, got {' '.join(sources) or 'none'}.")
    entries: list[tuple[str, _Scores]] = []
    digest, licence = hashlib.sha256(), None
    for source in sources:
        content, path = _content(source)
        digest.update(content)
        if path.suffix == ".xml":
            found, licence = _textblob_entries(source, content)
        else:
            found = list(_entries(source, path, _text(source, content)))
        entries += found
    by_key: dict[str, tuple[str, list[_Scores]]] = {}
    num_unused = 0
    for word, scores in entries:
        if is_word(word, config):
            by_key.setdefault(same_key(word, config), (word, []))[1].append(scores)
        else:
            num_unused += 1
    if not by_key:
        raise DataError(
            f"lexicon {' '.join(sources)}: expected single words, got {len(entries)} entries and none that texts are "
            "cut into; check its columns."
        )
    return Lexicon(
        words=[word for word, _ in by_key.values()],
        scores=np.array([np.mean(scores, 0) for _, scores in by_key.values()], np.float32),
        record={
            "sources": list(sources),
            "digest": digest.hexdigest(),
            "licence": licence,
            "num_words": len(by_key),
            "num_unused": num_unused,
        },
    )


def word_scores(
    lexicon: Lexicon,
    words: Sequence[str],
    config: TextConfig,
    *,
    pieces: Sequence[Sequence[int]] | None = None,
    lexicon_pieces: Sequence[Sequence[int]] | None = None,
    frequencies: dict[str, int] | None = None,
    inner: bool = False,
) -> Float32[np.ndarray, "num_words 2"]:
    """Polarity and subjectivity of each word; of a word that nothing is known of (0, 0).

    A word of the lexicon has its own scores. With the pieces of a language model's tokenizer, a word that is several
    pieces and no word of the lexicon gets the mean over its pieces, see `piece_scores`; a word that is one piece and
    not in the lexicon is neutral, since the lexicon could have named it, unless words are such pieces themselves.

    Args:
        lexicon: Scores of words.
        words: Words.
        config: How they are keyed.
        pieces: Numbers of the pieces of each word; None means that words have none.
        lexicon_pieces: Likewise of the lexicon's words.
        frequencies: How often words occur in training texts, by key (`same_key`); each weighs one more.
        inner: Whether words are tokens that may stand inside a word; one that the lexicon does not list then has the
            scores of its piece.
    """
    known = {same_key(word, config): row for row, word in enumerate(lexicon.words)}
    scores = np.zeros((len(words), len(CHANNELS)), np.float32)
    by_piece: dict[int, np.ndarray] = {}
    if lexicon_pieces is not None:
        weights = [
            1 + (frequencies or {}).get(key, 0) for key in known
        ]  # no word of the lexicon counts nothing
        by_piece = piece_scores(lexicon, lexicon_pieces, weights)
    nothing = np.zeros(len(CHANNELS))
    for place, word in enumerate(words):
        row = known.get(same_key(word, config))
        if row is not None:
            scores[place] = lexicon.scores[row]
        elif pieces is not None and len(pieces[place]) > (0 if inner else 1):
            scores[place] = np.mean([by_piece.get(piece, nothing) for piece in pieces[place]], 0)
    return scores


def piece_scores(
    lexicon: Lexicon, pieces: Sequence[Sequence[int]], weights: Sequence[int]
) -> dict[int, np.ndarray]:
    """Polarity and subjectivity of each sub-word token: the weighted mean over the lexicon's words that contain it.

    A piece of no word of the lexicon is not among them; its scores are 0.

    Args:
        lexicon: Scores of words.
        pieces: Numbers of the pieces of each of its words.
        weights: Of each of its words, positive, such as a frequency.
    """
    sums: defaultdict[int, np.ndarray] = defaultdict(lambda: np.zeros(len(CHANNELS)))
    totals: defaultdict[int, float] = defaultdict(float)
    for own, scores, weight in zip(pieces, lexicon.scores, weights, strict=True):
        for piece in set(own):
            sums[piece] += weight * scores
            totals[piece] += weight
    return {piece: sums[piece] / totals[piece] for piece in sums}


def _content(source: str) -> tuple[bytes, Path]:
    """Bytes of a source, and the path whose suffix tells its form."""
    if source == TEXTBLOB:
        package = importlib.util.find_spec(TEXTBLOB)
        if package is None or package.origin is None:
            raise MissingExtraError("the lexicon of TextBlob", "tables")
        path = Path(package.origin).parent.joinpath(*_TEXTBLOB_FILE)
    else:
        path = Path(next((source.removeprefix(sign) for sign in _SIGNS if source.startswith(sign)), source))
        if path.suffix not in (".csv", ".tsv", ".xml", ".txt"):
            raise DataError(
                f"lexicon {source}: expected {_FORMS}; give the path of a file whose name ends after its form."
            )
    try:
        return path.read_bytes(), path
    except OSError as error:
        raise DataError(
            f"lexicon {source}: expected a file, got: {error.strerror or error}; check the path."
        ) from error


def _text(source: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"lexicon {source}, line {line}: expected UTF-8, got other bytes; convert it, for instance with: "
            "iconv -f LATIN1 -t UTF-8"
        ) from None


def _entries(source: str, path: Path, text: str) -> Iterator[tuple[str, _Scores]]:
    """Words and their scores, of every form but TextBlob's."""
    lines = text.splitlines()
    sign = next((value for prefix, value in _SIGNS.items() if source.startswith(prefix)), None)
    if sign is not None:
        words = (line.strip() for line in lines)
        return ((word, (sign, 1.0)) for word in words if word and not word.startswith(";"))
    if path.suffix in (".csv", ".tsv"):
        return _table_entries(source, lines, "," if path.suffix == ".csv" else "\t")
    return _tabbed_entries(source, lines)


def _table_entries(source: str, lines: Sequence[str], delimiter: str) -> Iterator[tuple[str, _Scores]]:
    reader = csv.DictReader(lines, delimiter=delimiter)
    found = reader.fieldnames or []
    if not {"word", CHANNELS[0]} <= set(found):
        raise DataError(
            f"lexicon {source}: expected columns word, polarity and perhaps subjectivity, found "
            f"{', '.join(found) or 'none'}; name them so in the first line."
        )
    for row in reader:
        where = f"lexicon {source}, line {reader.line_num}"
        polarity = _number(where, "a polarity", row[CHANNELS[0]], -1.0, 1.0)
        stated = row.get(CHANNELS[1])
        opinion = _number(where, "a subjectivity", stated, 0.0, 1.0) if stated else float(polarity != 0)
        yield (row["word"] or "").strip(), (polarity, opinion)


def _tabbed_entries(source: str, lines: Sequence[str]) -> Iterator[tuple[str, _Scores]]:
    """VADER's lines are a word, its mean, its spread and the ratings; AFINN's a word and a whole number."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where, parts = f"lexicon {source}, line {number}", line.split("\t")
        if len(parts) not in (2, 4):
            raise DataError(
                f"{where}: expected two columns as in AFINN or four as in VADER, parted by tabs, got {len(parts)}; "
                "for lists of words give positive=FILE negative=FILE."
            )
        largest = _AFINN_RANGE if len(parts) == 2 else _VADER_RANGE
        polarity = _number(where, "a score", parts[1], -largest, largest) / largest
        yield parts[0].strip(), (polarity, float(polarity != 0))


def _number(where: str, what: str, text: str | None, low: float, high: float) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = np.nan
    if not low <= value <= high:
        raise DataError(f"{where}: expected {what} from {low:g} to {high:g}, got {text!r}; correct the line.")
    return value


def _textblob_entries(source: str, content: bytes) -> tuple[list[tuple[str, _Scores]], str | None]:
    """Words of TextBlob's form with their mean scores, and the licence that the file states."""
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise DataError(
            f"lexicon {source}: expected XML, got what is none ({error}); get it again."
        ) from None
    senses: dict[str, dict[str, list[_Scores]]] = defaultdict(lambda: defaultdict(list))
    for place, entry in enumerate(root.iter("word"), 1):
        where = f"lexicon {source}, word {place}"
        scores = (
            _number(where, "a polarity", entry.get(CHANNELS[0]), -1.0, 1.0),
            _number(where, "a subjectivity", entry.get(CHANNELS[1]), 0.0, 1.0),
        )
        senses[entry.get("form", "")][entry.get("pos", "")].append(scores)
    return [(word, _mean(map(_mean, parts.values()))) for word, parts in senses.items()], root.get("license")


def _mean(scores: Iterable[_Scores]) -> _Scores:
    polarity, subjectivity = np.mean(list(scores), 0).tolist()
    return polarity, subjectivity
