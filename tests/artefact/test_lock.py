import errno
import os
import subprocess
import sys

import pytest

from textlattice.artefact import lock as module
from textlattice.artefact.lock import is_alive, only_writer
from textlattice.errors import ArtefactError

BOOT = "0b9a2f4e-1c3d-4e5f-8a6b-7c8d9e0f1a2b"
HOLD = """
import sys
from pathlib import Path
from textlattice.artefact.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of `model`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "model")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(params=["locks", "no locks on this disk", "no locks on this system"])
def system(request, monkeypatch):
    """The system's locks, or only numbers of processes."""

    def flock(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    if request.param == "no locks on this disk":
        monkeypatch.setattr(module.fcntl, "flock", flock)
    elif request.param == "no locks on this system":
        monkeypatch.setattr(module, "fcntl", None)


def test_the_second_writer_is_refused(tmp_path, system, other):
    message = rf"model: process {other.pid} is training into this folder; wait.*remove .*model\.lock\."
    with pytest.raises(ArtefactError, match=message), only_writer(tmp_path / "model"):
        pass
    other.communicate("")
    assert os.listdir(tmp_path) == []
    with only_writer(tmp_path / "model"):
        assert os.listdir(tmp_path) == ["model.lock"]
    assert os.listdir(tmp_path) == []


def test_a_writer_that_was_killed_holds_nothing(tmp_path, system, other):
    other.kill()
    other.communicate()
    assert os.listdir(tmp_path) == ["model.lock"]
    with only_writer(tmp_path / "model"):
        mark, process, boot_id = (tmp_path / "model.lock").read_text().split()
        assert mark == "textlattice"
        assert int(process) == os.getpid()
        assert len(boot_id) == 36
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        "textlattice 1 another-boot\n",
        "textlattice 123",
        "textlattice ",
        "textlattice -1 x\n",
        f"1 {BOOT}\n",  # of 0.1.0
        f"{2**22 + 1} unknown\n",
    ],
)
def test_what_a_crash_left_is_taken_over(tmp_path, system, content):
    (tmp_path / "model.lock").write_text(content)
    with only_writer(tmp_path / "model"):
        assert (tmp_path / "model.lock").read_text().startswith(f"textlattice {os.getpid()} ")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    ["", "no number at all", "123", "1 another-boot\n", "-1 x\n", f"1 {BOOT}\nmine", "text"],
)
def test_a_file_of_somebody_else_is_refused(tmp_path, system, content):
    (tmp_path / "model.lock").write_text(content)
    message = (
        r"model\.lock: expected nothing or a lock of textlattice, got a file that textlattice did not write"
    )
    with pytest.raises(ArtefactError, match=message), only_writer(tmp_path / "model"):
        pass
    assert (tmp_path / "model.lock").read_text() == content


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "folder", "pipe"])
def test_what_is_no_plain_file_is_refused(tmp_path, system, kind):
    lock, precious = tmp_path / "model.lock", tmp_path / "precious"
    precious.write_text(f"textlattice 1 {BOOT}\n")
    if kind == "folder":
        lock.mkdir()
    elif kind == "pipe":
        os.mkfifo(lock)
    elif kind == "hard link":
        lock.hardlink_to(precious)
    else:
        lock.symlink_to(precious if kind == "link" else "missing")
    before, content = os.lstat(lock), precious.read_text()
    got = {"folder": "a folder", "pipe": "something that is no file"}.get(
        kind, kind.removeprefix("dangling ")
    )
    with (
        pytest.raises(ArtefactError, match=f"got .*{got}.*move what is there away"),
        only_writer(tmp_path / "model"),
    ):
        pass
    assert os.path.samestat(before, os.lstat(lock))
    assert precious.read_text() == content
    assert not (tmp_path / "missing").exists()


def test_what_took_the_place_of_our_lock_is_left_there(tmp_path, system):
    lock = tmp_path / "model.lock"
    with only_writer(tmp_path / "model"):
        lock.unlink()
        lock.write_text("mine")
    assert lock.read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files without a name are of Linux")
def test_where_files_need_a_name_the_lock_is_made_in_its_place(tmp_path, system, monkeypatch):
    opened = os.open

    def named(path, flags, mode):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported", str(path))
        return opened(path, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr("os.open", named)
        with only_writer(tmp_path / "model"):
            assert (tmp_path / "model.lock").read_text().startswith(f"textlattice {os.getpid()} ")
        assert os.listdir(tmp_path) == []
        patch.setattr("os.write", lambda *arguments: os.pread(-1, 1, 0))
        with pytest.raises(ArtefactError, match="cannot write beside"), only_writer(tmp_path / "model"):
            pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("before", ["textlattice ", ""], ids=["today", "0.1.0"])
def test_a_living_process_of_this_boot_holds_it_where_there_are_no_locks(tmp_path, monkeypatch, before):
    monkeypatch.setattr(module, "fcntl", None)
    (tmp_path / "model.lock").write_text(f"{before}{os.getppid()} {module._boot_id()}\n")
    with (
        pytest.raises(ArtefactError, match=f"process {os.getppid()} is training"),
        only_writer(tmp_path / "model"),
    ):
        pass
    assert (tmp_path / "model.lock").exists()


def test_a_lock_that_its_owner_removes_under_our_hands_is_taken_anew(tmp_path, monkeypatch):
    calls, locked = [], module._locked

    def removed_first(descriptor):
        if not calls:
            (tmp_path / "model.lock").unlink()
        calls.append(descriptor)
        return locked(descriptor)

    monkeypatch.setattr(module, "_locked", removed_first)
    with only_writer(tmp_path / "model"):
        assert len(calls) == 2
        assert (tmp_path / "model.lock").exists()


def test_a_place_where_nothing_can_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    message = r"cannot write beside this folder: .*check permissions"
    with pytest.raises(ArtefactError, match=message), only_writer(tmp_path / "file" / "model"):
        pass

    def closed(path, flags, mode):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("os.open", closed)
    message = r"Read-only file system \(.*model\.lock\)"
    with pytest.raises(ArtefactError, match=message), only_writer(tmp_path / "model"):
        pass


def test_parents_are_made_and_an_error_of_the_body_passes(tmp_path):
    with pytest.raises(KeyError), only_writer(tmp_path / "a" / "model"):
        raise KeyError
    assert os.listdir(tmp_path / "a") == []


def test_who_is_alive():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert is_alive(os.getpid())
    assert is_alive(1)
    assert not is_alive(process.pid)
    assert not is_alive(10**30)
