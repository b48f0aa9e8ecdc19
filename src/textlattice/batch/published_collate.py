"""Documents to the batches of the published model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from textlattice.batch.published_batch import PublishedBatch
from textlattice.batch.text_batch import Documents, Graph
from textlattice.config import EdgeSampling, GraphConfig, TextConfig
from textlattice.graph.neighbours import NeighbourTable, neighbour_table
from textlattice.text.document import Document
from textlattice.text.frequency import keep_weights
from textlattice.text.lookup import code_points, find_rows
from textlattice.text.vocabulary import Vocabulary, word_keys

END = "\x03"
"""The token that ends every document, so that each has two or more."""
_END_COUNT = 1e6


@dataclass(frozen=True, kw_only=True)
class PublishedCollator:
    """Makes batches of the published model; holds what every batch shares.

    Args:
        text: How tokens are keyed.
        graph: Which tokens are neighbours.
        edge_sampling: Which half of the edges stays, if not all do: those whose ends weigh most by this formula.
        vocabulary: Words of the token table and, for the sampling of edges, known words and their frequencies.
    """

    text: TextConfig
    graph: GraphConfig
    edge_sampling: EdgeSampling
    vocabulary: Vocabulary

    def collate(self, documents: Sequence[Document]) -> PublishedBatch[np.ndarray]:
        """A batch for prediction."""
        return self._batch(documents, salt=0, inverse=False)

    def collate_for_training(self, documents: Sequence[Document], salt: int) -> PublishedBatch[np.ndarray]:
        """A batch for a training step: fresh random edges and the inverse of the lattice.

        Args:
            documents: None of them empty.
            salt: Number of the draw of random edges, other than 0.
        """
        return self._batch(documents, salt=salt, inverse=True)

    def _batch(
        self, documents: Sequence[Document], *, salt: int, inverse: bool
    ) -> PublishedBatch[np.ndarray]:
        """A batch.

        The characters of a document are its tokens, each followed by a space, and the end token; a token owns its
        characters and the space.

        Args:
            documents: In the order of the answers; an empty one has the end token alone.
            salt: Draw of the random edges; 0 at prediction.
            inverse: Whether to make inverse tables, for the backward pass.

        Source: CNN-GNN (arXiv 2507.07414), equations 1 to 7.
        """
        pieces = [[form + " " for form in document.forms()] + [END] for document in documents]
        tokens = [piece for document in pieces for piece in document]
        doc_ptr = np.concatenate([[0], np.cumsum([len(document) for document in pieces])]).astype(np.int32)
        owners = np.repeat(np.arange(len(pieces), dtype=np.int32), np.diff(doc_ptr))
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        char_token = np.repeat(np.arange(len(tokens), dtype=np.int32), lengths)
        keys = word_keys([token.removesuffix(" ") for token in tokens], self.text)
        tables = [self._table(doc_ptr, block, salt, inverse) for block in (0, 1)]
        open_slots = [table.mask for table in tables]
        if self.edge_sampling != "none":
            rows = find_rows(keys, self.vocabulary.words)
            weights = self._weights(rows, np.array([token == END for token in tokens], bool))
            open_slots = [strongest_half(table, weights, doc_ptr) for table in tables]
        graphs = [
            Graph(neighbours=table.neighbours, mask=mask, inverse=table.inverse)
            for table, mask in zip(tables, open_slots, strict=True)
        ]
        return PublishedBatch(
            characters=np.minimum(code_points("".join(tokens)), self.text.num_characters - 1).astype(
                np.int32
            ),
            char_doc=owners[char_token],
            char_token=char_token,
            token_ptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
            injected=(find_rows(keys, self.vocabulary.injected) + 1).astype(np.int32),
            documents=Documents(doc_ptr=doc_ptr, doc_index=owners),
            graph1=graphs[0],
            graph2=graphs[1],
        )

    def _table(self, doc_ptr: np.ndarray, block: int, salt: int, inverse: bool) -> NeighbourTable:
        return neighbour_table(
            doc_ptr,
            lattice_offsets=self.graph.lattice_offsets[block],
            num_random_edges=self.graph.num_random_edges[block],
            random=self.graph.random,
            seed=self.graph.seed,
            block=block,
            salt=salt,
            self_slot=False,
            with_inverse=inverse,
        )

    def _weights(self, rows: np.ndarray, is_end: np.ndarray) -> np.ndarray:
        """What each token weighs by its frequency."""
        assert self.edge_sampling != "none"
        known = np.append(self.vocabulary.counts, [1.0, _END_COUNT])  # then an unknown token, then the end
        places = np.where(is_end, len(known) - 1, np.where(rows < 0, len(known) - 2, rows))
        return keep_weights(known, self.edge_sampling)[places]


def strongest_half(
    table: NeighbourTable, weights: Float[np.ndarray, " num_tokens"], doc_ptr: np.ndarray
) -> Bool[np.ndarray, "num_tokens degree"]:
    """The half of each document's edges, rounded up, whose two ends weigh most; of equal ones the earlier.

    Args:
        table: Edges of a batch.
        weights: Of each token.
        doc_ptr: Bounds of the documents in tokens.

    Source: CNN-GNN (arXiv 2507.07414), table 7; there the half was taken over a batch, so that a text's edges depended
    on its neighbours, and after a random routing of tokens to heads, which is left out.
    """
    strength = np.where(table.mask, weights[:, None] + weights[table.neighbours], -np.inf)
    chosen = np.zeros_like(table.mask)
    for start, end in zip(doc_ptr[:-1].tolist(), doc_ptr[1:].tolist(), strict=True):
        part = strength[start:end].ravel()
        num_edges = int(np.isfinite(part).sum())
        best = np.argsort(-part, kind="stable")[: -(-num_edges // 2)]
        chosen[start:end].reshape(-1)[best] = True
    return chosen
