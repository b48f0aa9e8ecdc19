"""One compact batch of documents: no padding, every index ready; the same fields for NumPy and tensors."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

ArrayT = TypeVar("ArrayT")


@dataclass(frozen=True, kw_only=True)
class Forms(Generic[ArrayT]):
    """The distinct tokens of a batch: spelling only, so each is read once.

    Args:
        characters: Row of the character table of each character, int32 [num_characters].
        form_index: Owner of each character, int32 [num_characters].
        form_ptr: Bounds of the forms in `characters`, int32 [num_forms + 1].
        subwords: Row of the sub-word table of each hashed character n-gram, int32 [num_subwords].
        subword_index: Owner of each n-gram, int32 [num_subwords].
        subword_ptr: Bounds of the forms in `subwords`, int32 [num_forms + 1].
    """

    characters: ArrayT
    form_index: ArrayT
    form_ptr: ArrayT
    subwords: ArrayT
    subword_index: ArrayT
    subword_ptr: ArrayT


@dataclass(frozen=True, kw_only=True)
class Tokens(Generic[ArrayT]):
    """The tokens of all documents, one after the other.

    Args:
        form: Row of each token among the forms, int32 [num_tokens].
        word: Row of the word table of each token, 0 for an unknown word, int32 [num_tokens].
        injected: Row of the token table of each token, 0 without a vector, int32 [num_tokens]; None without a table.
    """

    form: ArrayT
    word: ArrayT
    injected: ArrayT | None = None


@dataclass(frozen=True, kw_only=True)
class Documents(Generic[ArrayT]):
    """Which tokens belong to which document.

    Args:
        doc_ptr: Bounds of the documents in tokens, int32 [num_docs + 1].
        doc_index: Owner of each token, int32 [num_tokens].
    """

    doc_ptr: ArrayT
    doc_index: ArrayT


@dataclass(frozen=True, kw_only=True)
class Graph(Generic[ArrayT]):
    """Which tokens listen to which, for one block.

    Args:
        neighbours: Row i holds the tokens of the batch that i listens to, int32 [num_tokens, degree].
        mask: True where the slot is an edge, bool [num_tokens, degree].
        inverse: The token whose slot k is token j, int32 [num_tokens, num_mapped], of all slots but the last ones where
            these are independent draws; made for training only, else None.
    """

    neighbours: ArrayT
    mask: ArrayT
    inverse: ArrayT | None = None


@dataclass(frozen=True, kw_only=True)
class Ngrams(Generic[ArrayT]):
    """The known n-grams of all documents, each once a document.

    Args:
        row: Row of the wide table, int32 [num_ngrams].
        doc_index: Owner of each n-gram, int32 [num_ngrams].
    """

    row: ArrayT
    doc_index: ArrayT


@dataclass(frozen=True, kw_only=True)
class TextBatch(Generic[ArrayT]):
    """A batch of documents.

    Args:
        forms: Distinct tokens; None where their vectors are at hand already (the Predictor's cache).
        tokens: What each token is.
        documents: Whose each token is.
        graph1: Whom each token hears in block 1.
        graph2: Whom each token hears in block 2, kept edges aside.
        ngrams: What the wide branch reads; None where only the graph network is trained.
    """

    forms: Forms[ArrayT] | None
    tokens: Tokens[ArrayT]
    documents: Documents[ArrayT]
    graph1: Graph[ArrayT]
    graph2: Graph[ArrayT]
    ngrams: Ngrams[ArrayT] | None


def map_arrays(part: Any, convert: Callable[[Any], Any]) -> Any:
    """The same batch, or part of one, with every array converted; absent parts stay None.

    `map_arrays(batch, torch.from_numpy)` shares memory with the NumPy batch.
    """
    values = {}
    for item in dataclasses.fields(part):
        value = getattr(part, item.name)
        if dataclasses.is_dataclass(value):
            values[item.name] = map_arrays(value, convert)
        elif isinstance(value, tuple):
            values[item.name] = tuple(map_arrays(member, convert) for member in value)
        else:
            values[item.name] = None if value is None else convert(value)
    return type(part)(**values)
