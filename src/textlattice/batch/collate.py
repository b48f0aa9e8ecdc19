"""Documents to a batch: distinct tokens, rows of tables, graphs, n-grams; the only place where indices are made."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from textlattice.batch.text_batch import Documents, Forms, Graph, Ngrams, TextBatch, Tokens
from textlattice.config import GraphConfig, TextConfig
from textlattice.graph.neighbours import neighbour_table
from textlattice.text.document import Document
from textlattice.text.frequency import keep_weights
from textlattice.text.lookup import character_ids, find_rows, subword_ids
from textlattice.text.ngrams import ngram_keys
from textlattice.text.vocabulary import Vocabulary, word_keys

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Collator:
    """Makes batches; holds what every batch of one model shares.

    Args:
        text: How tokens are looked up.
        graph: Which tokens are neighbours.
        vocabulary: Known words and n-grams, and the words of the token table.
    """

    text: TextConfig
    graph: GraphConfig
    vocabulary: Vocabulary

    def collate(self, documents: Sequence[Document]) -> TextBatch[Array]:
        """A batch for prediction: everything a forward pass reads."""
        strings, form = distinct_forms(documents)
        return self.batch(documents, strings, form, forms=self.forms(strings), ngrams=True)

    def collate_for_training(self, documents: Sequence[Document], salt: int) -> TextBatch[Array]:
        """A batch for a training step of the graph network: fresh random edges and their inverse, no n-grams.

        Args:
            documents: None of them empty.
            salt: Number of the draw of random edges, other than 0.
        """
        strings, form = distinct_forms(documents)
        return self.batch(documents, strings, form, forms=self.forms(strings), salt=salt, inverse=True)

    def batch(
        self,
        documents: Sequence[Document],
        strings: list[str],
        form: Int32[Array, " num_tokens"],
        *,
        forms: Forms[Array] | None,
        ngrams: bool = False,
        salt: int = 0,
        inverse: bool = False,
    ) -> TextBatch[Array]:
        """A batch from documents whose distinct forms are known.

        Args:
            documents: In the order of the answers.
            strings: Distinct forms, as `distinct_forms` gives them.
            form: Row of each token among them.
            forms: Their spelling, or None where their vectors are at hand.
            ngrams: Whether the wide branch will read the batch.
            salt: Draw of the random edges; 0 at prediction.
            inverse: Whether to make inverse tables, for the backward pass.
        """
        counts = np.array([document.num_tokens for document in documents], np.int32)
        doc_ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        keys = word_keys(strings, self.text)
        injected = self.vocabulary.injected_rows(keys)
        graphs = [self._graph(doc_ptr, block, salt, inverse) for block in (0, 1)]
        if len(self.vocabulary.counts):
            known = keep_weights(np.append(1.0, self.vocabulary.counts), "sigmoid").astype(np.float32)
            weights = known[self.vocabulary.word_rows(keys)[form]]
            graphs = [dataclasses.replace(g, mask=g.mask * weights[g.neighbours]) for g in graphs]
        return TextBatch(
            forms=forms,
            tokens=Tokens(
                form=form,
                word=self.vocabulary.word_rows(keys)[form],
                injected=None if injected is None else injected[form],
            ),
            documents=Documents(
                doc_ptr=doc_ptr, doc_index=np.repeat(np.arange(len(documents), dtype=np.int32), counts)
            ),
            graph1=graphs[0],
            graph2=graphs[1],
            ngrams=self._ngrams(keys[form], doc_ptr) if ngrams else None,
        )

    def forms(self, strings: Sequence[str]) -> Forms[Array]:
        """The spelling of distinct forms: characters and hashed sub-words."""
        lengths = np.fromiter(map(len, strings), np.int64, len(strings))
        subwords, subword_ptr = subword_ids(strings, self.text.subword_lengths, self.text.num_subwords)
        rows = np.arange(len(strings), dtype=np.int32)
        return Forms(
            characters=character_ids("".join(strings), self.text.num_characters),
            form_index=np.repeat(rows, lengths),
            form_ptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
            subwords=subwords,
            subword_index=np.repeat(rows, np.diff(subword_ptr)),
            subword_ptr=subword_ptr,
        )

    def _graph(self, doc_ptr: Array, block: int, salt: int, inverse: bool) -> Graph[Array]:
        table = neighbour_table(
            doc_ptr,
            lattice_offsets=self.graph.lattice_offsets[block],
            num_random_edges=self.graph.num_random_edges[block],
            random=self.graph.random,
            seed=self.graph.seed,
            block=block,
            salt=salt,
            with_inverse=inverse,
        )
        return Graph(neighbours=table.neighbours, mask=table.mask, inverse=table.inverse)

    def _ngrams(self, token_keys: Array, doc_ptr: Array) -> Ngrams[Array]:
        keys, doc_index = ngram_keys(token_keys, doc_ptr, self.text.ngram_order)
        row = find_rows(keys, self.vocabulary.ngrams)
        known = row >= 0
        return Ngrams(row=row[known], doc_index=doc_index[known])


def distinct_forms(documents: Sequence[Document]) -> tuple[list[str], Int32[Array, " num_tokens"]]:
    """The distinct forms of the documents in order of first use, and the row of each token among them."""
    rows: dict[str, int] = {}
    form = [rows.setdefault(string, len(rows)) for document in documents for string in document.forms()]
    return list(rows), np.array(form, np.int32)
