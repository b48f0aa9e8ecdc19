import os

import numpy as np
import pytest

from textlattice.artefact.tensors import pack_tensors
from textlattice.encoders.state_cache import StateCache, default_folder

ROWS = np.arange(6, dtype=np.float16).reshape(2, 3)
SIZE = len(pack_tensors({"states": ROWS}))


def test_what_is_kept_comes_back(tmp_path):
    cache = StateCache(tmp_path / "states", 10 * SIZE)
    assert cache.get(b"one") is None
    assert cache.put(b"one", ROWS)
    for again in (cache, StateCache(tmp_path / "states", 10 * SIZE)):
        found = again.get(b"one")
        np.testing.assert_array_equal(found, ROWS)
        assert found.dtype == np.float16
        assert again.get(b"other") is None


def test_a_full_cache_keeps_what_it_has(tmp_path):
    cache = StateCache(tmp_path, 2 * SIZE)
    assert [cache.put(bytes([key]), ROWS) for key in range(4)] == [True, True, False, False]
    assert [cache.get(bytes([key])) is not None for key in range(4)] == [True, True, False, False]


def test_files_of_former_runs_make_room_the_oldest_first(tmp_path):
    former = StateCache(tmp_path, 3 * SIZE)
    for key in range(3):
        former.put(bytes([key]), ROWS)
        os.utime(former._path(bytes([key])), (key + 1, key + 1))
    cache = StateCache(tmp_path, 3 * SIZE)
    assert cache.get(bytes([0])) is not None  # used: it is no longer old
    assert cache.put(b"new", ROWS)
    assert [cache.get(bytes([key])) is not None for key in range(3)] == [True, False, True]
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.safetensors")) <= 3 * SIZE


@pytest.mark.parametrize("content", [b"", b"no tensors at all", pack_tensors({"other": ROWS})])
def test_a_damaged_file_counts_as_missing(tmp_path, content):
    cache = StateCache(tmp_path, 10 * SIZE)
    cache.put(b"one", ROWS)
    cache._path(b"one").write_bytes(content)
    assert cache.get(b"one") is None


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    cache = StateCache(tmp_path, 10 * SIZE)

    def broken(*paths):
        raise OSError("full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", broken)
        assert not cache.put(b"one", ROWS)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [cache.put(b"one", ROWS) for _ in range(20)] == [True] * 20  # one file, counted once


def test_files_that_others_removed_make_room(tmp_path):
    former = StateCache(tmp_path, 2 * SIZE)
    for key in range(2):
        former.put(bytes([key]), ROWS)
        os.utime(former._path(bytes([key])), (1, 1))
    cache = StateCache(tmp_path, 2 * SIZE)
    for key in range(2):
        former._path(bytes([key])).unlink()
    assert cache.put(b"new", ROWS)


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = StateCache(tmp_path / "file", 10 * SIZE)
    assert not cache.put(b"one", ROWS)
    assert cache.get(b"one") is None


def test_the_folder_is_in_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "textlattice" / "states"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder().parts[-3:] == (".cache", "textlattice", "states")
