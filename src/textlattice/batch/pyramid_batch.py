"""One compact batch of documents as the pyramid reads them: tokens, units of each scale, whom each unit hears."""

from dataclasses import dataclass
from typing import Generic

from textlattice.batch.text_batch import ArrayT, Documents, Forms, Ngrams, Tokens


@dataclass(frozen=True, kw_only=True)
class Scale(Generic[ArrayT]):
    """The units of one scale, document after document; the first scale holds the tokens.

    Args:
        documents: Whose each unit is; a document may have none.
        num_children: Units of the scale below that each unit is made of, int32 [num_units]; of a token 1.
        num_tokens: Tokens that each unit is made of, int32 [num_units].
        parent: Unit of the scale above that each unit is part of, int32 [num_units]; one past the last of them where
            there is none, and in the highest scale.
        token_unit: Unit of this scale that each token is part of, int32 [num_tokens]; one past the last where none.
    """

    documents: Documents[ArrayT]
    num_children: ArrayT
    num_tokens: ArrayT
    parent: ArrayT
    token_unit: ArrayT


@dataclass(frozen=True, kw_only=True)
class Windows(Generic[ArrayT]):
    """Units among which similar ones are looked for, of one document and scale, a row a window.

    Args:
        units: Int32 [num_windows, width]; a row is filled up with its first unit.
        filled: False where a place was filled up, bool [num_windows, width].
    """

    units: ArrayT
    filled: ArrayT


@dataclass(frozen=True, kw_only=True)
class DocumentNodes(Generic[ArrayT]):
    """A node for each document, tied to the units of the highest scale that the document has.

    Args:
        doc_index: Whose each unit of a highest scale is, int32 [num_units]; one past the last document for other units.
        num_units: Units that the node of each document is tied to, int32 [num_docs]; 1 where there are none.
    """

    doc_index: ArrayT
    num_units: ArrayT


@dataclass(frozen=True, kw_only=True)
class Units(Generic[ArrayT]):
    """The units of all scales, scale after scale, as nodes of one graph; behind them the nodes of documents, if any.

    Args:
        neighbours: Row i holds the nodes that i listens to, int32 [num_nodes, degree].
        mask: True where the slot is an edge, bool [num_nodes, degree].
        windows: Where similar units are looked for, from narrow windows to wide ones.
        place: Where each node stands in the windows, table by table and row by row, int32 [num_nodes].
        documents: The nodes of documents; None where nobody hears them.
    """

    neighbours: ArrayT
    mask: ArrayT
    windows: tuple[Windows[ArrayT], ...]
    place: ArrayT
    documents: DocumentNodes[ArrayT] | None


@dataclass(frozen=True, kw_only=True)
class Pieces(Generic[ArrayT]):
    """Windows of about one length, as a language model reads them.

    Args:
        ids: Numbers of the pieces, int64 [num_windows, width]; a window is filled up with zeros.
        filled: 1 where a piece stands, int64 [num_windows, width].
    """

    ids: ArrayT
    filled: ArrayT


@dataclass(frozen=True, kw_only=True)
class PieceWindows(Generic[ArrayT]):
    """Texts as a language model reads them while it learns.

    Args:
        windows: From short windows to long ones.
        place: Where the piece of each token stands in the windows, table by table and row by row, int64 [num_tokens].
    """

    windows: tuple[Pieces[ArrayT], ...]
    place: ArrayT


@dataclass(frozen=True, kw_only=True)
class PyramidBatch(Generic[ArrayT]):
    """A batch of documents.

    Args:
        forms: Distinct tokens; None where the encoder does not read spelling.
        tokens: What each token is.
        states: Hidden states of a language model, float32 [num_tokens, width], of all its layers that are read, side
            by side; None where the encoder is another.
        pieces: What a language model reads that learns; None where there is none.
        scales: Units, the tokens first.
        units: Units as nodes of a graph; None without a graph.
        ngrams: What the wide branch reads; None where only the network is trained.
    """

    forms: Forms[ArrayT] | None
    tokens: Tokens[ArrayT]
    states: ArrayT | None
    pieces: PieceWindows[ArrayT] | None
    scales: tuple[Scale[ArrayT], ...]
    units: Units[ArrayT] | None
    ngrams: Ngrams[ArrayT] | None
