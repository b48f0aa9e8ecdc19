"""Texts of which some are cut at a time: a sequence of documents, and what one pass over all of them keeps."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt64

from textlattice.data.spool import OnDemand
from textlattice.errors import TextTooLongError
from textlattice.progress import Progress
from textlattice.text.digest import text_digests
from textlattice.text.document import Document, TextReader
from textlattice.training.keys import KeyWriter, TokenKeys, in_chunks


class CutTexts(OnDemand[Document]):
    """Documents, each cut whenever it is asked for: that costs some two hundredths of training on it once.

    Args:
        texts: Their texts, among others.
        reader: Cuts them.
        rows: Place of each among the texts.
        num_tokens: Tokens of each.
        num_characters: Normalised characters of each.
    """

    def __init__(
        self,
        texts: Sequence[str],
        reader: TextReader,
        *,
        rows: Int[np.ndarray, " num_docs"],
        num_tokens: Int[np.ndarray, " num_docs"],
        num_characters: Int[np.ndarray, " num_docs"],
    ) -> None:
        self.texts, self.reader, self.rows = texts, reader, rows
        self.num_tokens, self.num_characters = num_tokens, num_characters

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, place: int) -> Document:
        """The document at a place."""
        return self.reader.read(self.texts[int(self.rows[place])])

    def take(self, docs: Int[np.ndarray, " chosen"]) -> "CutTexts":
        """The chosen documents, in the given order."""
        return CutTexts(
            self.texts,
            self.reader,
            rows=self.rows[docs],
            num_tokens=self.num_tokens[docs],
            num_characters=self.num_characters[docs],
        )


@dataclass(frozen=True, kw_only=True)
class ReadTexts:
    """What one pass over texts gives.

    Args:
        documents: One a text, the empty ones included.
        tokens: Keys of their tokens.
        digests: Of their texts; equal ones have the same text.
    """

    documents: CutTexts
    tokens: TokenKeys
    digests: UInt64[np.ndarray, " num_docs"]


def read_texts(texts: Sequence[str], reader: TextReader, progress: Progress) -> ReadTexts:
    """Texts, cut once; memory holds some 50 bytes of each, and their tokens as far as a spool keeps them there.

    Args:
        texts: Any strings; they are read again whenever a document is asked for.
        reader: Cuts them; its settings key their tokens.
        progress: Told of each text.

    Raises:
        TextTooLongError: A text has more tokens or characters than are read.
    """
    writer = KeyWriter(reader.config)
    num_tokens, num_characters, digests = array("q"), array("q"), array("Q")
    progress.begin("reading texts", len(texts))
    for chunk in in_chunks(_documents(texts, reader)):
        writer.add(chunk)
        num_tokens.extend(document.num_tokens for document in chunk)
        num_characters.extend(document.num_characters for document in chunk)
        digests.extend(text_digests(chunk).tolist())
        progress.advance(len(chunk))
    progress.end()
    documents = CutTexts(
        texts,
        reader,
        rows=np.arange(len(num_tokens)),
        num_tokens=np.array(num_tokens, np.int64),
        num_characters=np.array(num_characters, np.int64),
    )
    return ReadTexts(documents=documents, tokens=writer.keys(), digests=np.array(digests, np.uint64))


def _documents(texts: Sequence[str], reader: TextReader) -> Iterator[Document]:
    for place, text in enumerate(texts):
        try:
            yield reader.read(text)
        except TextTooLongError as error:
            raise error.at(place) from None


def token_counts(documents: Sequence[Document]) -> Int[np.ndarray, " num_docs"]:
    """Tokens of each document, without cutting it again where they are known."""
    if isinstance(documents, CutTexts):
        return documents.num_tokens
    return np.array([document.num_tokens for document in documents], np.int64)


def character_counts(documents: Sequence[Document]) -> Int[np.ndarray, " num_docs"]:
    """Normalised characters of each document, likewise."""
    if isinstance(documents, CutTexts):
        return documents.num_characters
    return np.array([document.num_characters for document in documents], np.int64)
