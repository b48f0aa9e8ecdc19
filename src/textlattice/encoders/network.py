"""Networks of the library `transformers`, in single precision: from its folders, and as files of a model folder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from textlattice.artefact.tensors import pack_tensors, tensor_shapes, unpack_tensors
from textlattice.batch.pyramid_batch import Pieces
from textlattice.errors import ArtefactError, DataError, MissingExtraError

SETTINGS, WEIGHTS = "encoder.json", "encoder.safetensors"
"""Files of the model folder that hold the language model."""


def run_layers(
    network: Any, pieces: Pieces[Tensor], layers: Sequence[int]
) -> Float[Tensor, "num_windows width channels"]:
    """The hidden states of some layers, side by side."""
    states = _all_states(network, pieces.ids, pieces.filled)
    return torch.cat([states[layer] for layer in layers], 2)


def _all_states(network: Any, ids: Tensor, filled: Tensor) -> tuple[Tensor, ...]:
    """What the layers are given, and what the last one makes of it."""
    found = network(input_ids=ids, attention_mask=filled, output_hidden_states=True)
    states: tuple[Tensor, ...] = found.hidden_states
    return states


def open_network(folder: Path, name: str) -> Any:
    """The network of a folder; of a model with an encoder and a decoder the encoder.

    No code of a model is run, and no pickle is read.

    Args:
        folder: Where its files lie.
        name: As the user named it.

    Raises:
        DataError: The folder holds no model that can be run, or lacks weights that its hidden states depend on.
        MissingExtraError: The extra `hf` is not installed.
    """
    with _quiet() as transformers:
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(
                    0
                )  # of what the folder has no weights for, such as a pooling that nobody reads
                network, told = transformers.AutoModel.from_pretrained(
                    folder,
                    local_files_only=True,
                    trust_remote_code=False,
                    use_safetensors=True,
                    dtype=torch.float32,
                    output_loading_info=True,
                )
            half = _reading_half(network).eval()
            unset = {key: value for key, value in network.named_parameters() if key in told["missing_keys"]}
            lacking = _heard(half, unset)
        except Exception as error:  # of the library, for whatever the folder may hold
            raise DataError(
                f"{name}: cannot be run ({type(error).__name__}: {' '.join(str(error).split())[:300]}); "
                "expected config.json and weights as safetensors of a model that transformers knows."
            ) from error
    if lacking:
        raise DataError(
            f"{name}: expected weights of all that config.json says, got none of {lacking[0]} ({len(lacking)} are "
            "missing); get the model again."
        )
    return half


def _heard(network: Any, parameters: Mapping[str, Tensor]) -> list[str]:
    """Names of those parameters that the hidden states depend on."""
    if not parameters:
        return []
    ids = torch.zeros(1, 2, dtype=torch.int64)
    total = torch.stack([states.sum() for states in _all_states(network, ids, torch.ones_like(ids))]).sum()
    gradients = torch.autograd.grad(total, [*parameters.values()], allow_unused=True)
    return sorted(name for name, heard in zip(parameters, gradients, strict=True) if heard is not None)


def _reading_half(network: Any) -> Any:
    """Of a network with an encoder and a decoder the encoder, which keeps the settings of both."""
    if not (hasattr(network, "decoder") and hasattr(network, "encoder")):
        return network
    half = network.get_encoder()
    half.settings_of_both = network.config
    return half


def settings_of(network: Any) -> dict[str, Any]:
    """Settings of a network as plain JSON, without where it came from and which version wrote it."""
    config = getattr(network, "settings_of_both", network.config)
    values = json.loads(json.dumps(config.to_dict(), default=str))
    return {
        name: value for name, value in values.items() if name not in ("_name_or_path", "transformers_version")
    }


def network_files(network: Any) -> dict[str, bytes]:
    """What a model folder keeps of a network."""
    weights = {name: value.contiguous().numpy() for name, value in network.state_dict().items()}
    return {
        SETTINGS: json.dumps(settings_of(network), indent=2).encode(),
        WEIGHTS: pack_tensors(weights),
    }


def network_of_files(files: Mapping[str, bytes]) -> Any:
    """The network that a model folder holds.

    Raises:
        ArtefactError: Its files are missing or do not fit one another.
        MissingExtraError: The extra `hf` is not installed.
    """
    if missing := [name for name in (SETTINGS, WEIGHTS) if name not in files]:
        raise ArtefactError(f"the model folder has no {missing[0]}; copy or save the model again.")
    with _quiet() as transformers:
        try:
            config = transformers.AutoConfig.for_model(**json.loads(files[SETTINGS]))
            with torch.device("meta"):  # shapes alone: no setting may take memory that the file does not fill
                shapes = {
                    name: tuple(value.shape)
                    for name, value in _blank(transformers, config).state_dict().items()
                }
        except Exception as error:  # of the library, for whatever the file may say
            raise ArtefactError(
                f"{SETTINGS}: expected the settings of a language model, got {type(error).__name__}: "
                f"{' '.join(str(error).split())[:200]}; save the model again."
            ) from error
        found = {name: tuple(shape) for name, shape in tensor_shapes(files[WEIGHTS], where=WEIGHTS).items()}
        if found != shapes:
            strange = sorted(set(found.items()) ^ set(shapes.items()))[0][0]
            raise ArtefactError(
                f"{WEIGHTS} does not fit {SETTINGS}: {strange!r} differs; save the model again."
            )
        with torch.random.fork_rng(devices=[]):  # what it begins with is replaced
            network = _blank(transformers, config)
    arrays = unpack_tensors(files[WEIGHTS], where=WEIGHTS)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return network


def _blank(transformers: Any, config: Any) -> Any:
    """A network as it begins."""
    return _reading_half(
        transformers.AutoModel.from_config(config, trust_remote_code=False, dtype=torch.float32)
    )


@contextmanager
def _quiet() -> Iterator[Any]:
    """The library, which in the body tells nothing and draws no bars."""
    try:
        import transformers
    except ImportError:
        raise MissingExtraError("running a language model", "hf") from None
    tellings = transformers.utils.logging
    verbosity, bars = tellings.get_verbosity(), tellings.is_progress_bar_enabled()
    tellings.set_verbosity_error()
    tellings.disable_progress_bar()
    try:
        yield transformers
    finally:
        tellings.set_verbosity(verbosity)
        if bars:
            tellings.enable_progress_bar()
