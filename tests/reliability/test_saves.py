"""Crashes in the middle of a checkpoint: what is found then is the old one or the new one, never neither."""

import os
from pathlib import Path

import pytest

from reliability import power_loss, saves
from reliability.crashes import Server
from reliability.file_layer import Operation
from reliability.power_loss import states_after

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the file layer reads /proc")


@pytest.fixture(scope="module")
def server():
    with Server(saves=True) as running:
        yield running


def assert_none_failed(tally, at_least):
    assert tally.failures == []
    assert tally.tried >= at_least


def test_killed_at_every_file_operation(server):
    assert_none_failed(saves.kill_at_every_operation(server), 45)


def test_killed_again_while_starting_anew(server):
    """Every eighth operation of the restart, which begins by clearing what the first crash left."""
    assert_none_failed(saves.kill_at_every_operation(server, double=8), 150)


def test_power_lost_at_every_file_operation():
    assert_none_failed(saves.lose_power_at_every_operation(), 100)


def test_a_disk_that_is_full_from_some_operation_on(server):
    assert_none_failed(saves.fill_the_disk_at_every_operation(server), 40)


def test_a_limit_on_the_length_of_files(server):
    assert_none_failed(saves.limit_every_file(server, stride=300), 30)


def test_small_disks():
    tally = saves.tiny_disks(range(60, 500, 40))
    if isinstance(tally, str):
        pytest.skip(tally)
    assert_none_failed(tally, 11)


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    saves.save(tmp_path / saves.NAME, 1)
    if os.geteuid():
        tmp_path.chmod(0o500)
        expected = "Permission denied"
    else:  # root may write anywhere

        def closed(*arguments):
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr("os.mkdir", closed)
        expected = "Read-only file system"
    (note,) = saves.save(tmp_path / saves.NAME, 2)
    assert note.startswith("checkpoint not written, training goes on: ")
    assert expected in note
    assert "What stood there before is kept" in note
    tmp_path.chmod(0o700)
    monkeypatch.undo()
    assert saves.found(tmp_path / saves.NAME) == 1


# Whether these trials can fail at all.


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors", "manifest.json", saves.NAME])
def test_a_save_that_forgets_to_sync_fails(name):
    with saves.folder_with(1) as path:
        tree = power_loss.read_tree(path.parent)
        operations = [
            operation
            for operation in saves.record("save", path)
            if operation.kind != "sync" or name not in operation.path[len(str(path.parent)) :]
        ]
        states = list(states_after(tree, operations, path.parent))
    assert 50 < len(states) < 20_000
    for _, state in states:
        with saves.folder_with(None) as fresh:
            power_loss.write_tree(fresh.parent, state)
            if saves.found(fresh) not in (1, 2):
                return
    pytest.fail("every state could be read")


ROOT = Path("/r")
SMALL = {
    "an unsynced file": (
        {},
        [("create", "a"), ("write", "a", b"xy")],
        [{}, {"a": b""}, {"a": b"xy"}, {"a": b"\0\0"}],
        [{}, {"a": b""}, {"a": b"xy"}, {"a": b"\0\0"}],
    ),
    "a synced file with an unsynced name": (
        {},
        [("create", "a"), ("write", "a", b"xy"), ("sync", "a")],
        [{}, {"a": b""}, {"a": b"xy"}, {"a": b"\0\0"}],
        [{}, {"a": b"xy"}],
    ),
    "all synced": (
        {},
        [("create", "a"), ("write", "a", b"xy"), ("sync", "a"), ("sync", "")],
        [{}, {"a": b""}, {"a": b"xy"}, {"a": b"\0\0"}],
        [{"a": b"xy"}],
    ),
    "two renames": (
        {"a": b"1", "b": b"2"},
        [("rename", "a", "c"), ("rename", "b", "a")],
        [{"a": b"1", "b": b"2"}, {"c": b"1", "b": b"2"}, {"a": b"2"}, {"a": b"2", "c": b"1"}],
        [{"a": b"1", "b": b"2"}, {"c": b"1", "b": b"2"}, {"a": b"2"}, {"a": b"2", "c": b"1"}],
    ),
    "a folder that goes": (
        {"d": None, "d/a": b"1"},
        [("unlink", "d/a"), ("sync", "d"), ("rmdir", "d")],
        [{"d": None, "d/a": b"1"}, {"d": None}, {}],
        [{"d": None}, {}],
    ),
    "a folder that comes": (
        {},
        [("mkdir", "d"), ("create", "d/a"), ("sync", "d"), ("rename", "d", "e"), ("sync", "")],
        [{}, {"d": None}, {"d": None, "d/a": b""}, {"e": None, "e/a": b""}],
        [{"e": None, "e/a": b""}],
    ),
    "nothing": ({"a": b"1"}, [], [{"a": b"1"}], [{"a": b"1"}]),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_states_after_a_loss_of_power(name):
    before, steps, ever, at_the_end = SMALL[name]
    operations = [
        Operation(
            kind=kind,
            path=str(ROOT / path),
            target=str(ROOT / rest[0]) if kind == "rename" else "",
            data=rest[0] if kind == "write" else b"",
        )
        for kind, path, *rest in steps
    ]
    states = list(states_after(before, operations, ROOT))
    assert {named(state) for _, state in states} == {named(state) for state in ever}
    assert sorted(named(state) for done, state in states if done) == sorted(map(named, at_the_end))


def named(state):
    return repr(sorted(state.items(), key=repr))
