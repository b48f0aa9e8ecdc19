"""The benchmark's language model that learns: it does, reads so many tokens, and goes on where it was cut."""

import numpy as np
import pytest

from benchmark_scripts import neural
from encoders.models import write_bert
from textlattice.encoders.language_model import open_encoder

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
    monkeypatch.setattr(neural, "TUNE_RATE", 1e-2)
    monkeypatch.setattr(neural, "TUNE_BATCH", 4)


def test_it_learns_and_reads_no_more_than_so_many_tokens(encoder, parts, tmp_path):
    before = encoder.digest
    found = neural.fine_tuned(parts, encoder, most_tokens=5, seed=0, folder=tmp_path / "run")
    assert (found(TEXTS).argmax(1) == TARGETS).all()
    np.testing.assert_allclose(found(["a film film hope hope hope"]), found(["a film film"]), atol=1e-6)
    assert np.isfinite(found(["", "hope " * 100])).all()
    encoder._digest = None
    assert encoder.digest == before


def test_a_run_that_was_cut_ends_as_one_that_was_not(encoder, parts, tmp_path, monkeypatch):
    whole = neural.fine_tuned(parts, encoder, most_tokens=8, seed=0, folder=tmp_path / "whole")(TEXTS)
    put_down, kept = neural._put_down, []

    def dying(*arguments):
        put_down(*arguments)
        kept.append(len(arguments[2]))
        if kept == [1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(neural, "_put_down", dying)
    with pytest.raises(KeyboardInterrupt):
        neural.fine_tuned(parts, encoder, most_tokens=8, seed=0, folder=tmp_path / "cut")
    again = neural.fine_tuned(parts, encoder, most_tokens=8, seed=0, folder=tmp_path / "cut")(TEXTS)
    assert kept == [1, 2, 3]
    np.testing.assert_array_equal(again, whole)
    neural.fine_tuned(parts, encoder, most_tokens=8, seed=0, folder=tmp_path / "cut")
    assert kept == [1, 2, 3]
