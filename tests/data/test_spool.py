import errno
import gc
import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlattice.data import spool
from textlattice.data.spool import Spool, StoredTexts
from textlattice.errors import DataError

TEXTS = ["", "a", "straße 映画 🎬", "\ud800 alone", "x" * 5_000, "\0\n\r\u2028", ""]


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(params=["pread", "seek"])
def on_disk(request, monkeypatch):
    """Nothing stays in memory but a few bytes, on systems with and without positioned reads."""
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(spool, "_WRITTEN_AT_ONCE", 3)
    if request.param == "seek":
        monkeypatch.delattr(os, "pread")


@given(parts=st.lists(st.binary(max_size=9)), most=st.integers(0, 20), reads=st.data())
def test_reads_equal_slices(parts, most, reads):
    held = Spool(most)
    for part in parts:
        held.append(part)
    whole = b"".join(parts)
    assert len(held) == len(whole)
    start, size = reads.draw(st.integers(0, len(whole))), reads.draw(st.integers(0, 30))
    assert held.read(start, size) == whole[start : start + size]
    assert held.read(0, len(whole)) == whole


def test_memory_and_file_meet(on_disk):
    held = Spool()
    held.append(b"abcd")
    held.append(b"ef")
    assert (held._num_written, bytes(held._tail)) == (4, b"ef")
    assert [held.read(start, 3) for start in range(6)] == [b"abc", b"bcd", b"cde", b"def", b"ef", b"f"]


def test_few_bytes_make_no_file():
    before = open_files()
    held = Spool()
    held.append(b"x" * 1_000)
    assert open_files() == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted in /proc")
def test_nothing_is_left_of_the_file(on_disk, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = open_files()
    held = Spool()
    held.append(b"x" * 1_000)
    assert open_files() == before + 1
    assert list(tmp_path.iterdir()) == []  # it has no name even now
    del held
    gc.collect()
    assert open_files() == before


def test_threads_read_at_once(on_disk):
    texts = StoredTexts()
    expected = [f"text {number} " * (number % 50) for number in range(500)]
    for text in expected:
        texts.append(text)
    wrong = []

    def read():
        wrong.extend(place for place, text in enumerate(expected) if texts[place] != text)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_disk_without_room_is_told(on_disk, monkeypatch, tmp_path):
    class Full:
        def seek(self, place):
            pass

        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    with pytest.raises(
        DataError,
        match=f"need a temporary file: expected room in {tmp_path}, got No space left on device after 0 bytes; make "
        "room, or name a folder that has it in the environment variable TMPDIR",
    ):
        Spool().append(b"abcd")


def test_without_any_temporary_folder(on_disk, monkeypatch):
    def none(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", none)
    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(
        DataError, match="expected room in a temporary folder, got No usable temporary directory"
    ):
        Spool().append(b"abcd")


@pytest.mark.parametrize("most", [0, 10**9])
def test_texts_are_a_sequence(most, monkeypatch):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", most)
    texts = StoredTexts()
    assert list(texts) == []
    for text in TEXTS:
        texts.append(text)
    assert list(texts) == TEXTS
    assert (len(texts), texts[-1], texts[-3], texts[2]) == (7, TEXTS[-1], TEXTS[-3], TEXTS[2])
    assert texts[np.int64(2)] == TEXTS[2]
    assert texts[1:6:2] == TEXTS[1:6:2]
    assert "a" in texts
    assert texts.index("a") == 1
    for place in (7, -8):
        with pytest.raises(IndexError):
            texts[place]
