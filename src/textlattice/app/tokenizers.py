"""The tokenizer that a user names, for a training."""

import os
from pathlib import Path

from textlattice.artefact.model_files import read_plain
from textlattice.errors import DataError
from textlattice.text.hf_tokenizer import TOKENIZER, FileTokenizer
from textlattice.text.tokenizer_json import MAX_BYTES


def named_tokenizer(name: str) -> FileTokenizer:
    """The tokenizer of a file, of a folder that has a `tokenizer.json`, or of the hub (`owner/name`).

    Raises:
        DataError: It cannot be had or read.
        MissingExtraError: The extra `hf` is not installed.
    """
    path, folder = Path(name).expanduser(), None
    if not os.path.lexists(path) or path.is_dir():
        from textlattice.tables.language_model import model_folder

        folder = model_folder(name, (TOKENIZER,))
        path = folder / TOKENIZER
    try:
        return FileTokenizer(read_plain(path, MAX_BYTES, inside=folder))
    except FileNotFoundError as error:
        raise DataError(
            f"tokenizer {name}: expected a {TOKENIZER} or a folder that has one, got: {error.strerror}; check the path."
        ) from error
    except DataError as error:
        raise DataError(f"tokenizer {name}: {error}") from error
