"""Networks of the library `transformers`, in single precision: from its folders, and as files of a model folder."""

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from textlattice.artefact.model_files import (
    MAX_SETTINGS_BYTES,
    mapped,
    open_plain,
    parse_settings,
    read_plain,
    weight_files,
)
from textlattice.artefact.tensors import iterate_tensors, pack_tensors, tensor_shapes, unpack_tensors
from textlattice.batch.pyramid_batch import Pieces
from textlattice.encoders.offline import offline
from textlattice.encoders.settings import check_depth, checked_settings
from textlattice.errors import ArtefactError, DataError, MissingExtraError
from textlattice.nn.compiler_cache import no_compiler_cache

SETTINGS, WEIGHTS = "encoder.json", "encoder.safetensors"
"""Files of the model folder that hold the language model."""
CONFIG = "config.json"
"""Settings of a language model in a folder of its own."""
_MOST_TIMES = 4  # as many numbers as the weights have: of some models the encoder alone is kept
_MOST_BESIDE = 8 << 20  # numbers that no file holds, such as places and angles


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

    No code of a model is run, no pickle is read, nothing is fetched, and no file is read but `config.json` and the
    weights.

    Args:
        folder: Where its files lie.
        name: As the user named it.

    Raises:
        DataError: The folder holds no model that can be run, or lacks weights that its hidden states depend on.
        MissingExtraError: The extra `hf` is not installed.
    """
    where = f"{name}: {CONFIG}"
    with _library() as transformers:
        try:
            content = read_plain(folder / CONFIG, MAX_SETTINGS_BYTES, inside=folder)
        except FileNotFoundError:
            raise DataError(
                f"{name}: cannot be run (missing: {CONFIG}); expected {CONFIG} and weights as safetensors of a "
                "model that transformers knows."
            ) from None
        values = checked_settings(parse_settings(content, where), where)
        files = weight_files(name, folder)
        try:
            config = _config(transformers, values)
            shapes = {key: shape for path in files for key, shape in _shapes_of(path, folder).items()}
            check_depth(config, shapes, where)
            kind = transformers.MODEL_MAPPING[type(config)]
            _check_sizes(_blank(kind, config), shapes)
            arrays = {key: array for path in files for key, array in _arrays_of(path, folder)}
            network, report = _filled(kind, config, arrays)
            half = _reading_half(network).eval()
            unset = {key: value for key, value in network.named_parameters() if key in report["missing_keys"]}
            lacking = _heard(half, unset)
        except DataError:
            raise
        except Exception as error:  # of the library, for whatever the folder may hold
            raise DataError(
                f"{name}: cannot be run ({type(error).__name__}: {' '.join(str(error).split())[:300]}); "
                f"expected {CONFIG} and weights as safetensors of a model that transformers knows."
            ) from error
    if lacking:
        raise DataError(
            f"{name}: expected weights of all that config.json says, got none of {lacking[0]} ({len(lacking)} are "
            "missing); get the model again."
        )
    return half


def _shapes_of(path: Path, folder: Path) -> dict[str, tuple[int, ...]]:
    with open_plain(path, inside=folder) as file:
        return tensor_shapes(mapped(file), where=path.name)


def _arrays_of(path: Path, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    with open_plain(path, inside=folder) as file:
        yield from iterate_tensors(mapped(file), where=path.name)


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
    """Settings of a network as plain JSON: those that its states depend on."""
    config = getattr(network, "settings_of_both", network.config)
    return checked_settings(json.loads(json.dumps(config.to_dict(), default=str)), SETTINGS)


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
    found = tensor_shapes(files[WEIGHTS], where=WEIGHTS)
    with _library() as transformers:
        try:
            values = parse_settings(files[SETTINGS], SETTINGS)
            config = _config(transformers, checked_settings(values, SETTINGS))
            check_depth(config, found, SETTINGS)
            blank = _blank(transformers.MODEL_MAPPING[type(config)], config)
            half = _reading_half(blank)
            shapes = {name: tuple(value.shape) for name, value in half.state_dict().items()}
        except DataError as error:
            reason = str(error).removeprefix(f"{SETTINGS}: ").rpartition("; ")[0]
            raise ArtefactError(
                f"{SETTINGS}: expected the settings of a language model, got: {reason}; save the model again."
            ) from error
        except Exception as error:  # of the library, for whatever the file may say
            raise ArtefactError(
                f"{SETTINGS}: expected the settings of a language model, got {type(error).__name__}: "
                f"{' '.join(str(error).split())[:300]}; save the model again."
            ) from error
        if found != shapes:
            strange = sorted(set(found.items()) ^ set(shapes.items()))[0][0]
            raise ArtefactError(
                f"{WEIGHTS} does not fit {SETTINGS}: {short(strange)} differs; save the model again."
            )
        try:
            _check_sizes(half, found)
        except DataError as error:
            raise ArtefactError(f"{SETTINGS}: {error}") from error
        arrays = unpack_tensors(files[WEIGHTS], where=WEIGHTS)
        if wrong := [name for name, array in arrays.items() if array.dtype != np.float32]:
            raise ArtefactError(
                f"{WEIGHTS}: expected numbers of the type float32, got {arrays[wrong[0]].dtype} for "
                f"{short(wrong[0])}; save the model again."
            )
        try:
            network, _ = _filled(type(half), half.config, arrays)
        except Exception as error:  # likewise
            raise ArtefactError(
                f"{SETTINGS}: the language model cannot be made ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:300]}); save the model again."
            ) from error
    if half is not blank:
        network.settings_of_both = config
    return network


def _config(transformers: Any, values: dict[str, Any]) -> Any:
    """Settings as the library holds them."""
    kind = transformers.models.auto.configuration_auto.CONFIG_MAPPING[values["model_type"]]
    return kind(**{name: value for name, value in values.items() if name != "model_type"})


def _blank(kind: Any, config: Any) -> Any:
    """A network of shapes alone, which takes no memory."""
    with torch.device("meta"):
        return kind._from_config(copy.deepcopy(config), dtype=torch.float32)


def _check_sizes(blank: Any, shapes: Mapping[str, Sequence[int]]) -> None:
    """That a network is no larger than its weights allow: a decoder may be missing, and what it computes is small."""
    kept = blank.state_dict()
    size = sum(value.numel() for value in blank.parameters())
    given = sum(math.prod(shape) for shape in shapes.values())
    beside = sum(value.numel() for name, value in blank.named_buffers() if name not in kept)
    if size > _MOST_TIMES * given + _MOST_BESIDE or beside > _MOST_BESIDE:
        raise DataError(
            f"cannot be run: its settings ask for {size + beside:,} numbers, its weights have {given:,}; get the model "
            "again."
        )


def _filled(kind: Any, config: Any, arrays: dict[str, np.ndarray]) -> tuple[Any, dict[str, Any]]:
    """A network with these weights, whose memory it takes over, and what the library reports about loading it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of what there are no weights for, such as a pooling that nobody reads
        network, report = kind.from_pretrained(
            None,  # no place: it takes what it is given
            config=config,
            state_dict={name: torch.from_numpy(array) for name, array in arrays.items()},
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    return network, report


@contextmanager
def _library() -> Iterator[Any]:
    """The library; while the body runs it logs nothing, draws no bars and makes no requests."""
    with no_compiler_cache():
        try:
            import transformers
            import transformers.modeling_utils  # which loads PyTorch's compiler
        except ImportError:
            raise MissingExtraError("running a language model", "hf") from None
    tellings = transformers.utils.logging
    verbosity, bars = tellings.get_verbosity(), tellings.is_progress_bar_enabled()
    tellings.set_verbosity_error()
    tellings.disable_progress_bar()
    try:
        with offline(), no_compiler_cache():
            yield transformers
    finally:
        tellings.set_verbosity(verbosity)
        if bars:
            tellings.enable_progress_bar()
