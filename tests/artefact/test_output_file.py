"""Output files: what the user has there is kept, what cannot be written is refused, nothing half written stays."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reliability.output_places import FORMER, abandoned_cases, place_cases
from textlattice.artefact.output_file import output_place, writing
from textlattice.errors import DataError

CONTENT = b"answers\n" * 3000
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="pipes and descriptors as Linux has them"
)


@pytest.fixture
def umask():
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write(path, content, before=lambda: None):
    with writing(path) as stream:
        before()
        stream.write(content)


def listing(folder):
    return {str(path): path.lstat().st_ino for path in folder.rglob("*")}


@pytest.mark.parametrize(("name", "case"), list(place_cases()))
def test_every_place(tmp_path, umask, name, case):
    path = case.make(tmp_path)
    before = listing(tmp_path)
    if case.refused is not None:
        with pytest.raises(DataError, match=case.refused):
            output_place(path)
        with pytest.raises(DataError, match=case.refused), writing(path):
            pass
        assert listing(tmp_path) == before
        return
    output_place(path)
    assert listing(tmp_path) == before
    with writing(path) as stream:
        stream.write(CONTENT)
    case.check(tmp_path, CONTENT)


@pytest.mark.parametrize("beside", ["a.csv", "new.csv"])
def test_until_it_is_complete_nobody_else_may_read_it(tmp_path, umask, beside):
    os.umask(0)
    (tmp_path / "a.csv").write_bytes(FORMER)
    with writing(tmp_path / beside) as stream:
        stream.write(CONTENT)
        stream.flush()
        (aside,) = (
            path for path in tmp_path.iterdir() if path.name.startswith(f".{beside}.tmp-{os.getpid()}-")
        )
        assert stat.S_IMODE(aside.stat().st_mode) == 0o600
        assert (tmp_path / "a.csv").read_bytes() == FORMER
    assert stat.S_IMODE((tmp_path / beside).stat().st_mode) == 0o666


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_what_ends_in_an_error_leaves_the_former_file_alone(tmp_path, error):
    (tmp_path / "a.csv").write_bytes(FORMER)

    def fail():
        with writing(tmp_path / "a.csv") as stream:
            stream.write(CONTENT)
            raise error

    with pytest.raises(type(error)):
        fail()
    assert os.listdir(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == FORMER


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with (
        pytest.raises(DataError, match=r"a\.csv: cannot be written: No space left"),
        writing(tmp_path / "a.csv"),
    ):
        pass
    assert os.listdir(tmp_path) == []
    with pytest.raises(DataError, match="/dev/full: cannot be written: No space left"):
        write(Path("/dev/full"), CONTENT)


def test_a_pipe_whose_reader_goes_away_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = threading.Thread(target=lambda: (tmp_path / "pipe").open("rb").close())
    reader.start()
    with pytest.raises(DataError, match="pipe: its reader went away"):
        write(tmp_path / "pipe", CONTENT * 10, before=lambda: reader.join(30))


def test_another_group_gets_no_more_than_everybody(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_bytes(FORMER)
    path.chmod(0o664)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    former = os.lstat(path)
    other = os.stat_result((*former[:5], former.st_gid + 1, *former[6:]))
    monkeypatch.setattr(os, "lstat", lambda _: other)
    with writing(path) as stream:
        stream.write(CONTENT)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_leaves_a_file_to_its_owner(tmp_path):
    (tmp_path / "a.csv").write_bytes(FORMER)
    os.chown(tmp_path / "a.csv", 1234, 5678)
    with writing(tmp_path / "a.csv") as stream:
        stream.write(CONTENT)
    status = (tmp_path / "a.csv").stat()
    assert (status.st_uid, status.st_gid) == (1234, 5678)


def test_only_what_dead_writers_of_this_file_left_is_removed(tmp_path, dead):
    for place, (name, make, removed) in enumerate(abandoned_cases(dead)):
        folder = tmp_path / str(place)
        folder.mkdir()
        left = make(folder)
        with writing(folder / "a.csv") as stream:
            stream.write(CONTENT)
        assert os.path.lexists(left) is not removed, name
        if (folder / "kept").exists():
            assert (folder / "kept").read_bytes() == FORMER, name


def test_a_writer_in_another_container_is_left_alone(tmp_path, dead):
    """Its number means nothing here, but it holds the lock."""
    import fcntl

    left = tmp_path / f".a.csv.tmp-{dead}-0123abcd"
    with left.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with writing(tmp_path / "a.csv"):
            pass
        assert left.exists()
    with writing(tmp_path / "a.csv"):
        pass
    assert os.listdir(tmp_path) == ["a.csv"]
