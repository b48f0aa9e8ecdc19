import errno
import os
import subprocess
import sys

import pytest

from textlattice.artefact import lock as module
from textlattice.artefact.lock import is_alive, only_writer
from textlattice.errors import ArtefactError

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
        process, boot_id = (tmp_path / "model.lock").read_text().split()
        assert int(process) == os.getpid()
        assert len(boot_id) == 36
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", ["", "no number at all", "123", "1 another-boot\n", "-1 x\n"])
def test_what_a_crash_left_is_taken_over(tmp_path, system, content):
    (tmp_path / "model.lock").write_text(content)
    with only_writer(tmp_path / "model"):
        assert (tmp_path / "model.lock").read_text().startswith(f"{os.getpid()} ")


def test_a_living_process_of_this_boot_holds_it_where_there_are_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fcntl", None)
    (tmp_path / "model.lock").write_text(f"{os.getppid()} {module._boot_id()}\n")
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
