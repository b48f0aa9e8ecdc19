"""A token table from what the user has: a language model, plain texts, a lexicon, or a lexicon beside one of these."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

import textlattice
from textlattice.config import TextConfig
from textlattice.errors import ConfigError
from textlattice.progress import Progress
from textlattice.runtime.token_table import TokenTable, token_table
from textlattice.tables.corpus import Corpus, Texts, count_words
from textlattice.tables.language_model import (
    LanguageModel,
    Way,
    open_language_model,
    pieces,
    whole_words,
    word_vectors,
)
from textlattice.tables.lexicon import CHANNELS, Lexicon, read_lexicon, word_scores
from textlattice.tables.plain_text import MIN_COUNT, text_vectors
from textlattice.tables.reduce import Method, Scale, Weights, pca, scaled, umap, zipf_weights
from textlattice.tables.words import WordVectors, distinct, joined, same_key
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import FileTokenizer

_SHOWN_RANKS = (50, 100, 200, 400, 800)
_NUM_NEIGHBOURS = 5
_PLAIN_WORD = 3  # letters of a word worth looking at


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """How vectors are made.

    Args:
        way: Which vectors of a language model: rows of its input embedding, or its last hidden states.
        dim: Numbers in a vector, those of a lexicon aside.
        method: How vectors of a language model are made short.
        weights: Whether frequent words count less; None means so after `pca`, else not.
        scale: Applied last, but for the channels of a lexicon, which keep theirs.
        most: Words of the texts at most, the most frequent.
        seed: Of everything random.
    """

    way: Way = "input"
    dim: int = 64
    method: Method = "pca"
    weights: Weights | None = None
    scale: Scale = "none"
    most: int = 50_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "most"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name} must be at least 1, got {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class BuiltTable:
    """A table, and what a person should look at before using it.

    Args:
        table: Keys, vectors and record.
        known_token_share: Share of the tokens of the texts that have a vector; None without texts.
        neighbours: Some frequent words, each with the words of the nearest vectors by cosine, nearest first.
    """

    table: TokenTable
    known_token_share: float | None
    neighbours: list[tuple[str, list[str]]]


def build_token_table(
    *,
    model: str | None = None,
    texts: Texts | None = None,
    lexicon: Sequence[str] = (),
    settings: TableSettings | None = None,
    reader: TextReader | None = None,
    progress: Progress | None = None,
) -> BuiltTable:
    """A token table.

    With a model, its words are those that are one token of it, those of the texts and those of the lexicon; where texts
    are cut by a tokenizer, also what it makes of the inside of words. Without
    one, vectors come from the texts alone. A lexicon adds two channels, polarity and subjectivity, in which words
    that it does not know are 0; beside them the other channels are brought to a root mean square of 1, unless a scale
    is asked for.

    Args:
        model: Folder or hub name of a language model.
        texts: Texts whose words are served, and counted for the weights; without a model also learned from.
        lexicon: Sources of a lexicon, see `read_lexicon`.
        settings: How vectors are made.
        reader: How the models that the table is for read texts; None cuts them into words.
        progress: Told of each stage.

    Raises:
        ConfigError: There is nothing to make a table of, or a setting does not fit.
        DataError: A source cannot be used.
        MissingExtraError: A part needs an optional dependency.
    """
    if model is None and texts is None and not lexicon:
        raise ConfigError(
            "token table: expected a language model, texts or a lexicon to make it of, got none; name one of them."
        )
    settings, progress = settings or TableSettings(), progress or Progress()
    reader = reader or TextReader(config=TextConfig())
    config, inner = reader.config, isinstance(reader.cut, FileTokenizer)
    scores = read_lexicon(lexicon, config) if lexicon else None
    corpus = None
    if texts is not None:
        least = MIN_COUNT if model is None else 1
        corpus = count_words(texts, reader, most=settings.most, min_count=least, progress=progress)
    opened = None if model is None else open_language_model(model)
    parts: list[WordVectors] = []
    record: dict[str, Any] = {}
    if opened is not None or corpus is not None:
        vectors, record = _vectors(opened, corpus, scores, settings, config, progress, inner=inner)
        parts = [vectors]
    if scores is not None:
        if parts and settings.scale == "none":
            parts = [_at_unit_size(parts[0])]
        parts.append(_scores(scores, parts, opened, corpus, config, progress, inner=inner))
        if not record:
            scored = scores.record
            record = {"source": "a lexicon", "licence": scored["licence"], "digest": scored["digest"]}
        record["lexicon"] = {**scores.record, "channels": list(CHANNELS)}
    words = joined(parts, config)
    table = token_table(words.words, words.vectors, config)
    record |= {
        "dim": table.dim,
        "num_words": len(table.keys),
        "text": {"normalisation": config.normalisation, "lowercase_keys": config.lowercase_keys},
        "tokenizer": reader.cut.digest if isinstance(reader.cut, FileTokenizer) else None,
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "made_by": f"textlattice {textlattice.__version__}",
    }
    table = dataclasses.replace(table, record=record)
    return BuiltTable(
        table=table,
        known_token_share=None if corpus is None else corpus.tokens.share_in(table.keys),
        neighbours=neighbours(parts[0]) if record.get("method") else [],
    )


def neighbours(words: WordVectors) -> list[tuple[str, list[str]]]:
    """Up to five words, from frequent to less so, each with those of the nearest vectors by cosine to the mean."""
    plain = [row for row, word in enumerate(words.words) if word.isalpha() and len(word) >= _PLAIN_WORD]
    plain = plain if len(plain) > _NUM_NEIGHBOURS else list(range(len(words.words)))
    vectors = words.vectors[plain] - words.vectors.mean(0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    shown = [rank for rank in _SHOWN_RANKS if rank < len(plain)] or list(range(min(5, len(plain))))
    found = []
    for place in shown:
        order = np.argsort(-(vectors @ vectors[place]), kind="stable").tolist()
        nearest = [other for other in order if other != place][:_NUM_NEIGHBOURS]
        found.append((words.words[plain[place]], [words.words[plain[other]] for other in nearest]))
    return found


def _vectors(
    model: LanguageModel | None,
    corpus: Corpus | None,
    scores: Lexicon | None,
    settings: TableSettings,
    config: TextConfig,
    progress: Progress,
    *,
    inner: bool,
) -> tuple[WordVectors, dict[str, Any]]:
    """Vectors of a model or of texts, short, weighed and scaled, and what the record says of them."""
    record: dict[str, Any]
    if model is None:
        assert corpus is not None
        found = text_vectors(corpus, config, settings.dim, seed=settings.seed, progress=progress)
        record = {
            "source": "plain text",
            "licence": None,
            "digest": corpus.record["digest"],
            "method": "cooccurrence",
        }
        weights = settings.weights or "none"
    else:
        wanted = [] if corpus is None else corpus.words
        wanted = distinct([*wanted, *whole_words(model, config, progress, inner=inner)], config)
        wanted = distinct([*wanted, *(() if scores is None else scores.words)], config)
        found = word_vectors(model, wanted, settings.way, progress, inner=inner)
        record = model.record | {"vectors": settings.way, "method": settings.method}
        weights = settings.weights or ("zipf" if settings.method == "pca" else "none")
        progress.begin(f"reducing {len(found.words):,} vectors by {settings.method}")
        if settings.method == "umap":
            short = umap(found.vectors, settings.dim, seed=settings.seed)
        else:
            short, kept = pca(found.vectors, settings.dim)
            record["variance_kept"] = round(kept, 5)
        progress.end()
        found = dataclasses.replace(found, vectors=short)
    if weights == "zipf":
        found = dataclasses.replace(found, vectors=found.vectors * _weights(found, corpus, config)[:, None])
    record |= {
        "weights": weights,
        "scale": settings.scale,
        "seed": settings.seed,
        "texts": None if corpus is None else corpus.record,
    }
    return dataclasses.replace(found, vectors=scaled(found.vectors, settings.scale)), record


def _weights(
    words: WordVectors, corpus: Corpus | None, config: TextConfig
) -> Float[np.ndarray, " num_words"]:
    """Weights of words by their counts, or by their rank where nothing was counted."""
    if corpus is None:
        return zipf_weights(len(words.words))
    counted = _frequencies(corpus, config)
    counts = np.array([counted.get(same_key(word, config), 0) for word in words.words], np.int64)
    return zipf_weights(len(words.words), counts, corpus.tokens.num_tokens)


def _scores(
    lexicon: Lexicon,
    parts: Sequence[WordVectors],
    model: LanguageModel | None,
    corpus: Corpus | None,
    config: TextConfig,
    progress: Progress,
    *,
    inner: bool,
) -> WordVectors:
    """The channels of a lexicon, for its own words and for those of the other parts."""
    words = distinct([*(word for part in parts for word in part.words), *lexicon.words], config)
    if model is None:
        return WordVectors(words=words, vectors=word_scores(lexicon, words, config))
    scores = word_scores(
        lexicon,
        words,
        config,
        pieces=pieces(model, words, progress, inner=inner),
        lexicon_pieces=pieces(model, lexicon.words, progress),
        frequencies={} if corpus is None else _frequencies(corpus, config),
        inner=inner,
    )
    return WordVectors(words=words, vectors=scores)


def _frequencies(corpus: Corpus, config: TextConfig) -> dict[str, int]:
    keys = (same_key(word, config) for word in corpus.words)
    return dict(zip(keys, corpus.counts.tolist(), strict=True))


def _at_unit_size(words: WordVectors) -> WordVectors:
    """The vectors divided by their root mean square, so that they stand beside scores of -1 to 1."""
    size = float(np.sqrt(np.mean(np.square(words.vectors, dtype=np.float64))))
    return dataclasses.replace(words, vectors=words.vectors / np.float32(size or 1.0))
