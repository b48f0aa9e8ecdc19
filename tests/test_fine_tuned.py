"""The benchmark's language model that learns: it does, reads so many tokens, and goes on where it was cut."""

import numpy as np
import pytest

from benchmark_scripts import neural
from encoders.models import write_bert
from textlattice.config import TextConfig
from textlattice.encoders.language_model import open_encoder
from textlattice.text.document import TextReader

TEXTS, TARGETS = ["a film film .", "a hopeless hope ."] * 40, np.array([1, 0] * 40)


@pytest.fixture
def encoder(tmp_path):
    return open_encoder(write_bert(tmp_path / "bert"), "bert", num_layers=1)


@pytest.fixture
def parts():
    return neural.Parts(
        fit_texts=TEXTS, fit_targets=TARGETS, selection_texts=TEXTS, selection_targets=TARGETS, num_labels=2
    )


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    fast = {"train.tune_learning_rate": 1e-2, "train.learning_rate": 1e-2, "train.batch_size": 4}
    monkeypatch.setattr(neural, "TUNING", neural.TUNING | fast)


def test_it_learns_and_reads_no_more_than_so_many_tokens(encoder, parts, tmp_path):
    before = encoder.digest
    learned = neural.fine_tuned(parts, encoder, most_tokens=5, seed=0, folder=tmp_path / "run")
    found = learned.probabilities
    assert (learned.former_seconds, learned.chosen["of"]) == (0, 3)
    assert 1 <= learned.chosen["pass"] <= 3
    assert (found(TEXTS).argmax(1) == TARGETS).all()
    np.testing.assert_allclose(found(["a film film hope hope hope"]), found(["a film film"]), atol=1e-6)
    assert np.isfinite(found(["", "hope " * 100])).all()
    encoder._digest = None
    assert encoder.digest == before
    assert not any((tmp_path / "run").iterdir())  # so that no other run takes what this one has learned


def test_a_run_that_was_cut_ends_as_one_that_was_not(encoder, parts, tmp_path, monkeypatch):
    whole = neural.fine_tuned(parts, encoder, most_tokens=8, seed=0, folder=tmp_path / "whole")
    passes, log_loss = [], neural._log_loss

    def dying(*arguments):
        passes.append(1)
        if len(passes) == 2:
            raise KeyboardInterrupt
        return log_loss(*arguments)

    monkeypatch.setattr(neural, "_log_loss", dying)
    with pytest.raises(KeyboardInterrupt):
        neural.fine_tuned(parts, encoder, most_tokens=8, seed=0, folder=tmp_path / "cut")
    again = neural.fine_tuned(parts, encoder, most_tokens=8, seed=0, folder=tmp_path / "cut")
    assert len(passes) == 4  # the first, the one that died, and two more
    assert again.former_seconds > 0
    assert again.chosen == whole.chosen
    np.testing.assert_array_equal(again.probabilities(TEXTS), whole.probabilities(TEXTS))


def test_another_language_model_is_another_run(encoder, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(neural.Checkpoint, "remove", lambda checkpoint: None)
    other = open_encoder(write_bert(tmp_path / "other", seed=1), "bert", num_layers=1)
    for number, model in enumerate((encoder, other), 1):
        learned = neural.fine_tuned(parts, model, most_tokens=8, seed=0, folder=tmp_path / "both")
        assert learned.former_seconds == 0
        assert len([*(tmp_path / "both").iterdir()]) == number


def test_frozen_or_not_it_reads_the_same_tokens(encoder, parts):
    reader = TextReader(config=TextConfig(tokenizer="file"), cut=encoder.tokenizer)
    frozen = neural.over_frozen_states(parts, encoder, reader, seed=0, most_tokens=5).probabilities
    np.testing.assert_allclose(frozen(["a film film hope hope"]), frozen(["a film film"]), atol=1e-6)
