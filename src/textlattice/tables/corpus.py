"""Texts that say which words a table should hold and how frequent they are; as many as the disk holds."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from textlattice.data.readers import read_rows
from textlattice.data.rows import Reject
from textlattice.data.spool import StoredTexts
from textlattice.data.stored_rows import StoredRejects
from textlattice.errors import DataError
from textlattice.progress import Progress
from textlattice.text.document import TextReader
from textlattice.text.lookup import find_rows
from textlattice.text.vocabulary import word_keys
from textlattice.training.documents import read_texts
from textlattice.training.keys import TokenKeys, frequent_among, in_chunks


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Texts of one source or several.

    Args:
        sources: What they were named.
        texts: In order, in a temporary file from some size on.
        rejects: Rows that could not be read, of each source.
        digest: SHA-256 over the texts, each preceded by its length in bytes.
    """

    sources: tuple[str, ...]
    texts: Sequence[str]
    rejects: list[tuple[str, Sequence[Reject]]]
    digest: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """The frequent words of texts.

    Args:
        words: The spelling of each that is most frequent, the most frequent word first.
        counts: Occurrences of each, in any spelling that has its key.
        tokens: Keys of all tokens, those of rarer words included.
        record: Sources, digest and size, for a table's record.
    """

    words: list[str]
    counts: Int[np.ndarray, " num_words"]
    tokens: TokenKeys
    record: dict[str, Any]


def read_sources(sources: Sequence[str], text_columns: Sequence[str], progress: Progress) -> Texts:
    """The texts of these sources, with labels or without, one source after the other.

    Raises:
        DataError: A source cannot be had, or lacks a column; see `read_rows`.
        MissingExtraError: A source needs an optional dependency.
    """
    texts, digest = StoredTexts(), hashlib.sha256()
    rejects: list[tuple[str, Sequence[Reject]]] = []
    progress.begin("reading the sources")
    for source in sources:
        rejected = StoredRejects()
        rejects.append((source, rejected))
        for item in read_rows(source, text_columns=text_columns, require_label=False):
            if isinstance(item, Reject):
                rejected.append(item)
                continue
            texts.append(item.text)
            encoded = item.text.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
            progress.advance()
    progress.end()
    return Texts(sources=tuple(sources), texts=texts, rejects=rejects, digest=digest.hexdigest())


def count_words(
    texts: Texts, reader: TextReader, *, most: int, min_count: int = 1, progress: Progress | None = None
) -> Corpus:
    """The words of texts, most frequent first; of words that are equally frequent the lower key goes first.

    Keys of tokens lie in a temporary file from some size on, so memory does not grow with the texts.

    Args:
        texts: Texts.
        reader: How they are cut and keyed.
        most: Words at most.
        min_count: Occurrences of each at least.
        progress: Told of each text.

    Raises:
        DataError: No word occurs so often.
    """
    progress = progress or Progress()
    read = read_texts(texts.texts, reader, progress)
    keys = frequent_among(read.tokens.key_parts(), min_count=min_count, most=most)
    if not len(keys):
        raise DataError(
            f"{', '.join(texts.sources)}: expected words that occur at least {min_count} times, got none in "
            f"{len(texts.texts):,} texts; check the text column, or give more texts."
        )
    spellings: list[Counter[str]] = [Counter() for _ in keys]
    progress.begin("reading how words are spelled", len(read.documents))
    for chunk in in_chunks(read.documents):
        found = Counter(form for document in chunk for form in document.forms())
        rows = find_rows(word_keys(list(found), reader.config), keys).tolist()
        for (form, count), row in zip(found.items(), rows, strict=True):
            if row >= 0:
                spellings[row][form] += count
        progress.advance(len(chunk))
    progress.end()
    counts = np.array([spelling.total() for spelling in spellings], np.int64)
    order = np.argsort(-counts, kind="stable")
    return Corpus(
        words=[spellings[row].most_common(1)[0][0] for row in order.tolist()],
        counts=counts[order],
        tokens=read.tokens,
        record={
            "sources": list(texts.sources),
            "digest": texts.digest,
            "num_texts": len(texts.texts),
            "num_tokens": read.tokens.num_tokens,
        },
    )
