"""Token tables of the benchmarks: vectors of a language model, of texts, random or none; perhaps with a lexicon."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from textlattice.data.spool import StoredTexts
from textlattice.errors import ConfigError
from textlattice.progress import Progress
from textlattice.runtime.token_table import TokenTable, read_token_table, write_token_table
from textlattice.tables.build import TableSettings, build_token_table
from textlattice.tables.corpus import Texts, read_sources
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import FileTokenizer

Vectors = Literal["none", "random", "own", "english", "pca", "umap"]
"""`own` of the training texts, `english` of plain English, `pca` and `umap` of a language model."""
DIM = 64
SENTIMENTS = 2
"""Polarity and subjectivity, the last numbers of a vector."""
_ENGLISH = ("nltk_misc", "novels", "wikipedia")


def table_of(
    vectors: Vectors,
    *,
    lexicon: bool,
    texts: Sequence[str],
    reader: TextReader,
    model: Path,
    cache: Path,
    data: str | None = None,
) -> TokenTable | None:
    """A table; None where nothing is to be read from it.

    Args:
        vectors: Which.
        lexicon: Whether polarity and subjectivity of TextBlob's lexicon stand beside them.
        texts: Training texts, of which `own` vectors are made.
        reader: How they are cut.
        model: Folder of the language model.
        cache: Tables that do not depend on the training texts are kept here.
        data: Folder of the data sets, which has `english_plain`; None takes the environment variable TEXTLATTICE_DATA.
    """
    lexicons = ("textblob",) if lexicon else ()
    settings = TableSettings(dim=DIM, method="umap" if vectors == "umap" else "pca")
    if vectors == "none":
        return build_token_table(lexicon=lexicons, reader=reader).table if lexicon else None
    if vectors == "own":
        own = build_token_table(texts=_stored(texts), lexicon=lexicons, settings=settings, reader=reader)
        return own.table
    cut = reader.cut.digest[:12] if isinstance(reader.cut, FileTokenizer) else "words"
    path = cache / f"{vectors}{'_sentiment' if lexicon else ''}_{cut}.safetensors"
    if not path.exists():
        source = {"texts": _english(data)} if vectors == "english" else {"model": str(model)}
        table = build_token_table(**source, lexicon=lexicons, settings=settings, reader=reader).table
        if vectors == "random":
            table = _at_random(table, end=DIM)
        cache.mkdir(parents=True, exist_ok=True)
        write_token_table(table, path)
    return read_token_table(path)


def _at_random(table: TokenTable, *, end: int) -> TokenTable:
    """The same words with vectors drawn at random; what stands behind `end` stays."""
    vectors = table.vectors.copy()
    vectors[:, :end] = np.random.default_rng(0).normal(0, vectors[:, :end].std(), (len(vectors), end))
    return TokenTable(keys=table.keys, vectors=vectors, record=table.record | {"method": "random"})


def _stored(texts: Sequence[str]) -> Texts:
    stored = StoredTexts()
    for text in texts:
        stored.append(text)
    return Texts(sources=("training texts",), texts=stored, rejects=[], digest="")


def _english(data: str | None) -> Texts:
    folder = data or os.environ.get("TEXTLATTICE_DATA")
    if not folder:
        raise ConfigError("where is plain English? Give --data DIR or set TEXTLATTICE_DATA.")
    paths = [str(Path(folder) / "english_plain" / f"{name}.parquet") for name in _ENGLISH]
    return read_sources(paths, ["text"], Progress())
