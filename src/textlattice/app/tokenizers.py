"""The tokenizer that a user names, for a training."""

from pathlib import Path

from textlattice.errors import DataError
from textlattice.text.hf_tokenizer import TOKENIZER, FileTokenizer


def named_tokenizer(name: str) -> FileTokenizer:
    """The tokenizer of a file, of a folder that has a `tokenizer.json`, or of the hub (`owner/name`).

    Raises:
        DataError: It cannot be had or read.
        MissingExtraError: The extra `hf` is not installed.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        from textlattice.tables.language_model import model_folder

        path = model_folder(name, (TOKENIZER,)) / TOKENIZER
    try:
        return FileTokenizer(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"tokenizer {name}: expected a {TOKENIZER} or a folder that has one, got: {error.strerror or error}; "
            "check the path."
        ) from error
    except DataError as error:
        raise DataError(f"tokenizer {name}: {error}") from error
