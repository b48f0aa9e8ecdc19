import json
import os
import threading

import pytest

from reliability.replacing import read_while_replaced
from textlattice.artefact import folder as module
from textlattice.artefact.folder import (
    check_target,
    clear_stale,
    read_folder,
    remove_folder,
    repair,
    write_folder,
)
from textlattice.errors import ArtefactError

OLD = {"config.json": b'{"version": "old"}', "model.bin": b"old" * 100}
NEW = {"config.json": b'{"version": "new"}', "model.bin": b"new" * 100, "extra.txt": b""}


def edit_manifest(path, change):
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_round_trip(tmp_path):
    path = tmp_path / "deep" / "model"
    write_folder(path, NEW)
    folder = read_folder(path)
    assert {name: folder.read(name) for name in NEW} == NEW
    assert folder.json("config.json") == {"version": "new"}
    assert set(folder.manifest) == {"format_version", "library", "library_version", "files"}
    assert folder.manifest["format_version"] == 1
    assert os.listdir(tmp_path / "deep") == ["model"]


def test_a_folder_of_no_files(tmp_path):
    write_folder(tmp_path / "model", {})
    assert read_folder(tmp_path / "model").files == {}


def test_writing_over_the_folder_one_read_from(tmp_path):
    write_folder(tmp_path / "model", OLD)
    loaded = read_folder(tmp_path / "model")
    write_folder(tmp_path / "model", loaded.files)
    assert read_folder(tmp_path / "model").files == OLD
    assert os.listdir(tmp_path) == ["model"]
    assert sorted(os.listdir(tmp_path / "model")) == ["config.json", "manifest.json", "model.bin"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "model").mkdir()
    write_folder(tmp_path / "model", OLD)
    assert read_folder(tmp_path / "model").files == OLD


class Killed(BaseException):
    """Stands for a process that dies."""


def kill_at(monkeypatch, k, *, for_good):
    """Let the k-th call that changes the disk raise; `for_good`: all later ones too, so no clean-up runs."""
    calls = 0

    def killing(function):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == k or (for_good and calls > k):
                raise Killed
            return function(*args, **kwargs)

        return call

    for name in ("rename", "replace", "fsync", "mkdir", "rmdir", "unlink"):
        monkeypatch.setattr(module.os, name, killing(getattr(os, name)))


@pytest.mark.parametrize("for_good", [True, False])
@pytest.mark.parametrize("owner_lives", [True, False])
def test_whatever_moment_the_writer_dies_at_one_whole_folder_is_read(tmp_path, for_good, owner_lives):
    seen = set()
    for k in range(1, 100):
        path = tmp_path / str(k) / "model"
        write_folder(path, OLD)
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(monkeypatch, k, for_good=for_good)
            try:
                write_folder(path, NEW)
                finished = True
            except Killed:
                finished = False
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(module, "_alive", lambda process: owner_lives)
            content = read_folder(path).files
            assert content in (OLD, NEW)
            seen.add(content["config.json"])
            if finished:
                assert content == NEW
            write_folder(path, OLD)  # the next writer is not stopped by what was left
            assert read_folder(path).files == OLD
            if not owner_lives:
                assert os.listdir(path.parent) == ["model"]
        if finished:
            break
    assert k > 8
    assert len(seen) == 2


def test_a_first_write_that_dies_leaves_nothing_or_all(tmp_path):
    for k in range(1, 30):
        path = tmp_path / str(k) / "model"
        path.parent.mkdir()
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(monkeypatch, k, for_good=True)
            try:
                write_folder(path, NEW)
            except Killed:
                if path.exists():
                    assert read_folder(path).files == NEW
                continue
        return
    pytest.fail("never finished")


def test_a_disk_error_keeps_the_old_folder_and_cleans_up(tmp_path, monkeypatch):
    write_folder(tmp_path / "model", OLD)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(
        ArtefactError, match=r"cannot write the folder: No space left.*What stood there before"
    ):
        write_folder(tmp_path / "model", NEW)
    assert read_folder(tmp_path / "model").files == OLD
    assert os.listdir(tmp_path) == ["model"]


def test_repair_moves_old_back_but_not_under_a_live_writer(tmp_path, monkeypatch):
    path = tmp_path / "model"
    assert repair(path) is False
    write_folder(path, OLD)
    assert repair(path) is False
    (path / ".replaced").touch()  # as a writer leaves it
    path.rename(tmp_path / "model.old")
    temporary = tmp_path / f"model.tmp-{os.getpid()}-0123abcd"
    temporary.mkdir()
    assert repair(path) is False
    assert read_folder(path).files == OLD
    assert not path.exists()
    monkeypatch.setattr(module, "_alive", lambda process: False)
    assert repair(path) is True
    assert read_folder(path).files == OLD
    assert not (tmp_path / "model.old").exists()


def test_only_our_own_dead_temporaries_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_alive", lambda process: process == 7)
    for name in ("model.tmp-7-0123abcd", "model.tmp-8-0123abcd", "model.tmp-mine", "other.tmp-8-0123abcd"):
        (tmp_path / name).mkdir()
    write_folder(tmp_path / "model", OLD)
    assert sorted(os.listdir(tmp_path)) == [
        "model",
        "model.tmp-7-0123abcd",
        "model.tmp-mine",
        "other.tmp-8-0123abcd",
    ]


def test_clear_stale_removes_what_dead_writers_left_and_repairs(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_alive", lambda process: process in (7, os.getpid()))
    path, dead, alive, own = (
        tmp_path / name
        for name in (
            "model",
            "model.tmp-8-0123abcd",
            "model.tmp-7-0123abcd",
            f"model.tmp-{os.getpid()}-0123abcd",
        )
    )
    for folder in (dead, alive, own):
        folder.mkdir()
    clear_stale(path)
    assert os.listdir(tmp_path) == [alive.name]
    clear_stale(path, sole_writer=True)
    assert os.listdir(tmp_path) == []
    write_folder(path, OLD)
    (path / ".replaced").touch()
    path.rename(tmp_path / "model.old")
    clear_stale(path)
    assert os.listdir(tmp_path) == ["model"]
    assert read_folder(path).files == OLD
    path.rename(tmp_path / "model.old")
    clear_stale(path)
    assert os.listdir(tmp_path) == ["model.old"]  # a backup that a user named so


def test_remove_folder(tmp_path, monkeypatch):
    path = tmp_path / "model"
    remove_folder(path)
    for former in (False, True):
        write_folder(path, NEW)
        if former:  # what a writer that died before its last operation leaves
            write_folder(tmp_path / "model.old", OLD)
            (tmp_path / "model.old" / ".replaced").touch()
        remove_folder(path)
        assert os.listdir(tmp_path) == []
    write_folder(path, OLD)
    (path / "mine").touch()
    with pytest.raises(ArtefactError, match="did not write \\(mine\\)"):
        remove_folder(path)
    (path / "mine").unlink()

    def rename(*paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.rename", rename)
    with pytest.raises(ArtefactError, match="cannot remove the folder: Permission denied; check permissions"):
        remove_folder(path)
    assert read_folder(path).files == OLD


def test_parents_are_made_and_synced(tmp_path, monkeypatch):
    synced, sync = [], module._sync
    monkeypatch.setattr(module, "_sync", lambda path: synced.append(path) or sync(path))
    write_folder(tmp_path / "a" / "b" / "model", OLD)
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b"} <= set(synced)
    assert read_folder(tmp_path / "a" / "b" / "model").files == OLD


def test_reading_while_another_thread_writes(tmp_path):
    path = tmp_path / "model"
    write_folder(path, OLD)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            write_folder(path, NEW)
            write_folder(path, OLD)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(50):
            assert read_folder(path).files in (OLD, NEW)
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["as fast as it can", "20 times a second"])
def test_reading_while_another_process_replaces_it_all_the_time(pause):
    tally, replaced = read_while_replaced(4.0, 3, pause=pause)
    assert tally.failures == []
    assert tally.tried > 300
    assert replaced > 3  # a loaded machine replaces few


def test_a_number_that_the_system_gives_again_is_not_taken_for_the_same_folder(tmp_path, monkeypatch):
    """A reader stops in the middle of opening; the folder is replaced until its number comes again, if it can."""
    path, opened = tmp_path / "model", module.open_file
    write_folder(path, OLD)
    first, again = path.stat().st_ino, []

    def slowly(file):
        if file.name == "model.bin" and not again:
            for _ in range(20):
                write_folder(path, NEW)
                again.append(path.stat().st_ino)
        return opened(file)

    monkeypatch.setattr(module, "open_file", slowly)
    assert read_folder(path).files == NEW
    assert again
    assert first not in again  # it is held open


def test_reading_gives_up_after_a_time(tmp_path, monkeypatch):
    path, opened = tmp_path / "model", module.open_file
    write_folder(path, OLD)
    monkeypatch.setattr(module, "_PATIENCE", 0.2)

    def under_our_hands(file):
        if file.name == "model.bin":
            write_folder(path, OLD)
        return opened(file)

    monkeypatch.setattr(module, "open_file", under_our_hands)
    with pytest.raises(
        ArtefactError, match=r"model: was replaced again and again for 0\.2 s while being read"
    ):
        read_folder(path)


def test_reading_changes_nothing(tmp_path):
    path = tmp_path / "model"
    write_folder(path, OLD)
    (path / ".replaced").touch()
    path.rename(tmp_path / "model.old")
    assert read_folder(path).files == OLD
    assert os.listdir(tmp_path) == ["model.old"]


@pytest.mark.parametrize("mark", ["none", "a link", "a file with content", "a folder", "a hard link"])
def test_a_backup_without_our_mark_is_not_read_moved_or_replaced(tmp_path, mark):
    old = tmp_path / "model.old"
    write_folder(old, OLD)
    (tmp_path / "empty").touch()
    if mark == "a link":
        (old / ".replaced").symlink_to(tmp_path / "empty")
    elif mark == "a file with content":
        (old / ".replaced").write_text("mine")
    elif mark == "a folder":
        (old / ".replaced").mkdir()
    elif mark == "a hard link":
        (old / ".replaced").hardlink_to(tmp_path / "empty")
    with pytest.raises(ArtefactError, match="expected a model folder, got nothing"):
        read_folder(tmp_path / "model")
    clear_stale(tmp_path / "model", sole_writer=True)
    assert sorted(os.listdir(tmp_path)) == ["empty", "model.old"]
    write_folder(tmp_path / "model", NEW)
    with pytest.raises(ArtefactError, match=r"model\.old.*exists; move it away"):
        write_folder(tmp_path / "model", NEW)
    assert read_folder(old).files == OLD


def test_temporaries_are_removed_by_their_mark_and_never_more_than_we_make(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_alive", lambda process: False)
    names = [f"model.tmp-8-0123456{number}" for number in range(6)]
    marked, whole, foreign, nested, file, link = (tmp_path / name for name in names)
    for folder in (marked, foreign, nested):
        folder.mkdir()
    (marked / ".temporary").touch()
    (marked / "half").write_text("a file that a dead writer had begun")
    write_folder(whole, OLD)  # as 0.1.0 leaves one, without a mark
    (foreign / "notes").write_text("mine")
    (nested / ".temporary").touch()
    (nested / "a").mkdir()
    (nested / "a" / "notes").write_text("mine")
    file.write_text("mine")
    link.symlink_to(tmp_path / "elsewhere")
    write_folder(tmp_path / "elsewhere", OLD)
    write_folder(tmp_path / "model", NEW)
    assert sorted(os.listdir(tmp_path)) == sorted(["model", "elsewhere", *names[2:]])
    assert (nested / "a" / "notes").read_text() == "mine"
    assert read_folder(tmp_path / "elsewhere").files == OLD


def test_a_folder_of_another_kind_is_not_replaced(tmp_path):
    write_folder(tmp_path / "model", OLD)
    with pytest.raises(
        ArtefactError, match=r"expected a folder with state\.json or nothing, got one of another"
    ):
        write_folder(tmp_path / "model", {"state.json": b"{}"})
    with pytest.raises(ArtefactError, match="of another kind"):
        remove_folder(tmp_path / "model", ["state.json"])
    assert read_folder(tmp_path / "model").files == OLD


def test_marks_that_a_dead_writer_left_in_a_whole_folder_go(tmp_path):
    """Or a user who then calls it NAME.old himself would have given it our mark."""
    write_folder(tmp_path / "model", OLD)
    for mark in (".replaced", ".temporary"):
        (tmp_path / "model" / mark).touch()
    clear_stale(tmp_path / "model")
    assert sorted(os.listdir(tmp_path / "model")) == sorted([*OLD, "manifest.json"])


def test_places_where_no_folder_can_be_are_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArtefactError, match=r"expected .*file to be a folder, got something else"):
        check_target(tmp_path / "file" / "a" / "model")
    with pytest.raises(
        ArtefactError, match=r"expected a name of at most 231 bytes, got 240; choose a shorter"
    ):
        check_target(tmp_path / ("ü" * 120))
    write_folder(tmp_path / ("m" * 231), OLD)
    assert len(os.listdir(tmp_path)) == 2


def test_a_users_backup_named_old_is_never_touched(tmp_path):
    write_folder(tmp_path / "model", OLD)
    (tmp_path / "model").rename(tmp_path / "model.old")
    write_folder(tmp_path / "model", NEW)
    assert read_folder(tmp_path / "model.old").files == OLD
    with pytest.raises(ArtefactError, match=r"model\.old.*exists; move it away"):
        write_folder(tmp_path / "model", NEW)
    assert read_folder(tmp_path / "model.old").files == OLD


@pytest.mark.parametrize("content", [{"notes.txt": "mine"}, {"manifest.json": '{"manifest_version": 3}'}])
def test_a_folder_that_is_not_ours_is_not_overwritten(tmp_path, content):
    (tmp_path / "site").mkdir()
    for name, text in content.items():
        (tmp_path / "site" / name).write_text(text)
    with pytest.raises(
        ArtefactError, match=r"textlattice did not write \((notes|manifest).*is not overwritten"
    ):
        write_folder(tmp_path / "site", NEW)
    assert sorted(os.listdir(tmp_path / "site")) == list(content)


def test_a_file_a_link_or_foreign_files_at_the_target_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="expected a model folder or nothing, got a file"):
        check_target(tmp_path / "file")
    write_folder(tmp_path / "model", OLD)
    (tmp_path / "link").symlink_to(tmp_path / "model")
    with pytest.raises(ArtefactError, match="got a symbolic link"):
        check_target(tmp_path / "link")
    assert read_folder(tmp_path / "link").files == OLD
    (tmp_path / "model" / "answers.csv").touch()
    with pytest.raises(ArtefactError, match=r"did not write \(answers\.csv\)"):
        check_target(tmp_path / "model")


@pytest.mark.parametrize("name", [".git/config", ".env", ".hidden", "notes/mine.txt"])
@pytest.mark.parametrize("existing", [{}, OLD])
def test_what_a_user_keeps_beside_the_model_is_never_deleted(tmp_path, name, existing):
    path = tmp_path / "model"
    if existing:
        write_folder(path, existing)
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_text("mine")
    with pytest.raises(ArtefactError, match=r"did not write \(.*and is not overwritten"):
        write_folder(path, NEW)
    assert (path / name).read_text() == "mine"


def test_files_of_file_managers_do_not_stop_a_writer(tmp_path):
    write_folder(tmp_path / "model", OLD)
    for name in (".DS_Store", ".directory", "Thumbs.db"):
        (tmp_path / "model" / name).touch()
    write_folder(tmp_path / "model", NEW)
    assert sorted(os.listdir(tmp_path / "model")) == sorted([*NEW, "manifest.json"])


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/b", "a\\b", "", ".", "..", "ü", "manifest.json", "a\n"]
)
def test_names_that_are_not_plain_are_refused(tmp_path, name):
    with pytest.raises(ArtefactError, match="expected plain file names"):
        write_folder(tmp_path / "model", {name: b"x"})
    assert os.listdir(tmp_path) == []
    write_folder(tmp_path / "model", {"a": b"x"})
    edit_manifest(
        tmp_path / "model", lambda manifest: manifest["files"].update({name: manifest["files"]["a"]})
    )
    with pytest.raises(ArtefactError, match=r"expected plain file names.*do not trust"):
        read_folder(tmp_path / "model")


def test_every_flipped_bit_is_noticed(tmp_path):
    write_folder(tmp_path / "model", {"model.bin": bytes(range(32))})
    for position in range(32):
        damaged = bytearray(range(32))
        damaged[position] ^= 1 << position % 8
        (tmp_path / "model" / "model.bin").write_bytes(damaged)
        with pytest.raises(
            ArtefactError, match=r"model\.bin: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}.*again"
        ):
            read_folder(tmp_path / "model")


def test_files_that_are_cut_missing_or_links_are_refused(tmp_path):
    path = tmp_path / "model"
    write_folder(path, OLD)
    (path / "model.bin").write_bytes(b"old")
    with pytest.raises(ArtefactError, match=r"model\.bin: expected 300 bytes, got 3;"):
        read_folder(path)
    (path / "model.bin").unlink()
    with pytest.raises(
        ArtefactError, match=r"model\.bin: expected a file, got nothing; the folder is incomplete"
    ):
        read_folder(path)
    (tmp_path / "elsewhere").write_bytes(OLD["model.bin"])
    (path / "model.bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtefactError, match="expected a plain file, got a symbolic link"):
        read_folder(path)


def test_places_without_a_model_are_named(tmp_path):
    with pytest.raises(ArtefactError, match="expected a model folder, got nothing; check the path"):
        read_folder(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(ArtefactError, match="expected a model folder, got a file"):
        read_folder(tmp_path / "file")
    with pytest.raises(ArtefactError, match=r"expected a model folder with manifest\.json, got none"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON, got: "),
        ("[" * 100_000, "expected JSON, got: "),
        ("[]", "expected a manifest of textlattice"),
        ('{"format_version": true, "files": {}}', "expected a manifest of textlattice"),
        ('{"format_version": 1, "files": {"a": {"bytes": 1}}}', "expected a manifest of textlattice"),
        (
            '{"format_version": 99, "files": {}}',
            "written by format 99, this version reads up to 1: upgrade textlattice",
        ),
    ],
)
def test_manifests_that_cannot_be_used_are_refused(tmp_path, text, message):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text(text)
    with pytest.raises(ArtefactError, match=message):
        read_folder(tmp_path / "model")


def test_reading_a_file_the_folder_does_not_have(tmp_path):
    write_folder(tmp_path / "model", {"a": b"{"})
    folder = read_folder(tmp_path / "model")
    with pytest.raises(ArtefactError, match="expected a file 'b', got a; save the model again"):
        folder.read("b")
    with pytest.raises(ArtefactError, match="a: expected JSON"):
        folder.json("a")
