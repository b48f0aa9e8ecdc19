import numpy as np
import pytest

from textlattice.artefact.tensors import (
    pack_tensors,
    tensor_shapes,
    unpack_note,
    unpack_tensor,
    unpack_tensors,
)
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


# A note beside the arrays, and single arrays of anybody's files.


def test_a_note_comes_back_and_changes_no_array():
    arrays = {"a": np.arange(3.0)}
    data = pack_tensors(arrays, note="made by hand \u2028 \U0001f41d")
    assert unpack_note(data) == "made by hand \u2028 \U0001f41d"
    assert unpack_tensors(data)["a"].tolist() == [0, 1, 2]
    assert unpack_note(pack_tensors(arrays)) is None
    assert pack_tensors(arrays, note="x") == pack_tensors(arrays, note="x")


def file_of(header: str, numbers: bytes = b"") -> bytes:
    return len(header.encode()).to_bytes(8, "little") + header.encode() + numbers


@pytest.mark.parametrize("metadata", ["[]", '"text"', "null", '{"textlattice": 3}', '{"format": null}'])
def test_metadata_that_are_no_texts_are_refused(metadata):
    with pytest.raises(ArtefactError, match=r"table: expected a safetensors file, got .* not texts by name"):
        unpack_note(file_of(f'{{"__metadata__": {metadata}}}'), where="table")
    assert unpack_note(file_of('{"__metadata__": {"format": "pt"}}')) is None


def test_one_array_is_read_alone():
    data = pack_tensors({"a": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.array([7])})
    assert tensor_shapes(data) == {"a": (2, 3), "b": (1,)}
    found = unpack_tensor(data, "a")
    assert found.dtype == np.float16
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found.flags.writeable
    with pytest.raises(ArtefactError, match="no tensor 'c'"):
        unpack_tensor(data, "c")


def test_floats_with_a_long_exponent_come_as_float32():
    import torch
    from safetensors.torch import save

    numbers = torch.tensor([[1.5, -2.0], [3e38, 1e-30]]).to(torch.bfloat16)
    data = save({"x": numbers})
    found = unpack_tensor(data, "x")
    assert found.dtype == np.float32
    assert np.array_equal(found, numbers.float().numpy())
    with pytest.raises(ArtefactError, match="has the type 'BF16'"):
        unpack_tensors(data)
    with pytest.raises(
        ArtefactError, match="expected finite numbers, got 1 NaN or infinite of 1; get the file again"
    ):
        unpack_tensor(save({"x": torch.tensor([float("nan")]).to(torch.bfloat16)}), "x")


@pytest.mark.parametrize(
    "entry",
    [
        "3",
        '{"dtype": "F32", "shape": [2]}',
        '{"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}',
        '{"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}',
        '{"dtype": "BF16", "shape": [9], "data_offsets": [0, 18]}',
        '{"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}',
        '{"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}',
        '{"dtype": "F32", "shape": [1], "data_offsets": [0]}',
    ],
)
def test_arrays_that_do_not_fit_their_file_are_refused(entry):
    with pytest.raises(ArtefactError, match="expected a safetensors file"):
        unpack_tensor(file_of(f'{{"x": {entry}}}', bytes(8)), "x")
