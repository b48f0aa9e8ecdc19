"""Keys of the tokens of documents, in memory or in a temporary file, read some documents at a time; frequent keys."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt64

from textlattice.batch.sampler import bounded_batches
from textlattice.config import TextConfig
from textlattice.data.spool import Spool
from textlattice.text.document import Document
from textlattice.text.lookup import find_rows
from textlattice.text.vocabulary import word_keys

_MOST_DOCUMENTS = 512  # whose keys are read at a time
_MOST_TOKENS = 1 << 18  # the same; a longer document is read alone
_RUN = 1 << 21  # keys that are counted at a time
_BUCKETS = 256  # parts of the range of keys, of nearly equal size since keys are hashes


@dataclass(frozen=True, kw_only=True)
class TokenKeys:
    """Keys of all tokens of documents.

    Args:
        spool: Holds them.
        starts: Place of each document's first key in the spool.
        counts: Tokens of each document.
    """

    spool: Spool
    starts: Int[np.ndarray, " num_docs"]
    counts: Int[np.ndarray, " num_docs"]

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def num_tokens(self) -> int:
        """Tokens of all documents."""
        return int(self.counts.sum())

    def take(self, docs: Int[np.ndarray, " chosen"]) -> "TokenKeys":
        """The chosen documents, in the given order; no key is copied."""
        return TokenKeys(spool=self.spool, starts=self.starts[docs], counts=self.counts[docs])

    @property
    def doc_ptr(self) -> Int[np.ndarray, " doc_bounds"]:
        """Bounds of the documents in tokens."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    def rows(
        self, row_of: Callable[[UInt64[np.ndarray, " num_keys"]], Int[np.ndarray, " num_keys"]]
    ) -> Int[np.ndarray, " num_tokens"]:
        """Row of each token in a table, int32.

        Args:
            row_of: Rows of some keys; of an unknown one -1.
        """
        rows, end = np.empty(self.num_tokens, np.int32), 0
        for keys in self.key_parts():
            rows[end : end + len(keys)] = row_of(keys)
            end += len(keys)
        return rows

    def share_in(self, table: UInt64[np.ndarray, " num_rows"]) -> float:
        """Share of the tokens whose key stands among these ascending ones; 0 where there is no token."""
        num_known = sum(int((find_rows(keys, table) >= 0).sum()) for keys in self.key_parts())
        return num_known / max(self.num_tokens, 1)

    def document_counts(self, table: UInt64[np.ndarray, " num_rows"]) -> Int[np.ndarray, " num_rows"]:
        """How many documents have each of these ascending keys."""
        counts = np.zeros(len(table), np.int64)
        for keys, doc_ptr in self.chunks():
            rows = find_rows(keys, table).astype(np.int64)
            docs = np.repeat(np.arange(len(doc_ptr) - 1), np.diff(doc_ptr))
            pairs = np.unique((docs * len(table) + rows)[rows >= 0])
            counts += np.bincount(pairs % max(len(table), 1), minlength=len(table))
        return counts

    def key_parts(self) -> Iterator[UInt64[np.ndarray, " num_tokens"]]:
        """Keys of all documents in order; of some documents after the other."""
        return (keys for keys, _ in self.chunks())

    def chunks(self) -> Iterator[tuple[UInt64[np.ndarray, " num_tokens"], Int[np.ndarray, " doc_bounds"]]]:
        """Keys of some documents after the other, and the bounds of those documents; all documents in order."""
        batches = bounded_batches(
            range(len(self)), map(int, self.counts), max_load=_MOST_TOKENS, max_items=_MOST_DOCUMENTS
        )
        for docs in batches:
            places = zip(self.starts[docs].tolist(), self.counts[docs].tolist(), strict=True)
            content = b"".join([self.spool.read(8 * start, 8 * count) for start, count in places])
            yield (
                np.frombuffer(content, np.uint64),
                np.concatenate([[0], np.cumsum(self.counts[docs])]).astype(np.int32),
            )


class KeyWriter:
    """Collects the keys of documents, some at a time.

    Args:
        config: How a token becomes a key.
    """

    def __init__(self, config: TextConfig) -> None:
        self.config, self._spool, self._counts = config, Spool(), array("q")

    def add(self, documents: Sequence[Document]) -> None:
        """Adds documents at the end; each distinct form among them is hashed once."""
        forms = [document.forms() for document in documents]
        distinct = {form: row for row, form in enumerate(dict.fromkeys(f for fs in forms for f in fs))}
        keys = word_keys(list(distinct), self.config)
        self._spool.append(keys[[distinct[f] for fs in forms for f in fs]].tobytes())
        self._counts.extend(map(len, forms))

    def keys(self) -> TokenKeys:
        """Keys of all that was added."""
        counts = np.array(self._counts, np.int64)
        return TokenKeys(spool=self._spool, starts=np.cumsum(counts) - counts, counts=counts)


def in_chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Consecutive documents, few enough at a time to be held cut."""
    chunk: list[Document] = []
    load = 0
    for document in documents:
        chunk.append(document)
        load += document.num_tokens
        if len(chunk) == _MOST_DOCUMENTS or load >= _MOST_TOKENS:
            yield chunk
            chunk, load = [], 0
    if chunk:
        yield chunk


def frequent_among(
    chunks: Iterable[UInt64[np.ndarray, " num_keys"]], *, min_count: int = 2, most: int
) -> UInt64[np.ndarray, " num_frequent"]:
    """Ascending keys that occur at least `min_count` times; of more than `most` the most frequent.

    Among keys that occur equally often the lower one goes first. However many keys there are, memory holds some two
    million of them at a time: they are counted in runs, the runs kept in a spool, and one part of the range of keys
    after the other is added up over all runs.

    Args:
        chunks: Keys, all in all as many as there are.
        min_count: Occurrences.
        most: Keys at most.
    """
    runs = _Runs()
    held, num_held = [np.empty(0, np.uint64)], 0
    for chunk in chunks:
        held.append(chunk)
        num_held += len(chunk)
        if num_held >= _RUN:
            runs.add(np.concatenate(held))
            held, num_held = [], 0
    if held:
        runs.add(np.concatenate(held))
    keys, counts = np.empty(0, np.uint64), np.empty(0, np.int64)
    for some_keys, some_counts in runs.totals():
        is_frequent = some_counts >= min_count
        keys = np.concatenate([keys, some_keys[is_frequent]])
        counts = np.concatenate([counts, some_counts[is_frequent]])
        if len(keys) > most:
            kept = np.sort(np.argsort(-counts, kind="stable")[:most])
            keys, counts = keys[kept], counts[kept]
    return keys


class _Runs:
    """Counts of keys, run by run, each sorted by key."""

    def __init__(self) -> None:
        self._keys, self._counts = Spool(), Spool()
        self._starts = [0]  # of each run, in keys
        self._bounds: list[np.ndarray] = []  # of the buckets in each run

    def add(self, keys: np.ndarray) -> None:
        """Adds the counts of these keys as one run."""
        distinct, counts = np.unique(keys, return_counts=True)
        limits = np.arange(1, _BUCKETS, dtype=np.uint64) << np.uint64(56)
        self._bounds.append(np.concatenate([[0], np.searchsorted(distinct, limits), [len(distinct)]]))
        self._keys.append(distinct.tobytes())
        self._counts.append(counts.astype(np.uint32).tobytes())
        self._starts.append(self._starts[-1] + len(distinct))

    def totals(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Distinct keys in ascending parts, and how often each was added."""
        sizes = (int(size) for size in np.diff(np.stack(self._bounds), axis=1).sum(0))
        for buckets in bounded_batches(range(_BUCKETS), sizes, max_load=_RUN, max_items=_BUCKETS):
            yield self._total(buckets[0], buckets[-1] + 1)

    def _total(self, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        parts = []
        for start, bounds in zip(self._starts[:-1], self._bounds, strict=True):
            place, num = start + int(bounds[first]), int(bounds[end] - bounds[first])
            parts.append(
                (
                    np.frombuffer(self._keys.read(8 * place, 8 * num), np.uint64),
                    np.frombuffer(self._counts.read(4 * place, 4 * num), np.uint32),
                )
            )
        keys = np.concatenate([keys for keys, _ in parts])
        counts = np.concatenate([counts for _, counts in parts])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
        return keys[firsts], np.add.reduceat(counts, firsts, dtype=np.int64) if len(keys) else counts
