"""A training that was cut short ends, continued, as one that was not: to the bit."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reliability import trainings
from reliability.crashes import Server, digest_of_model, write_rows
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.training.checkpoint import Checkpoint, training_run
from textlattice.training.fit import fit

CONFIG = preset("tiny").with_settings({"train.batch_size": 16, "train.steps": 8, "train.threads": 1})


class Cut(Exception):
    """In place of SIGKILL."""


class Cutter(Progress):
    """Cuts a training when it has moved on so many times since its texts were read."""

    def __init__(self, last=None):
        self.last, self.moves, self.reading = last, 0, True

    def begin(self, stage, total=None):
        self.reading = stage.startswith("reading") and self.moves == 0

    def advance(self, steps=1, **figures):
        self.moves += not self.reading
        if self.moves == self.last:
            raise Cut


def labels_of(kind, labels):
    if kind == "multi":
        return [(label, "odd") if row % 3 else (label,) for row, label in enumerate(labels)]
    return [{"good": "2", "bad": "0"}[label] if row % 4 else "1" for row, label in enumerate(labels)]


@pytest.mark.parametrize("slices", [False, True], ids=["folds", "slices"])
@pytest.mark.parametrize("kind", ["single", "multi", "ordinal"])
def test_a_training_of_each_kind(tmp_path, tiny_texts, kind, slices):
    texts, labels = tiny_texts
    labels = labels if kind == "single" else labels_of(kind, labels)
    options = {"task": kind, "validation": (texts[:20], labels[:20]) if slices else None}
    run = training_run(CONFIG, {"rows": [texts, labels], **options}, threads=1)
    counter = Cutter()
    expected = fit(texts, labels, CONFIG, progress=counter, **options)
    cuts = np.linspace(5, counter.moves, 4 if kind == "single" else 2, dtype=int)
    for number, last in enumerate(cuts):
        path, trained, times = tmp_path / str(number), None, 0
        for cutter in (Cutter(int(last)), Cutter(int(last) - 2), Cutter()):
            checkpoint = Checkpoint(path, run, minutes=0.0)
            if checkpoint.exists():
                checkpoint.resume()
            try:
                trained = fit(texts, labels, CONFIG, progress=cutter, checkpoint=checkpoint, **options)
                break
            except Cut:
                times += 1
        assert times
        found, wanted = trained.model.state_dict(), expected.model.state_dict()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)
        assert trained.task == expected.task
        for name in ("history", "sum", "wide", "slices", "duplicates"):
            assert trained.record[name] == expected.record[name]
        assert trained.record["network"]["steps"] == expected.record["network"]["steps"]
        assert trained.record["run"] == run.digest
        assert trained.record["times_resumed"] == checkpoint.times_resumed
        assert "run" not in expected.record
        checkpoint.remove()


def test_time_that_was_spent_counts(tmp_path, tiny_texts):
    """A budget that is spent already: what is left is one step of each training."""
    config = CONFIG.with_settings({"train.max_minutes": 5.0})
    run = training_run(config, {"rows": tiny_texts}, threads=1)
    checkpoint = Checkpoint(tmp_path / "c", run, minutes=0.0)
    with pytest.raises(Cut):
        fit(*tiny_texts, config, progress=Cutter(8), checkpoint=checkpoint)
    checkpoint.resume()
    checkpoint.seconds_spent = 600.0
    record = fit(*tiny_texts, config, checkpoint=checkpoint).record
    assert record["seconds"] > 600
    assert record["network"]["stopped"] == "the time budget of 5 minutes was overspent"
    assert dataclasses.asdict(run)["settings"]["train.max_minutes"] == 5.0


# Processes that are killed.


@pytest.fixture(scope="module")
def server():
    if not Path("/proc/self/fd").exists():
        pytest.skip("the file layer reads /proc")
    with Server() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(("slices", "number"), [(False, 5), (True, 15)], ids=["folds", "slices"])
def test_a_training_that_was_killed(server, slices, number):
    whole = trainings.uncut(server, slices=slices)
    assert whole.operations > 300
    for tally, tried in (
        (trainings.kill_at_operations(server, whole, stride=3 * whole.operations // number), number // 3),
        (trainings.kill_at_random_times(server, whole, number), number),
        (trainings.kill_twice(server, whole, 2), 2),
    ):
        assert tally.failures == []
        assert tally.tried >= tried


@pytest.mark.slow
def test_a_training_whose_disk_is_full(server):
    tally = trainings.fill_the_disk(server, trainings.uncut(server, slices=True), stride=90)
    assert tally.failures == []
    assert tally.tried >= 4


# The command.

QUICK = ("--preset", "tiny", "--threads", "1", "--steps", "3")


@pytest.fixture
def table(tmp_path):
    return write_rows(tmp_path / "rows.csv", 60)


@pytest.fixture
def killed(tmp_path, table, monkeypatch):
    """A training of `model` that ended without a word, and the words that began it."""
    words = ("train", table, "-o", tmp_path / "model", *QUICK)
    from textlattice.training import fitting

    def die(*arguments, **options):
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(fitting.Fitting, "join", die)
        from textlattice.app.main import main

        assert main([*map(str, words), "--checkpoint-minutes", "0"]) == 9
    assert sorted(os.listdir(tmp_path)) == ["model.checkpoint", "rows.csv"]
    return words


def test_resume_goes_on_and_leaves_the_model_alone(cli, killed, tmp_path):
    ran = cli(*killed, "--resume", "--json")
    assert ran.code == 0
    assert f"going on with {tmp_path / 'model.checkpoint'}, after " in ran.err
    assert sorted(os.listdir(tmp_path)) == ["model", "rows.csv"]
    record = json.loads(ran.out)
    assert record["times_resumed"] == 1
    digest = digest_of_model(tmp_path / "model")

    again = cli(*killed, "--resume", "--json")  # as after a crash between the last two operations
    assert again.code == 0
    assert "model holds the result of this training already: nothing is left to do." in again.err
    assert json.loads(again.out)["finished"] == record["finished"]

    anew = cli(*killed)
    assert anew.code == 0
    assert digest_of_model(tmp_path / "model") == digest

    other = cli(*killed, "--seed", "1", "--resume")
    assert other.code == 0
    assert f"nothing to resume at {tmp_path / 'model.checkpoint'}: training begins." in other.err
    assert digest_of_model(tmp_path / "model") != digest


def test_without_resume_a_training_begins_anew_and_says_what_is_there(cli, killed, tmp_path):
    ran = cli(*killed)
    assert ran.code == 0
    assert (
        "model.checkpoint holds an unfinished training. This one begins anew and replaces it at its"
        in ran.err
    )
    assert "to go on with it instead, stop now and add --resume" in ran.err
    assert json.loads((tmp_path / "model" / "training.json").read_text())["times_resumed"] == 0
    assert sorted(os.listdir(tmp_path)) == ["model", "rows.csv"]


def test_with_nothing_to_resume_training_begins(cli, table, tmp_path):
    ran = cli("train", table, "-o", tmp_path / "model", *QUICK, "--resume")
    assert ran.code == 0
    assert "nothing to resume at" in ran.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rows", "expected the rows that this training began with (digest "),
        (("--seed", "5"), "expected the setting train.seed=0 that this training began with, got 5"),
        (("--steps", "4"), "expected the setting train.steps=3 that this training began with, got 4"),
        ("version", "expected the version torch="),
    ],
)
def test_another_training_is_not_gone_on_with(cli, killed, tmp_path, table, monkeypatch, change, message):
    if change == "rows":
        write_rows(table, 60, seed=1)
    elif change == "version":
        from textlattice.training import checkpoint

        version = checkpoint._version
        monkeypatch.setattr(checkpoint, "_version", lambda name: "0.0" if name == "torch" else version(name))
    ran = cli(*killed, *(change if isinstance(change, tuple) else ()), "--resume")
    assert ran.code == 1
    assert message in ran.err
    assert "or leave --resume out to start anew" in ran.err
    assert sorted(os.listdir(tmp_path)) == ["model.checkpoint", "rows.csv"]  # and nothing is lost


def test_another_number_of_threads_is_told(cli, killed):
    before = torch.get_num_threads()
    ran = cli(*killed, "--threads", "2", "--resume")
    assert ran.code == 0
    assert "began on 1 threads and continues on 2" in ran.err
    assert torch.get_num_threads() == before


def test_a_model_that_cannot_be_written_is_kept_as_a_checkpoint(cli, killed, tmp_path, monkeypatch):
    from textlattice.artefact import folder

    original = folder._fill

    def full(aside, files):
        if "model.safetensors" in files:
            raise OSError(28, "No space left on device", str(aside))
        original(aside, files)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_fill", full)
        ran = cli(*killed, "--resume")
    assert ran.code == 1
    assert "No space left on device" in ran.err
    assert (
        "model.checkpoint keeps the training so far; the same command with --resume goes on with it"
        in ran.err
    )
    assert sorted(os.listdir(tmp_path)) == ["model.checkpoint", "rows.csv"]
    assert cli(*killed, "--resume").code == 0


def test_the_second_of_two_trainers_is_refused(cli, killed, tmp_path):
    code = """
import sys
from pathlib import Path
from textlattice.artefact.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
    words = [sys.executable, "-c", code, tmp_path / "model"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        ran = cli(*killed, "--resume")
        assert ran.code == 1
        assert f"model: process {other.pid} is training into this folder; wait until it is done" in ran.err
        other.communicate(b"")
    assert cli(*killed, "--resume").code == 0


def test_what_dead_trainers_left_is_removed_at_the_start(cli, killed, tmp_path):
    for name in ("model.tmp-999999999-01234567", "model.checkpoint.tmp-999999999-01234567"):
        shutil.copytree(tmp_path / "model.checkpoint", tmp_path / name)
    assert cli(*killed, "--resume").code == 0
    assert sorted(os.listdir(tmp_path)) == ["model", "rows.csv"]


def test_a_place_where_nothing_can_be_written_is_told_before_training(cli, table, tmp_path, monkeypatch):
    opened = os.open

    def closed(path, flags, *arguments, **options):
        nameless = getattr(os, "O_TMPFILE", os.O_CREAT)
        if flags & os.O_CREAT or flags & nameless == nameless:
            raise OSError(30, "Read-only file system", str(path))
        return opened(path, flags, *arguments, **options)

    monkeypatch.setattr("os.open", closed)
    ran = cli("train", table, "-o", tmp_path / "model", *QUICK)
    assert ran.code == 1
    assert "cannot write beside this folder: Read-only file system" in ran.err
    assert "epoch" not in ran.err
