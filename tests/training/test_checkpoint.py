import dataclasses
import errno
import json
import os
import re

import numpy as np
import pytest

from textlattice.artefact.folder import read_folder, write_folder
from textlattice.config import TextConfig
from textlattice.errors import ArtefactError, ResumeError, TrainingError
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.runtime.token_table import token_table
from textlattice.training import checkpoint as module
from textlattice.training.checkpoint import Checkpoint, TrainingRun, digest_of, training_run

RUN = TrainingRun(
    data={"rows": "a" * 64, "language model": "c" * 64},
    settings={"train.steps": 4},
    versions={"torch": "2.6"},
    threads=1,
)
CHOICES = {
    "loss": 0.1 + 0.2,
    "history": [{"epoch": 1, "a": 1e-17}, {"epoch": 2, "note": "ümlaut \ud800"}],
    "scales": (1.5, 0.0),
    "none": None,
    "keys": np.array([1, 2**64 - 1], np.uint64),
    "weights": {"head": np.float32([[0.1, -2.5e-30]]), "empty": np.empty((0, 3), np.float32)},
}
NETWORK = {"step": 7, "weight": np.arange(4, dtype=np.float32), "count": np.array(3.0, np.float32)}


class Notes(Progress):
    """Keeps what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


def written(path, run=RUN, **options):
    checkpoint = Checkpoint(path, run, **options)
    checkpoint.stage("choices").update(CHOICES)
    checkpoint.write(12.5, ("final", NETWORK))
    return checkpoint


def test_what_was_kept_is_taken_over_to_the_bit(tmp_path):
    written(tmp_path / "c")
    found = Checkpoint(tmp_path / "c", RUN)
    assert found.exists()
    found.resume()
    choices = found.stage("choices")
    assert choices["loss"] == CHOICES["loss"]
    assert choices["history"] == CHOICES["history"]
    assert choices["scales"] == [1.5, 0.0]
    assert choices["none"] is None
    for name, array in CHOICES["weights"].items():
        assert choices["weights"][name].dtype == np.float32
        np.testing.assert_array_equal(choices["weights"][name], array)
    np.testing.assert_array_equal(choices["keys"], CHOICES["keys"])
    assert found.seconds_spent == 12.5
    assert found.stage("another") == {}
    assert found.take_network("fold 1") is None
    network = found.take_network("final")
    assert network["step"] == 7
    np.testing.assert_array_equal(network["weight"], NETWORK["weight"])
    assert network["count"].shape == ()
    assert found.take_network("final") is None
    assert sorted(os.listdir(tmp_path)) == ["c"]


def test_a_network_is_optional_and_resumptions_are_counted(tmp_path):
    for times in range(3):
        checkpoint = Checkpoint(tmp_path / "c", RUN)
        if times:
            checkpoint.resume()
        assert checkpoint.times_resumed == times
        checkpoint.write(0.0)
    assert checkpoint.take_network("final") is None


def test_without_a_folder_stages_work_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint()
    checkpoint.stage("a")["b"] = 1
    assert checkpoint.stage("a") == {"b": 1}
    assert not checkpoint.due(epoch_ended=True)
    checkpoint.write(1.0)
    checkpoint.remove()
    assert not checkpoint.exists()
    assert os.listdir(tmp_path) == []


def test_when_it_is_due(tmp_path, monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "write_folder", lambda *_: setattr(clock, "now", clock.now + 2.0))
    checkpoint = Checkpoint(tmp_path / "c", RUN, minutes=2.0)
    assert checkpoint.due(epoch_ended=True)  # the first costs nothing that is known
    assert not checkpoint.due()
    checkpoint.write(0.0)  # takes two seconds
    for waited, plain, epoch_ended in (
        (0.0, False, False),
        (39.9, False, False),
        (40.0, False, True),
        (120, True, True),
    ):
        clock.now = 102.0 + waited
        assert (checkpoint.due(), checkpoint.due(epoch_ended=True)) == (plain, epoch_ended)
    assert Checkpoint(tmp_path / "c", RUN, minutes=0.0).due()


def test_remove_leaves_nothing(tmp_path):
    checkpoint = written(tmp_path / "c")
    checkpoint.remove()
    checkpoint.remove()
    assert os.listdir(tmp_path) == []
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"data": RUN.data | {"rows": "b" * 64}},
            r"expected the rows that this training began with \(digest a{12}\), got b{12}; give the same",
        ),
        (
            {"data": RUN.data | {"language model": "d" * 64}},
            r"expected the language model that this training began with \(digest c{12}\), got d{12}",
        ),
        ({"settings": {"train.steps": 5}}, "expected the setting train.steps=4 .*, got 5; take that one"),
        ({"settings": {}}, "expected the setting train.steps=4 .*, got None"),
        ({"settings": {"train.steps": 4, "x.y": 1}}, "expected the setting x.y=None .*, got 1"),
        ({"versions": {"torch": "2.7"}}, "expected the version torch=2.6 .*, got 2.7"),
    ],
)
def test_another_training_is_refused(tmp_path, change, message):
    written(tmp_path / "c")
    found = Checkpoint(tmp_path / "c", dataclasses.replace(RUN, **change))
    with pytest.raises(ResumeError, match=message) as caught:
        found.resume()
    assert isinstance(caught.value, TrainingError)
    assert "or leave --resume out to start anew" in str(caught.value)
    assert found.stages == {}


def test_another_number_of_threads_is_told(tmp_path):
    notes = Notes()
    written(tmp_path / "c")
    Checkpoint(tmp_path / "c", dataclasses.replace(RUN, threads=2), progress=notes).resume()
    (note,) = notes.notes
    assert "began on 1 threads and continues on 2; the last bits of the weights may differ" in note


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    written(tmp_path / "c")
    content = bytearray((tmp_path / "c" / "tensors.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "c" / "tensors.safetensors").write_bytes(content)
    with pytest.raises(
        ResumeError, match=r"c: expected a checkpoint.*SHA-256.*Leave --resume out to start anew"
    ):
        Checkpoint(tmp_path / "c", RUN).resume()


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    write_folder(tmp_path / "model", {"config.json": b"{}"})
    with pytest.raises(ResumeError, match=r"model: expected a checkpoint.*expected a file 'state\.json'"):
        Checkpoint(tmp_path / "model", RUN).resume()
    folder = read_folder(written(tmp_path / "c").path)
    later = folder.json("state.json") | {"format": "textlattice checkpoint 3"}
    write_folder(tmp_path / "c", {**folder.files, "state.json": json.dumps(later).encode()})
    with pytest.raises(ResumeError, match="of the form 'textlattice checkpoint 2', got something else"):
        Checkpoint(tmp_path / "c", RUN).resume()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(ArtefactError, match=r"did not write \(notes\.txt\)"):
        Checkpoint(tmp_path / "mine", RUN)


def test_a_start_clears_what_dead_writers_left(tmp_path):
    written(tmp_path / "c")
    (tmp_path / f"c.tmp-{os.getppid()}-01234567").mkdir()  # its number belongs to a living process by now
    (tmp_path / "c" / ".replaced").touch()
    (tmp_path / "c").rename(tmp_path / "c.old")
    found = Checkpoint(tmp_path / "c", RUN)
    assert os.listdir(tmp_path) == ["c"]
    found.resume()
    assert found.take_network("final")["step"] == 7


@pytest.mark.parametrize("fault", ["no room", "disk error", "not finite"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_former_and_training_goes_on(
    tmp_path, monkeypatch, fault
):
    notes = Notes()
    checkpoint = written(tmp_path / "c", progress=notes)
    before = dict(read_folder(tmp_path / "c").files)
    network = {"weight": np.ones(1000, np.float32)}
    if fault == "no room":
        monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 4000}))
        message = r"needs 5,\d\d\d bytes, 4,000 are free; make room. The former checkpoint is kept."
    elif fault == "disk error":

        def failing(path):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

        monkeypatch.setattr("textlattice.artefact.folder._sync", failing)
        message = "No space left on device .*check free space"
    else:
        network["weight"][3] = np.nan
        message = "expected finite numbers, got 1 NaN or infinite of 1000"
    checkpoint.write(1.0, ("final", network))
    monkeypatch.undo()
    (note,) = notes.notes
    assert note.startswith("checkpoint not written, training goes on: ")
    assert re.search(message, note)
    assert read_folder(tmp_path / "c").files == before
    assert os.listdir(tmp_path) == ["c"]


# What makes a training itself.


def test_every_setting_but_the_threads_belongs_to_the_training():
    tiny = preset("tiny")
    run = training_run(tiny, {"rows": "a"}, threads=1)
    assert run.settings["model.channels"] == 16
    assert run.settings["graph.lattice_offsets"] == [list(offsets) for offsets in tiny.graph.lattice_offsets]
    assert run.settings["train.max_minutes"] is None
    assert "train.threads" not in run.settings
    assert set(run.versions) >= {"textlattice", "torch", "numpy", "scikit-learn"}
    assert (
        run.digest == training_run(tiny.with_settings({"train.threads": 2}), {"rows": "a"}, threads=2).digest
    )
    others = [
        training_run(tiny.with_settings({"train.seed": 1}), {"rows": "a"}, threads=1),
        training_run(tiny, {"rows": "b"}, threads=1),
        dataclasses.replace(run, versions={}),
    ]
    assert len({run.digest, *(other.digest for other in others)}) == 4


def test_a_version_that_cannot_be_told_is_none(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", ("no-such-package",))
    assert training_run(preset("tiny"), {}, threads=1).versions == {"no-such-package": "none"}


def test_digests_differ_where_values_do():
    table = token_table(["one", "two"], np.eye(2, 3), TextConfig())
    values = [
        None, 0, 1, 0.0, 1.0, True, "", "a", "None", "0", [], [""], ["a"], ["a", ""], ["", "a"], ["aa"], [["a"]], {},
        {"a": 1}, {"a": None}, {"b": 1}, "\ud800", "é", "e\u0301",
        np.zeros(2), np.zeros(2, np.float32), np.zeros((2, 1)), np.zeros(3), table,
        token_table(["one", "two"], np.eye(2, 3)[::-1], TextConfig()),
    ]  # fmt: skip
    assert len({digest_of(value) for value in values}) == len(values)
    assert digest_of(("a", ["b"])) == digest_of(["a", ("b",)])  # how it is held does not matter
    assert digest_of(np.arange(6).reshape(2, 3).T) == digest_of(np.arange(6).reshape(2, 3).T.copy())
    assert (
        digest_of(["a"]) == "82b5d528074b517752c34617dc732210faa9656db3c54bea86ddacfa6fa942fc"
    )  # of l1:s1:a


def test_values_without_a_digest_are_named():
    with pytest.raises(TypeError, match="expected texts, numbers, arrays and their like, got set"):
        digest_of([{1}])
