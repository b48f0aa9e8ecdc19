"""Which texts a model was trained on, as digests: a file of its folder that only tests of the model read."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt64

from textlattice.artefact.folder import read_folder
from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.errors import ArtefactError
from textlattice.text.digest import text_digests
from textlattice.text.document import Document, TextReader

TRAINING_TEXTS = "training_texts.safetensors"
"""Name of the file; 8 bytes a text. Folders of 0.1.0 have none."""


def training_texts_file(digests: UInt64[np.ndarray, " num_texts"]) -> dict[str, bytes]:
    """The file, by its name.

    Args:
        digests: Ascending, each once.
    """
    return {TRAINING_TEXTS: pack_tensors({"digests": digests})}


def read_training_texts(path: Path) -> UInt64[np.ndarray, " num_texts"] | None:
    """The digests of a model folder, ascending; None where it keeps none.

    Raises:
        ArtefactError: The folder is damaged, or the file holds something else.
    """
    return unpack_training_texts(read_folder(path).files, where=str(path))


def unpack_training_texts(
    files: Mapping[str, bytes], *, where: str
) -> UInt64[np.ndarray, " num_texts"] | None:
    """The same from the files of a folder; `where` names it in errors."""
    if TRAINING_TEXTS not in files:
        return None
    name = f"{where}/{TRAINING_TEXTS}"
    arrays = unpack_tensors(files[TRAINING_TEXTS], where=name)
    digests = arrays.get("digests")
    if digests is None or len(arrays) > 1 or digests.dtype != np.uint64 or digests.ndim != 1:
        raise ArtefactError(f"{name}: expected 64-bit digests of texts alone; save the model again.")
    return np.unique(digests)


def texts_seen(
    texts: Iterable[str], digests: UInt64[np.ndarray, " num_texts"], reader: TextReader
) -> Bool[np.ndarray, " num_rows"]:
    """Which texts stand among those with these digests; an empty text never does."""
    tokens = array("q")

    def documents() -> Iterator[Document]:
        for text in texts:
            document = reader.read(text)
            tokens.append(document.num_tokens)
            yield document

    seen = np.isin(text_digests(documents()), digests)
    return seen & (np.array(tokens, np.int64) > 0)
