"""One compact batch of documents as the published model reads them: a stream of characters, owned by tokens."""

from dataclasses import dataclass
from typing import Generic

from textlattice.batch.text_batch import ArrayT, Documents, Graph


@dataclass(frozen=True, kw_only=True)
class PublishedBatch(Generic[ArrayT]):
    """A batch of documents.

    Args:
        characters: Row of the character table of each character, int32 [num_characters].
        char_doc: Document of each character, int32 [num_characters]: convolutions stop at its borders.
        char_token: Token that owns each character, int32 [num_characters].
        token_ptr: Bounds of the tokens in `characters`, int32 [num_tokens + 1].
        injected: Row of the token table of each token, 0 without a vector, int32 [num_tokens].
        documents: Whose each token is.
        graph1: Whom each token hears in block 1.
        graph2: Whom each token hears in block 2, kept edges aside.
    """

    characters: ArrayT
    char_doc: ArrayT
    char_token: ArrayT
    token_ptr: ArrayT
    injected: ArrayT
    documents: Documents[ArrayT]
    graph1: Graph[ArrayT]
    graph2: Graph[ArrayT]
