"""A training that was cut short ends, continued, as one that was not: to the bit."""

import dataclasses

import numpy as np
import pytest
import torch

from textlattice.config import preset
from textlattice.progress import Progress
from textlattice.training.checkpoint import Checkpoint, training_run
from textlattice.training.fit import fit

CONFIG = preset("tiny").with_settings({"train.batch_size": 16, "train.steps": 8, "train.threads": 1})


class Cut(Exception):
    """In place of SIGKILL."""


class Cutter(Progress):
    """Cuts a training when it has moved on so many times."""

    def __init__(self, last=None):
        self.last, self.moves = last, 0

    def advance(self, steps=1, **figures):
        self.moves += 1
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
    run = training_run(CONFIG, [texts, labels, options], threads=1)
    counter = Cutter()
    expected = fit(texts, labels, CONFIG, progress=counter, **options)
    for number, last in enumerate(
        np.linspace(70, counter.moves, 4 if kind == "single" else 2, dtype=int)
    ):  # the first 60 read the texts
        path, trained, times = tmp_path / str(number), None, 0
        for cutter in (Cutter(int(last)), Cutter(int(last) - 10), Cutter()):
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
    run = training_run(config, tiny_texts, threads=1)
    checkpoint = Checkpoint(tmp_path / "c", run, minutes=0.0)
    with pytest.raises(Cut):
        fit(*tiny_texts, config, progress=Cutter(70), checkpoint=checkpoint)
    checkpoint.resume()
    checkpoint.seconds_spent = 600.0
    record = fit(*tiny_texts, config, checkpoint=checkpoint).record
    assert record["seconds"] > 600
    assert record["network"]["stopped"] == "the time budget of 5 minutes was overspent"
    assert dataclasses.asdict(run)["settings"]["train.max_minutes"] == 5.0
