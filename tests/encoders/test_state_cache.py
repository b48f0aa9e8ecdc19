import os

import numpy as np
import pytest

from textlattice.artefact.tensors import pack_tensors
from textlattice.encoders import state_cache
from textlattice.encoders.state_cache import StateCache, default_folder

ROWS = np.arange(6, dtype=np.float16).reshape(2, 3)
SIZE = len(pack_tensors({"states": ROWS}, note=state_cache._sum(ROWS)))


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
    assert cache.num_refused == 2


def of_former_runs(folder, count):
    former = StateCache(folder, 100 * SIZE)
    for key in range(count):
        former.put(bytes([key]), ROWS)
        os.utime(former._path(bytes([key])), (key + 1, key + 1))
    return [former._path(bytes([key])) for key in range(count)]


def test_what_can_never_fit_throws_nothing_away(tmp_path):
    paths = of_former_runs(tmp_path, 5)
    cache = StateCache(tmp_path, 5 * SIZE)
    assert not cache.put(b"large", np.zeros((1000, 3), np.float16))
    assert cache.put(b"used", ROWS)
    assert [path.is_file() for path in paths] == [False, True, True, True, True]
    assert not cache.put(b"nearly", np.zeros(2 * SIZE, np.float16))  # more than those four
    assert all(path.is_file() for path in paths[1:])


def test_what_others_keep_in_the_same_folder_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(state_cache, "_COUNTED_EVERY", 1)
    first, second = (StateCache(tmp_path, 3 * SIZE) for _ in range(2))
    kept = [cache.put(bytes([key]), ROWS) for key, cache in enumerate([first, second] * 3)]
    assert kept == [True] * 3 + [False] * 3
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) == 3 * SIZE


def test_what_a_killed_process_left_aside_goes_after_a_while(tmp_path):
    (tmp_path / "ab").mkdir()
    stale, fresh, foreign = (tmp_path / "ab" / name for name in ("stale.tmp", "fresh.tmp", "foreign.tmp"))
    for path in (stale, fresh):
        path.write_bytes(pack_tensors({"states": ROWS}, note=state_cache._sum(ROWS))[:-1])
    foreign.write_bytes(b"half")
    for path in (stale, foreign):
        os.utime(path, (1, 1))
    StateCache(tmp_path, SIZE)
    assert (stale.exists(), fresh.exists(), foreign.exists()) == (False, True, True)


def test_what_somebody_else_keeps_there_stays(tmp_path):
    """A folder of models, of a user's files, of another cache with names as long as ours: only what we wrote goes."""
    other = pack_tensors({"states": ROWS})
    paths = [
        tmp_path / name for name in ("bert/model.safetensors", "Documents/draft.tmp", "ab/x.safetensors")
    ]
    paths += [tmp_path / "cd" / f"{'0' * 62}.safetensors", tmp_path / "cd" / "old.tmp"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(other)
        os.utime(path, (1, 1))
    link = tmp_path / "cd" / f"{'1' * 62}.safetensors"
    link.symlink_to(paths[0])
    (mine,) = of_former_runs(tmp_path, 1)
    cache = StateCache(tmp_path, SIZE + len(other))
    assert cache.put(b"new", ROWS)  # in place of the old one of ours
    assert not mine.exists()
    assert not cache.put(b"more", ROWS)
    assert all(path.read_bytes() == other for path in paths)
    assert link.is_symlink()


def test_nothing_is_written_through_a_link(tmp_path):
    cache, precious = StateCache(tmp_path, 10 * SIZE), tmp_path / "precious"
    precious.write_text("mine")
    path = cache._path(b"one")
    path.parent.mkdir()
    path.symlink_to(precious)
    assert not cache.put(b"one", ROWS)
    assert cache.get(b"one") is None
    path.unlink()
    os.mkfifo(path)
    assert not cache.put(b"one", ROWS)
    assert cache.get(b"one") is None
    assert precious.read_text() == "mine"


def test_files_of_former_runs_make_room_the_oldest_first(tmp_path):
    of_former_runs(tmp_path, 3)
    cache = StateCache(tmp_path, 3 * SIZE)
    assert cache.get(bytes([0])) is not None  # used: it is no longer old
    assert cache.put(b"new", ROWS)
    assert [cache.get(bytes([key])) is not None for key in range(3)] == [True, False, True]
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.safetensors")) <= 3 * SIZE


CHANGED = bytearray(pack_tensors({"states": ROWS}, note=state_cache._sum(ROWS)))
CHANGED[-1] ^= 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tensors at all",
        pack_tensors({"other": ROWS}),
        pack_tensors({"states": ROWS}),
        bytes(CHANGED),
    ],
)
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
    paths = of_former_runs(tmp_path, 2)
    cache = StateCache(tmp_path, 2 * SIZE)
    for path in paths:
        path.unlink()
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
