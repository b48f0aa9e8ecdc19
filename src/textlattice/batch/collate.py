"""Documents to a batch: distinct tokens, rows of tables, graphs, n-grams; the only place where indices are made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, UInt64

from textlattice.batch.text_batch import Documents, Forms, Graph, Ngrams, TextBatch, Tokens
from textlattice.config import GraphConfig, TextConfig
from textlattice.graph.neighbours import neighbour_table
from textlattice.text.document import Document
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
        where = documents_of(documents)
        doc_ptr = where.doc_ptr
        keys = word_keys(strings, self.text)
        graphs = [self._graph(doc_ptr, block, salt, inverse) for block in (0, 1)]
        return TextBatch(
            forms=forms,
            tokens=self.tokens(keys, form),
            documents=where,
            graph1=graphs[0],
            graph2=graphs[1],
            ngrams=self.ngrams(keys[form], doc_ptr) if ngrams else None,
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

    def tokens(self, keys: UInt64[Array, " num_forms"], form: Int32[Array, " num_tokens"]) -> Tokens[Array]:
        """What each token is.

        Args:
            keys: Of the distinct forms.
            form: Row of each token among them.
        """
        injected = self.vocabulary.injected_rows(keys)
        return Tokens(
            form=form,
            word=self.vocabulary.word_rows(keys)[form],
            injected=None if injected is None else injected[form],
        )

    def ngrams(
        self, token_keys: UInt64[Array, " num_tokens"], doc_ptr: Int32[Array, " doc_bounds"]
    ) -> Ngrams[Array]:
        """What the wide branch reads: the known n-grams of each document."""
        keys, doc_index = ngram_keys(token_keys, doc_ptr, self.text.ngram_order)
        row = find_rows(keys, self.vocabulary.ngrams)
        known = row >= 0
        return Ngrams(row=row[known], doc_index=doc_index[known])


def documents_of(documents: Sequence[Document]) -> Documents[Array]:
    """Bounds of the documents in tokens, and the owner of each token."""
    counts = np.array([document.num_tokens for document in documents], np.int32)
    return Documents(
        doc_ptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        doc_index=np.repeat(np.arange(len(documents), dtype=np.int32), counts),
    )


def distinct_forms(documents: Sequence[Document]) -> tuple[list[str], Int32[Array, " num_tokens"]]:
    """The distinct forms of the documents in order of first use, and the row of each token among them."""
    rows: dict[str, int] = {}
    form = [rows.setdefault(string, len(rows)) for document in documents for string in document.forms()]
    return list(rows), np.array(form, np.int32)
