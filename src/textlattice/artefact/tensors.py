"""Named arrays to bytes and back, in the safetensors format: no pickle, no code."""

from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy

from textlattice.errors import ArtefactError


def pack_tensors(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as the content of a `.safetensors` file; the same arrays give the same bytes.

    Raises:
        ArtefactError: A float is NaN or infinite, or a type (object, string) has no form in safetensors.
    """
    _check_finite(arrays, "train again with a lower train.learning_rate")
    try:
        return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        kinds = ", ".join(f"{name}: {array.dtype}" for name, array in arrays.items())
        raise ArtefactError(
            f"tensors: expected arrays of numbers, got {kinds} ({error}); convert them first."
        ) from error


def unpack_tensors(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a `.safetensors` file as writable copies.

    Raises:
        ArtefactError: The bytes are no such file, or a float is NaN or infinite.
    """
    try:
        arrays = {name: np.array(array) for name, array in safetensors.numpy.load(data).items()}
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise ArtefactError(
            f"tensors: expected a safetensors file, got {len(data)} bytes that are none ({error}); "
            "copy or save the model again."
        ) from error
    _check_finite(arrays, "save the model again from a healthy run")
    return arrays


def _check_finite(arrays: Mapping[str, np.ndarray], advice: str) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            count = int((~np.isfinite(array)).sum())
            raise ArtefactError(
                f"tensor {name!r}: expected finite numbers, got {count} NaN or infinite of {array.size}; "
                f"{advice}."
            )
