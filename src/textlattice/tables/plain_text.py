"""Vectors of words from plain text alone: no language model, only which words keep company."""

import numpy as np

from textlattice.config import TextConfig
from textlattice.data.splits import affordable_rows
from textlattice.errors import DataError, MissingExtraError
from textlattice.progress import Progress
from textlattice.tables.corpus import Corpus
from textlattice.tables.words import WordVectors
from textlattice.text.lookup import find_rows
from textlattice.text.vocabulary import word_keys

MIN_COUNT = 2
"""Occurrences of a word that gets a vector; of one that occurs once there is too little company."""


def text_vectors(
    corpus: Corpus, config: TextConfig, dim: int, *, seed: int, progress: Progress | None = None
) -> WordVectors:
    """Vectors of unit length, alike for words that keep the same company; see `cooccurrence_vectors`.

    Of more than eight million tokens the company of a share of the texts is counted, drawn by the seed. Words
    without any company are left out.

    Args:
        corpus: Words of the texts, and the keys of their tokens.
        config: Text settings that the keys were made with.
        dim: Numbers in a vector.
        seed: Of the share and of the decomposition.
        progress: Told of the stage.

    Raises:
        DataError: No word keeps company with another.
        MissingExtraError: The extra `train` is not installed.
    """
    progress = progress or Progress()
    try:
        from textlattice.training.word_vectors import MOST_TOKENS, cooccurrence_vectors
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("textlattice"):
            raise
        raise MissingExtraError("a token table from plain text", "train") from None
    tokens = corpus.tokens
    if tokens.num_tokens > MOST_TOKENS:
        docs = affordable_rows(tokens.counts, MOST_TOKENS, [""] * len(tokens), seed=seed)
        tokens = tokens.take(docs)
        progress.note(
            f"memory: the company of {tokens.num_tokens:,} of {corpus.tokens.num_tokens:,} tokens is counted"
        )
    keys = word_keys(corpus.words, config)
    order = np.argsort(keys)
    rank_of = np.concatenate([order, [-1]]).astype(np.int32)  # the last is for other words
    progress.begin("reading which words keep company")
    sorted_keys = keys[order]
    rows = tokens.rows(lambda part: rank_of[find_rows(part, sorted_keys)])
    vectors = cooccurrence_vectors(rows, tokens.doc_ptr, len(keys), dim, seed=seed)
    progress.end()
    known = np.flatnonzero(vectors.any(1))
    if not len(known):
        raise DataError(
            f"plain text: expected words that stand beside one another, got {len(keys):,} words and no company; "
            "give longer texts."
        )
    return WordVectors(words=[corpus.words[row] for row in known.tolist()], vectors=vectors[known])
