"""Files of a user that stand where textlattice writes: whatever a command does, they stay as they are.

    for case in foreign_files(model, rows):
        fault = attempt(case, folder, run)

A case fails if anything that was there before is changed by a bit, an inode, a permission or a link, if the command
does not end as expected, or if one that is refused leaves anything.
"""

import os
import re
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MINE = b"not of textlattice"
DEAD = 999_999_999
"""Number of a process that does not live."""

TRAIN = ("train", "rows.csv", "-o", "model", "--preset", "tiny", "--steps", "3", "--threads", "1")


@dataclass(frozen=True, kw_only=True)
class ForeignFile:
    """A folder with something foreign in it, and a command that comes upon it.

    Args:
        name: What is where.
        words: The command; paths in it are below the folder.
        make: Puts into the folder what is foreign.
        refused: What the error must say; None where the command must do its work around the foreign file.
        with_model: Whether a model folder `model` is there first.
        replaced: What the command may replace or remove, and make, where it does its work.
    """

    name: str
    words: tuple[str, ...]
    make: Callable[[Path], None]
    refused: str | None = None
    with_model: bool = False
    replaced: tuple[str, ...] = ()


def _file(path: Path) -> None:
    path.write_bytes(MINE)
    path.chmod(0o640)


def _empty(path: Path) -> None:
    path.touch()


def _link(path: Path) -> None:
    _file(path.with_name(f"{path.name}-precious"))
    path.symlink_to(f"{path.name}-precious")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _hard_link(path: Path) -> None:
    _file(path.with_name(f"{path.name}-precious"))
    path.hardlink_to(path.with_name(f"{path.name}-precious"))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's path may hold 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def _folder(path: Path) -> None:
    path.mkdir()
    _file(path / "notes.txt")


def _empty_folder(path: Path) -> None:
    path.mkdir()


def _link_to_folder(path: Path) -> None:
    _folder(path.with_name(f"{path.name}-elsewhere"))
    path.symlink_to(f"{path.name}-elsewhere")


def _marked_link(path: Path) -> None:
    """A link to a folder that holds what our marks look like."""
    _link_to_folder(path)
    for mark in (".replaced", ".temporary"):
        (path / mark).touch()


NO_FOLDERS: dict[str, Callable[[Path], None]] = {
    "a file": _file,
    "an empty file": _empty,
    "a link": _link,
    "a dangling link": _dangling,
    "a hard link": _hard_link,
    "a pipe": _pipe,
    "a socket": _socket,
}
FOLDERS: dict[str, Callable[[Path], None]] = {
    "a folder": _folder,
    "a link to a folder": _link_to_folder,
    "a link to a folder with marks": _marked_link,
}


def foreign_files(model: Path) -> Iterator[ForeignFile]:
    """Every case.

    Args:
        model: A trained folder, which stands for one that the user made a copy of.
    """
    everything = NO_FOLDERS | FOLDERS

    def model_at(path: Path) -> None:
        shutil.copytree(model, path)

    def at(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
        return lambda folder: make(folder / name)

    def inside(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
        def put(folder: Path) -> None:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            path.parent.mkdir(exist_ok=True)
            make(path)

        return put

    def case(
        command: tuple[str, ...],
        where: str,
        what: str,
        make: Callable[[Path], None],
        refused: str | None = None,
        *,
        with_model: bool = False,
        replaced: tuple[str, ...] = (),
    ) -> ForeignFile:
        there = ", beside a model" if with_model else ""
        return ForeignFile(
            name=f"{command[0]}: {what} at {where}{there}",
            words=command,
            make=make,
            refused=refused,
            with_model=with_model,
            replaced=replaced,
        )

    def all_at(names: str) -> Callable[[Path], None]:
        """Everything at once, at names that differ by a number."""

        def put(folder: Path) -> None:
            for number, make in enumerate(everything.values()):
                make(folder / names.format(number))

        return put

    # What stands in the way is refused.
    for what, make in (everything | {"an empty folder": _empty_folder}).items():
        yield case(
            TRAIN, "model.lock", what, at("model.lock", make), r"model\.lock: expected nothing or a lock"
        )
        yield case(
            TRAIN, "model.old", what, at("model.old", make), r"model\.old .*move it away", with_model=True
        )
        if what != "an empty folder":
            checkpoint = "model.checkpoint.old"
            for name in ("model", "model.checkpoint"):
                yield case(
                    TRAIN, name, what, at(name, make), rf"{name}: (expected a model folder|holds files)"
                )
            yield case(
                EXPORT, "exported", what, at("exported", make), "exported: (expected|holds)", with_model=True
            )
        else:
            checkpoint = "model.checkpoint.old"
        yield case(
            TRAIN, checkpoint, what, at(checkpoint, make), r"checkpoint\.old .*which exists; move it away"
        )
    yield case(
        TRAIN, "model.old", "a copy of a model", at("model.old", model_at), "move it away", with_model=True
    )
    yield case(
        TRAIN, "model.checkpoint", "a model", at("model.checkpoint", model_at), "got one of another kind"
    )
    yield case(EXPORT, "exported.old", "a copy of a model", _both(model_at), "move it away", with_model=True)
    for name in ("notes.txt", ".git/config", ".replaced", ".temporary", "model.safetensors"):
        for what, make in everything.items():
            if what == "an empty file" and name in (".replaced", ".temporary"):
                continue  # that is our mark
            if what in ("a file", "an empty file", "a hard link") and name == "model.safetensors":
                continue  # its name is that of a file of ours
            yield case(
                TRAIN, f"model/{name}", what, inside(f"model/{name}", make), "did not write", with_model=True
            )
    into_file = ("train", "rows.csv", "-o", "rows.csv/model", *TRAIN[4:])
    yield case(
        into_file, "a folder above", "a file", lambda folder: None, "expected .*rows.csv to be a folder"
    )
    too_long = ("train", "rows.csv", "-o", "m" * 240, *TRAIN[4:])
    yield case(too_long, "the output", "a name too long", lambda folder: None, "a name of at most")

    # What only has a name of ours is left alone.
    for name in ("model", "model.checkpoint"):
        for process in (DEAD, os.getpid()):
            names = f"{name}.tmp-{process}-0123456{{}}"
            for with_model in (False, True):
                yield case(TRAIN, names, "all", all_at(names), replaced=("model",), with_model=with_model)
    for what in ("a file", "a link to a folder with marks", "a folder"):
        yield case(TRAIN, "model.old", what, at("model.old", everything[what]), replaced=("model",))
    yield case(TRAIN, "model.old", "a copy of a model", at("model.old", model_at), replaced=("model",))
    names, made = f"exported.tmp-{DEAD}-0123456{{}}", ("exported",)
    yield case(EXPORT, names, "all", all_at(names), with_model=True, replaced=made)
    for what in ("a file", "a link"):
        yield case(
            EXPORT, "model.lock", what, at("model.lock", everything[what]), with_model=True, replaced=made
        )
    linked = ("train", "rows.csv", "-o", "link/model", *TRAIN[4:])
    for what, make in {"a link to a folder": _link_to_folder}.items():
        yield case(linked, "a folder above", what, at("link", make), replaced=("link-elsewhere/model",))

    # Reading changes nothing.
    for command in (("info", "model"), ("predict", "model", "rows.csv")):
        for name in ("model.lock", "model.old", "model.checkpoint", f"model.tmp-{DEAD}-01234567"):
            for what, make in everything.items():
                yield case(command, name, what, at(name, make), with_model=True)
        for what, make in (FOLDERS | {"a copy of a model": model_at}).items():
            yield case(
                command, "model.old", what, at("model.old", make), "expected a model folder, got nothing"
            )


EXPORT = ("export", "model", "-o", "exported")


def _both(model_at: Callable[[Path], None]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in ("exported", "exported.old"):
            model_at(folder / name)

    return make


def attempt(case: ForeignFile, folder: Path, run: Callable[..., Any]) -> str | None:
    """What is wrong after the command, or nothing.

    Args:
        case: What is there, and the command.
        folder: An empty one with `rows.csv`, and `model` where the case asks for it.
        run: Runs the command line on words in that folder; gives its exit code and what it wrote to stderr.
    """
    case.make(folder)
    before = snapshot(folder)
    code, said = run(*case.words)
    after = snapshot(folder)
    changed = sorted(name for name in before if after.get(name) != before[name])
    new = sorted(after.keys() - before.keys())
    if case.refused is not None:
        if code not in (1, 2) or not re.search(case.refused, said):
            return f"ended with {code}: {said[-300:]!r}, expected {case.refused!r}"
        return f"changed {changed}, left {new}" if changed or new else None
    if code:
        return f"ended with {code}: {said[-300:]!r}"

    def is_ours(name: str) -> bool:
        return any(name == ours or name.startswith(f"{ours}/") for ours in case.replaced)

    kept, left = [each for each in changed if not is_ours(each)], [each for each in new if not is_ours(each)]
    return f"changed {kept}, left {left}" if kept or left else None


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder: kind, permissions, inode, and content or where a link leads."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[path.relative_to(root).as_posix()] = (status.st_mode, status.st_ino, content)
    return found
