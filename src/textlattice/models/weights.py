"""The weights of a network as a file, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.config import Config
from textlattice.errors import ArtefactError
from textlattice.models.classifier import Classifier
from textlattice.models.registry import make_classifier
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
    if WEIGHTS not in files:
        raise ArtefactError(f"the model folder has no {WEIGHTS}; copy or save the model again.")
    arrays = unpack_tensors(files[WEIGHTS], where=WEIGHTS)
    if wrong := sorted(name for name, array in arrays.items() if array.dtype != np.float32):
        raise ArtefactError(
            f"{WEIGHTS}: expected numbers of the type float32, got {arrays[wrong[0]].dtype} for {wrong[0]!r}; "
            "save the model again."
        )
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
    try:
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, assign=True)
    except RuntimeError as error:
        raise ArtefactError(
            f"{WEIGHTS} does not fit config.json: {str(error).splitlines()[-1].strip()}; save the model again."
        ) from error
    return model.eval()


class _Unfilled(TorchFunctionMode):
    """In its body no tensor is filled with normal numbers, for which PyTorch would load an algebra system."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The result of the function, None in place of filling."""
        return None if function is torch.nn.init.normal_ else function(*args, **(kwargs or {}))
