import numpy as np
import pytest

from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.errors import ArtefactError


def test_round_trip_keeps_types_shapes_and_zero_sizes():
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "b": np.array([1, 2**63], dtype=np.uint64),
        "c": np.zeros((0, 4), dtype=np.int8),
        "d": np.array(True),
        "e": np.array([1.5], dtype=np.float16),
    }
    back = unpack_tensors(pack_tensors(arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].flags.writeable
        np.testing.assert_array_equal(back[name], array)
    assert pack_tensors(arrays) == pack_tensors(arrays)
    assert unpack_tensors(pack_tensors({})) == {}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_floats_that_are_not_finite_are_refused(value):
    import safetensors.numpy

    bad = {"weight": np.array([1, value, 3], dtype=np.float32)}
    with pytest.raises(ArtefactError, match=r"'weight': expected finite numbers, got 1 NaN or infinite of 3"):
        unpack_tensors(safetensors.numpy.save(bad))
    with pytest.raises(ArtefactError, match="learning_rate"):
        pack_tensors(bad)


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 64, pack_tensors({"a": np.zeros(9)})[:-1]])
def test_bytes_that_are_no_tensors_are_refused(data):
    with pytest.raises(ArtefactError, match=rf"expected a safetensors file, got {len(data)} bytes"):
        unpack_tensors(data)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([object()]), np.array([1j])])
def test_types_without_a_form_are_refused(array):
    with pytest.raises(ArtefactError, match="expected arrays of numbers, got x: "):
        pack_tensors({"x": array})
