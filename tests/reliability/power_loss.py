"""What may stand on a disk after power is lost: every state that the file operations so far allow.

What was synced is there: the content of a file after it was synced, the names of a folder after that was. Of all
else, each operation may have reached the disk or not, whatever its order; one rename is not torn. An unsynced file may
hold any part of what was written, or zeros of its length.

After Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014).
"""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from reliability.file_layer import Operation

Tree = Mapping[str, bytes | None]
"""Path below the root to content; None is a folder."""

_MOST_PENDING = 14


@dataclass(eq=False)
class _Node:
    """A file or a folder, whatever it is called."""

    is_folder: bool
    content: bytes = b""
    writes: list[tuple[int, bytes]] = field(default_factory=list)  # by operation


@dataclass(frozen=True, kw_only=True)
class _Change:
    """Names that one operation changed: folder, name, and what the name now means or whom it no longer does."""

    operation: int
    folder: _Node
    gone: tuple[str, _Node] | None = None
    here: tuple[str, _Node] | None = None


def states_after(before: Tree, operations: Sequence[Operation], root: Path) -> Iterator[tuple[bool, Tree]]:
    """States after a loss of power at any moment, each once, with whether all operations had been made by then.

    Args:
        before: What stood there, synced.
        operations: As they were made; renames stay in their folder.
        root: The folder that `before` and the result are relative to.
    """
    trace = _Trace(before, operations, root)
    for num_made in range(len(operations) + 1):
        seen = set()
        done = num_made == len(operations)
        for tree in trace.states(num_made):
            digest = _digest(tree)
            if digest not in seen and (done or digest not in trace.seen):
                yield done, tree
            seen.add(digest)
        trace.seen |= seen


def read_tree(root: Path) -> dict[str, bytes | None]:
    """What stands in a folder."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def write_tree(root: Path, tree: Tree) -> None:
    """Puts a tree into an empty folder."""
    for name, content in tree.items():
        if content is None:
            (root / name).mkdir(parents=True, exist_ok=True)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)


class _Trace:
    def __init__(self, before: Tree, operations: Sequence[Operation], root: Path) -> None:
        self.seen: set[str] = set()
        self.syncs: list[tuple[int, _Node]] = []
        self.root = _Node(is_folder=True)
        self.start: dict[_Node, dict[str, _Node]] = {self.root: {}}
        for name, content in before.items():
            node = _Node(is_folder=content is None, content=content or b"")
            self.start[self._find(self.start, PurePosixPath(name).parent)][PurePosixPath(name).name] = node
            if node.is_folder:
                self.start[node] = {}
        self.changes: list[_Change] = []
        self.nodes: list[_Node] = [*self._all(self.start)]
        live = {folder: dict(names) for folder, names in self.start.items()}
        for number, operation in enumerate(operations):
            self._follow(number, operation, live, root)

    def _find(self, names: Mapping[_Node, Mapping[str, _Node]], path: PurePosixPath) -> _Node:
        node = self.root
        for part in path.parts:
            node = names[node][part]
        return node

    @staticmethod
    def _all(names: Mapping[_Node, Mapping[str, _Node]]) -> list[_Node]:
        return [
            *names,
            *(node for inside in names.values() for node in inside.values() if not node.is_folder),
        ]

    def _follow(
        self, number: int, operation: Operation, live: dict[_Node, dict[str, _Node]], root: Path
    ) -> None:
        path = PurePosixPath(Path(operation.path).relative_to(root).as_posix())
        if operation.kind in ("sync", "write"):
            node = self._find(live, path)
            if operation.kind == "sync":
                self.syncs.append((number, node))
            else:
                node.writes.append((number, operation.data))
            return
        folder = self._find(live, path.parent)
        if operation.kind in ("create", "mkdir"):
            node = _Node(is_folder=operation.kind == "mkdir")
            if node.is_folder:
                live[node], self.start[node] = {}, {}
            self.nodes.append(node)
            live[folder][path.name] = node
            self.changes.append(_Change(operation=number, folder=folder, here=(path.name, node)))
        elif operation.kind == "rename":
            target = Path(operation.target).name
            assert Path(operation.target).parent == Path(operation.path).parent
            node = live[folder].pop(path.name)
            live[folder][target] = node
            self.changes.append(
                _Change(operation=number, folder=folder, gone=(path.name, node), here=(target, node))
            )
        else:
            assert operation.kind in ("unlink", "rmdir"), operation
            node = live[folder].pop(path.name)
            self.changes.append(_Change(operation=number, folder=folder, gone=(path.name, node)))

    def states(self, num_made: int) -> Iterator[Tree]:
        synced = {node: number for number, node in self.syncs if number < num_made}  # the newest
        made = [change for change in self.changes if change.operation < num_made]
        pending = [change for change in made if synced.get(change.folder, -1) < change.operation]
        assert len(pending) <= _MOST_PENDING, len(pending)
        contents = {node: [*_contents(node, synced.get(node, -1), num_made)] for node in self.nodes}
        for kept in itertools.product((False, True), repeat=len(pending)):
            dropped = {id(change) for change, keep in zip(pending, kept, strict=True) if not keep}
            names = {folder: dict(inside) for folder, inside in self.start.items()}
            for change in made:
                if id(change) in dropped:
                    continue
                inside = names.setdefault(change.folder, {})
                if change.gone and inside.get(change.gone[0]) is change.gone[1]:
                    del inside[change.gone[0]]
                if change.here:
                    inside[change.here[0]] = change.here[1]
            placed = dict(self._walk(names, self.root, ""))
            uncertain = [name for name, node in placed.items() if len(contents[node]) > 1]
            for choice in itertools.product(*(contents[placed[name]] for name in uncertain)):
                chosen = dict(zip(uncertain, choice, strict=True))
                yield {
                    name: None if node.is_folder else chosen.get(name, contents[node][0])
                    for name, node in placed.items()
                }

    def _walk(
        self, names: Mapping[_Node, Mapping[str, _Node]], folder: _Node, where: str
    ) -> Iterator[tuple[str, _Node]]:
        for name, node in names.get(folder, {}).items():
            yield where + name, node
            if node.is_folder:
                yield from self._walk(names, node, f"{where}{name}/")


def _contents(node: _Node, synced: int, num_made: int) -> Iterator[bytes]:
    """What a file may hold: all that was synced, and any part of the writes since."""
    content = node.content + b"".join(data for number, data in node.writes if number < synced)
    yield content
    length = len(content)
    for number, data in node.writes:
        if synced < number < num_made:
            content += data
            yield content
    if len(content) > length:
        yield content[:length] + bytes(len(content) - length)


def _digest(tree: Tree) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(tree.items()):
        digest.update(
            f"{name} {'folder' if content is None else hashlib.sha256(content).hexdigest()}\n".encode()
        )
    return digest.hexdigest()
