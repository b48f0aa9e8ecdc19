"""Places that a user names for output: files, links, pipes, devices and what cannot be written at all.

Each case makes its place in an empty folder, and says what has to become of it.
"""

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

FORMER = b"what the user had\n"


@dataclass(frozen=True, kw_only=True)
class PlaceCase:
    """A place and what has to become of it.

    Args:
        make: Makes it in a folder; the name to write to.
        check: Given the folder and what was to be written, holds what is there against that.
        refused: Part of the message where nothing may be written; what is there stays to the byte.
    """

    make: Callable[[Path], Path]
    check: Callable[[Path, bytes], None] = lambda folder, content: None
    refused: str | None = None


def place_cases() -> Iterator[tuple[str, PlaceCase]]:
    """Every case with its name."""
    for mode in (0o600, 0o640, 0o644, 0o664, 0o755):
        yield f"a file of mode {mode:o}", PlaceCase(make=_file(mode), check=_file_of(mode))
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        yield f"a new file, umask {mask:o}", PlaceCase(make=_umask(mask), check=_file_of(mode))
    yield "a link to a file", PlaceCase(make=_link("kept"), check=_through_link)
    yield "a link to a link to a file", PlaceCase(make=_chain, check=_through_link)
    yield "a link by a linked folder", PlaceCase(make=_by_folder, check=_through_link)
    yield "a link to nothing yet", PlaceCase(make=_link("new"), check=_through_link)
    yield "a hard link", PlaceCase(make=_hard_link, check=_other_name_kept)
    yield "a long name", PlaceCase(make=lambda folder: folder / f"{'n' * 251}.csv", check=_only_name)
    yield "a name in many bytes", PlaceCase(make=lambda folder: folder / f"{'名' * 83}.csv", check=_only_name)
    yield "/dev/null", PlaceCase(make=lambda folder: Path("/dev/null"), check=_device)
    yield "a pipe", PlaceCase(make=_pipe, check=_piped)
    yield "a descriptor of the process", PlaceCase(make=_descriptor, check=_appended)
    yield "a link to a descriptor", PlaceCase(make=_link_to_descriptor, check=_appended)
    yield "a folder", PlaceCase(make=_folder, refused="is a folder")
    yield "a link to a folder", PlaceCase(make=_link_to_folder, refused="is a folder")
    yield "a socket", PlaceCase(make=_socket, refused="is a socket")
    yield "links in a circle", PlaceCase(make=_circle, refused="cannot be written: Too many levels")
    yield "no such folder", PlaceCase(make=lambda folder: folder / "no" / "a.csv", refused="does not exist")
    yield "a link into no folder", PlaceCase(make=_link("no/a.csv"), refused="does not exist")
    yield (
        "a descriptor that is closed",
        PlaceCase(make=lambda folder: Path("/dev/fd/9876"), refused="is closed"),
    )
    yield "a descriptor to read from", PlaceCase(make=_read_only, refused="is closed")
    if os.geteuid():  # root may write anywhere
        yield "a write-protected file", PlaceCase(make=_file(0o444), refused="is write-protected")
        yield "a write-protected folder", PlaceCase(make=_closed_folder, refused="does not permit")


def abandoned_cases(dead: int) -> Iterator[tuple[str, Callable[[Path], Path], bool]]:
    """What may lie beside `a.csv`: a name, what makes it in a folder, and whether the next writer removes it.

    Args:
        dead: Number of a process that lives no more.
    """
    name = f".a.csv.tmp-{dead}-0123abcd"
    yield "of a writer that was killed", _content(name), True
    yield "empty, of a writer that was killed", _content(name, b""), True
    yield "of a writer at work", _content(f".a.csv.tmp-{os.getppid()}-0123abcd"), False
    yield "of another file", _content(f".b.csv.tmp-{dead}-0123abcd"), False
    yield "a name with more", _content(f"{name}.bak"), False
    yield "a shorter name", _content(f".a.csv.tmp-{dead}"), False
    yield "a number in capitals", _content(f".a.csv.tmp-{dead}-0123ABCD"), False
    yield "no number", _content(".a.csv.tmp-me-0123abcd"), False
    yield "a link", _abandoned_link(name), False
    yield "a folder", lambda folder: _made(folder / name), False
    yield "a pipe", lambda folder: _made_pipe(folder / name), False
    yield "a file with a second name", _abandoned_hard_link(name), False


def _file(mode: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "a.csv"
        path.write_bytes(FORMER)
        path.chmod(mode)
        return path

    return make


def _umask(mask: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        os.umask(mask)  # the test puts it back
        return folder / "a.csv"

    return make


def _file_of(mode: int) -> Callable[[Path, bytes], None]:
    def check(folder: Path, content: bytes) -> None:
        assert os.listdir(folder) == ["a.csv"]
        assert (folder / "a.csv").read_bytes() == content
        assert stat.S_IMODE((folder / "a.csv").stat().st_mode) == mode

    return check


def _link(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        if target == "kept":
            (folder / "kept").write_bytes(FORMER)
        (folder / "a.csv").symlink_to(target)
        return folder / "a.csv"

    return make


def _chain(folder: Path) -> Path:
    (folder / "kept").write_bytes(FORMER)
    (folder / "middle").symlink_to("kept")
    (folder / "a.csv").symlink_to(folder / "middle")
    return folder / "a.csv"


def _by_folder(folder: Path) -> Path:
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "short").symlink_to("deep/deeper")
    (folder / "deep" / "kept").write_bytes(FORMER)
    (folder / "deep" / "deeper" / "a.csv").symlink_to("../kept")
    return folder / "short" / "a.csv"


def _through_link(folder: Path, content: bytes) -> None:
    names = [path for path in folder.rglob("*") if not path.is_dir() and path.name != "middle"]
    (link,) = (path for path in names if path.is_symlink())
    (file,) = (path for path in names if not path.is_symlink())
    assert (link.name, file.name in ("kept", "new")) == ("a.csv", True)
    assert file.read_bytes() == content


def _hard_link(folder: Path) -> Path:
    (folder / "other").write_bytes(FORMER)
    os.link(folder / "other", folder / "a.csv")
    return folder / "a.csv"


def _other_name_kept(folder: Path, content: bytes) -> None:
    assert (folder / "other").read_bytes() == FORMER
    assert (folder / "a.csv").read_bytes() == content


def _only_name(folder: Path, content: bytes) -> None:
    (path,) = folder.iterdir()
    assert path.read_bytes() == content


def _device(folder: Path, content: bytes) -> None:
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert os.listdir(folder) == []


def _pipe(folder: Path) -> Path:
    path = folder / "a.csv"
    os.mkfifo(path)
    reader = threading.Thread(
        target=lambda: (folder / "read").write_bytes(path.read_bytes()), name="reader of a pipe"
    )
    reader.start()
    return path


def _piped(folder: Path, content: bytes) -> None:
    for thread in threading.enumerate():
        if thread.name == "reader of a pipe":
            thread.join(30)
    assert (folder / "read").read_bytes() == content
    assert stat.S_ISFIFO((folder / "a.csv").stat().st_mode)


def _descriptor(folder: Path) -> Path:
    number = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(number, FORMER)
    return Path(f"/dev/fd/{number}")


def _link_to_descriptor(folder: Path) -> Path:
    (folder / "a.csv").symlink_to(_descriptor(folder))
    return folder / "a.csv"


def _appended(folder: Path, content: bytes) -> None:
    assert (folder / "log").read_bytes() == FORMER + content


def _folder(folder: Path) -> Path:
    return _made(folder / "a.csv")


def _link_to_folder(folder: Path) -> Path:
    _made(folder / "real")
    (folder / "a.csv").symlink_to("real")
    return folder / "a.csv"


def _socket(folder: Path) -> Path:
    here = os.getcwd()
    os.chdir(folder)  # the name of a socket may be a hundred bytes long
    try:
        with socket.socket(socket.AF_UNIX) as unread:
            unread.bind("a.csv")
    finally:
        os.chdir(here)
    return folder / "a.csv"


def _circle(folder: Path) -> Path:
    (folder / "a.csv").symlink_to("b.csv")
    (folder / "b.csv").symlink_to("a.csv")
    return folder / "a.csv"


def _read_only(folder: Path) -> Path:
    (folder / "kept").write_bytes(FORMER)
    return Path(f"/dev/fd/{os.open(folder / 'kept', os.O_RDONLY)}")


def _closed_folder(folder: Path) -> Path:
    _made(folder / "closed").chmod(0o500)
    return folder / "closed" / "a.csv"


def _content(name: str, content: bytes = FORMER) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _abandoned_link(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "kept").write_bytes(FORMER)
        (folder / name).symlink_to("kept")
        return folder / name

    return make


def _abandoned_hard_link(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "kept").write_bytes(FORMER)
        os.link(folder / "kept", folder / name)
        return folder / name

    return make


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _made_pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path
