"""A saved model: settings, task, vocabulary and the engine's own files, in one safe folder."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from textlattice.artefact.folder import Folder, read_folder, write_folder
from textlattice.artefact.folder_file import MAX_JSON_BYTES
from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.batch.collators import BatchMaker, make_collator
from textlattice.config import Config
from textlattice.config_json import from_dict, to_dict
from textlattice.errors import ArtefactError, ConfigError, DataError
from textlattice.task import Task
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import TOKENIZER, FileTokenizer
from textlattice.text.vocabulary import Vocabulary
from textlattice.text.words import token_bounds

EngineKind = Literal["torch", "onnx"]

_KEYS = ("words", "ngrams", "injected")
_OPTIONAL = ("injected", "counts")


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """What a model folder says, before any engine is made of it.

    Args:
        engine: Which engine its weights are for.
        config: Settings.
        task: Labels, priors, temperature.
        vocabulary: Known words and n-grams, and the words of the token table.
        folder: Its files, checked against their digests.
    """

    engine: EngineKind
    config: Config
    task: Task
    vocabulary: Vocabulary
    folder: Folder

    @property
    def collator(self) -> BatchMaker:
        """Makes the batches of this model."""
        return make_collator(self.config, self.vocabulary)

    def reader(self) -> TextReader:
        """Cuts texts for this model.

        Raises:
            ArtefactError: Its tokenizer file is missing or damaged.
            MissingExtraError: It has one, and the extra `hf` is not installed.
        """
        if self.config.text.tokenizer == "words":
            return TextReader(config=self.config.text, cut=token_bounds)
        try:
            return TextReader(config=self.config.text, cut=FileTokenizer(self.folder.read(TOKENIZER)))
        except DataError as error:
            raise ArtefactError(f"the model folder: {error}") from error


def write_model_folder(
    path: Path,
    *,
    engine: EngineKind,
    config: Config,
    task: Task,
    vocabulary: Vocabulary,
    engine_files: Mapping[str, bytes],
    records: Mapping[str, Any],
    card: str,
) -> None:
    """Writes a model folder; an old one of that name is replaced as a whole, or not at all.

    Args:
        path: The folder.
        engine: Which engine the weights are for.
        config: Settings.
        task: Labels, priors, temperature.
        vocabulary: Known words and n-grams, and the words of the token table.
        engine_files: Weights, by file name.
        records: JSON documents that are kept but never needed to load, by file name.
        card: The folder's README.

    Raises:
        ArtefactError: The folder cannot be written, or something else is there.
    """
    keys = {"words": vocabulary.words, "ngrams": vocabulary.ngrams}
    keys |= {name: getattr(vocabulary, name) for name in _OPTIONAL if len(getattr(vocabulary, name))}
    files: dict[str, bytes] = {
        "config.json": _json({"engine": engine, "config": to_dict(config), "task": task.to_dict()}),
        "vocabulary.safetensors": pack_tensors(keys),
        "README.md": card.encode("utf-8", "backslashreplace"),
        **engine_files,
        **{name: _json(record) for name, record in records.items()},
    }
    if len(files["config.json"]) > MAX_JSON_BYTES:
        raise ArtefactError(
            f"{path}: expected settings and labels of at most {MAX_JSON_BYTES} bytes, got "
            f"{len(files['config.json'])}; use fewer labels or shorter ones."
        )
    write_folder(path, files)


def read_model_folder(path: Path) -> ModelFolder:
    """A model folder, every file checked against its digest.

    Raises:
        ArtefactError: The folder is missing, damaged, newer than this version, or says what it must not.
    """
    folder = read_folder(path)
    values = folder.json("config.json")
    keys = {"engine", "config", "task"}
    if not isinstance(values, dict) or set(values) != keys or values["engine"] not in ("torch", "onnx"):
        raise ArtefactError(
            f"{path}/config.json: expected the keys {', '.join(sorted(keys))} and the engine torch or onnx, "
            f"got {values if not isinstance(values, dict) else sorted(values)}; save the model again."
        )
    try:
        config = from_dict(Config, values["config"])
        task = Task.from_dict(values["task"])
    except ConfigError as error:
        raise ArtefactError(f"{path}/config.json: {error}") from error
    where = f"{path}/vocabulary.safetensors"
    arrays: dict[str, np.ndarray] = {
        "injected": np.empty(0, np.uint64),
        "counts": np.empty(0, np.float32),
        **unpack_tensors(folder.read("vocabulary.safetensors"), where=where),
    }
    if unknown := arrays.keys() - {*_KEYS, "counts"}:
        raise ArtefactError(
            f"{where}: expected the keys under {', '.join(_KEYS)} alone, got {sorted(unknown)[0]!r} as well; "
            "save the model again."
        )
    for name in _KEYS:
        keys_array = arrays.get(name)
        if (
            keys_array is None
            or keys_array.dtype != np.uint64
            or keys_array.ndim != 1
            or (keys_array[1:] <= keys_array[:-1]).any()
        ):
            raise ArtefactError(
                f"{where}: expected ascending 64-bit keys under {name!r}; save the model again."
            )
    counts = arrays["counts"]
    expected = len(arrays["words"]) if config.model.reads_counts else 0
    if (
        counts.dtype != np.float32
        or counts.shape != (expected,)
        or not (np.isfinite(counts) & (counts >= 0)).all()
    ):
        raise ArtefactError(
            f"{where}: expected {expected} frequencies under 'counts', float32, finite and not negative, got "
            f"{counts.dtype} {list(counts.shape)}; save the model again."
        )
    num_injected, injected_channels = len(arrays["injected"]), config.model.injected_channels
    if (num_injected > 0 and not config.model.table_channels) or (injected_channels > 0 and not num_injected):
        raise ArtefactError(
            f"{where}: expected keys of a token table if and only if "
            f"model.injected_channels is not 0, got {num_injected} keys under 'injected' and "
            f"model.injected_channels={injected_channels}; save the model again."
        )
    return ModelFolder(
        engine=values["engine"],
        config=config,
        task=task,
        vocabulary=Vocabulary(**arrays),
        folder=folder,
    )


def _json(value: Any) -> bytes:
    """JSON in UTF-8; a lone surrogate, which UTF-8 cannot hold, stands escaped in it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text).encode()
