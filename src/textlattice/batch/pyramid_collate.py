"""Documents to the batches of the pyramid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int32

from textlattice.batch.collate import Collator, distinct_forms, documents_of
from textlattice.batch.pyramid_batch import PieceWindows, PyramidBatch, Scale, Units
from textlattice.batch.scales import make_scales, make_units
from textlattice.config import PyramidConfig
from textlattice.graph.neighbours import NeighbourTable, neighbour_table
from textlattice.text.document import Document
from textlattice.text.sentences import sentence_index
from textlattice.text.vocabulary import Vocabulary, word_keys


@runtime_checkable
class StateReader(Protocol):
    """What gives the hidden states of a language model."""

    def states(self, documents: Sequence[Document]) -> Float32[np.ndarray, "num_tokens width"]:
        """Of each token of these documents, all layers side by side."""
        ...

    def files(self) -> dict[str, bytes]:
        """What a model folder keeps of it."""
        ...

    def cost(self) -> dict[str, int]:
        """`parameters`, of them `word_parameters` in the table of pieces, `word_channels` a row; `flops_per_token`."""
        ...


@runtime_checkable
class PieceReader(Protocol):
    """What cuts texts for a language model that learns."""

    def pieces(self, documents: Sequence[Document]) -> PieceWindows[np.ndarray]:
        """Windows of these documents, and where their tokens stand in them."""
        ...


@dataclass(frozen=True, kw_only=True)
class PyramidCollator:
    """Makes batches of the pyramid; holds what every batch shares.

    Args:
        model: What the encoder reads, and which units and edges there are.
        words: How tokens and n-grams are looked up.
        encoder: Gives the hidden states of a language model; None where the encoder is another.
        pieces: Cuts texts for a language model that learns, which is then part of the network; None else.
    """

    model: PyramidConfig
    words: Collator
    encoder: StateReader | None = None
    pieces: PieceReader | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """Known words and n-grams, and the words of the token table."""
        return self.words.vocabulary

    def collate(self, documents: Sequence[Document]) -> PyramidBatch[np.ndarray]:
        """A batch for prediction: everything a forward pass reads."""
        return self._batch(documents, ngrams=True)

    def collate_for_training(self, documents: Sequence[Document], salt: int) -> PyramidBatch[np.ndarray]:
        """A batch for a training step of the network, without n-grams.

        Args:
            documents: None of them empty.
            salt: Number of the draw of random edges, other than 0.
        """
        return self._batch(documents, ngrams=False, salt=salt)

    def _batch(
        self, documents: Sequence[Document], *, ngrams: bool, salt: int = 0
    ) -> PyramidBatch[np.ndarray]:
        strings, form = distinct_forms(documents)
        keys = word_keys(strings, self.words.text)
        doc_ptr = documents_of(documents).doc_ptr
        sentences = sentence_numbers(documents) if self.model.units == "sentences" else None
        scales = make_scales(doc_ptr, self.model.num_scales, sentences)
        return PyramidBatch(
            forms=self.words.forms(strings) if self.model.encoder == "form" else None,
            tokens=self.words.tokens(keys, form),
            states=None if self.encoder is None else self.encoder.states(documents),
            pieces=None if self.pieces is None else self.pieces.pieces(documents),
            scales=scales,
            units=self._units(scales, salt) if self.model.num_layers else None,
            ngrams=self.words.ngrams(keys[form], doc_ptr) if ngrams else None,
        )

    def _units(self, scales: tuple[Scale[np.ndarray], ...], salt: int) -> Units[np.ndarray]:
        return make_units(
            scales,
            adjacent="adjacent" in self.model.edges,
            tree="tree" in self.model.edges,
            document="document" in self.model.edges,
            num_children=self.model.child_slots,
            small_world=self._small_world(scales[0].documents.doc_ptr, salt),
        )

    def _small_world(self, doc_ptr: Int32[np.ndarray, " doc_bounds"], salt: int) -> NeighbourTable | None:
        """Whom the tokens hear by `small_world`, in the first block's graph; None where that is nobody."""
        graph = self.words.graph
        offsets, num_random = self.model.small_world(graph)
        if not offsets and not num_random:
            return None
        return neighbour_table(
            doc_ptr,
            lattice_offsets=offsets,
            num_random_edges=num_random,
            random=graph.random,
            seed=graph.seed,
            block=0,
            salt=salt,
            self_slot=False,
        )


def sentence_numbers(documents: Sequence[Document]) -> Int32[np.ndarray, " num_tokens"]:
    """The sentence of each token, counted over all documents, so that no two of them share one."""
    numbers, total = [np.empty(0, np.int32)], 0
    for document in documents:
        own = sentence_index(document.forms()) + np.int32(total)
        total = int(own[-1]) + 1 if len(own) else total
        numbers.append(own)
    return np.concatenate(numbers)
