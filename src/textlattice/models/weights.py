"""The weights of a network as a file, and back."""

import dataclasses
from collections.abc import Mapping
from reprlib import repr as short
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from textlattice.artefact.tensors import pack_tensors, tensor_shapes, unpack_tensors
from textlattice.batch.collators import BatchMaker
from textlattice.batch.pyramid_collate import PyramidCollator
from textlattice.config import Config
from textlattice.encoders.language_model import encoder_of_files
from textlattice.errors import ArtefactError, DataError
from textlattice.models.classifier import Classifier
from textlattice.models.registry import make_classifier
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import FileTokenizer
from textlattice.text.vocabulary import Vocabulary

WEIGHTS = "model.safetensors"


def engine_files(model: Classifier) -> dict[str, bytes]:
    """The weights of a model, by file name."""
    return {WEIGHTS: pack_tensors({name: value.numpy() for name, value in model.state_dict().items()})}


def load_model(
    files: Mapping[str, bytes], config: Config, num_outputs: int, vocabulary: Vocabulary
) -> Classifier:
    """A model with the weights of a folder.

    Raises:
        ArtefactError: The weights are missing or do not fit the settings.
    """
    model = _shapes_alone(files, config, num_outputs, vocabulary)
    arrays = unpack_tensors(files[WEIGHTS], where=WEIGHTS)
    if wrong := sorted(name for name, array in arrays.items() if array.dtype != np.float32):
        raise ArtefactError(
            f"{WEIGHTS}: expected numbers of the type float32, got {arrays[wrong[0]].dtype} for {wrong[0]!r}; "
            "save the model again."
        )
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, assign=True)
    return model.eval()


def check_weights(
    files: Mapping[str, bytes], config: Config, num_outputs: int, vocabulary: Vocabulary
) -> None:
    """Does nothing where the weights of a folder have the shapes that its settings ask for; takes no memory for them.

    Raises:
        ArtefactError: They are missing or have others.
    """
    _shapes_alone(files, config, num_outputs, vocabulary)


def _shapes_alone(
    files: Mapping[str, bytes], config: Config, num_outputs: int, vocabulary: Vocabulary
) -> Classifier:
    """A network of the shapes that the weights have, without a number in it."""
    if WEIGHTS not in files:
        raise ArtefactError(f"the model folder has no {WEIGHTS}; copy or save the model again.")
    try:
        with (
            torch.device("meta"),
            _Unfilled(),
        ):  # shapes alone, so that no setting takes memory that the file does not fill
            model = make_classifier(config, num_outputs=num_outputs, vocabulary=vocabulary)
    except (OverflowError, RuntimeError, TypeError) as error:  # PyTorch raises each of them
        raise ArtefactError(
            "config.json: expected the widths of a model, got sizes that no tensor has; save the model again."
        ) from error
    found = tensor_shapes(files[WEIGHTS], where=WEIGHTS)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if found == expected:
        return model
    name = sorted(set(found.items()) ^ set(expected.items()))[0][0]
    given = [short(shapes.get(name, "none")) for shapes in (expected, found)]
    what = "size mismatch" if name in found and name in expected else "names differ"
    raise ArtefactError(
        f"{WEIGHTS} does not fit config.json: {what} for {short(name)}, expected {given[0]}, got {given[1]}; copy the "
        "folder again, or train the model again where another version has made it."
    )


def load_encoder(files: Mapping[str, bytes], collator: BatchMaker, reader: TextReader) -> BatchMaker:
    """The collator with the language model of the folder, where its settings ask for one.

    Raises:
        ArtefactError: The language model is missing or damaged.
        MissingExtraError: The extra `hf` is not installed.
    """
    if not isinstance(collator, PyramidCollator) or collator.model.encoder != "language_model":
        return collator
    if not isinstance(reader.cut, FileTokenizer):
        raise ArtefactError(
            "config.json: a language model needs text.tokenizer=file, got words; save the model again."
        )
    try:
        encoder = encoder_of_files(files, reader.cut, num_layers=collator.model.num_states)
    except DataError as error:
        raise ArtefactError(f"the model folder: {error}") from error
    if encoder.channels != collator.model.state_channels:
        raise ArtefactError(
            f"config.json: expected model.state_channels={encoder.channels}, got {collator.model.state_channels}; "
            "save the model again."
        )
    return dataclasses.replace(collator, encoder=encoder)


class _Unfilled(TorchFunctionMode):
    """In its body no tensor is filled with normal numbers, for which PyTorch would load an algebra system."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The result of the function, None in place of filling."""
        return None if function is torch.nn.init.normal_ else function(*args, **(kwargs or {}))
