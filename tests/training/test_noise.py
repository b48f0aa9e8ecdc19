import numpy as np
import pytest

from textlattice.config import TextConfig
from textlattice.presets import preset
from textlattice.text.document import TextReader
from textlattice.text.noise import FAMILIES as ALL_FAMILIES
from textlattice.training import noise
from textlattice.training.noise import FAMILIES, HIGHEST_LEVEL, Noise

READER = TextReader(config=TextConfig())
TEXT = "The second half of this film is a wonderful surprise, and I would see it again!"
DOCUMENTS = [READER.read(TEXT)] * 400


def texts(documents):
    return [document.normalised.text for document in documents]


@pytest.fixture
def drawn(monkeypatch):
    """What is asked of `corrupt`: family, level and seed of each spoiled document."""
    asked, original = [], noise.corrupt

    def corrupt(text, family, level, seed):
        asked.append((family, level, seed))
        return original(text, family, level, seed)

    monkeypatch.setattr(noise, "corrupt", corrupt)
    return asked


def test_noise_depends_on_the_step_and_the_place_alone():
    made = Noise(share=0.5, reader=READER)
    first = texts(made.spoil(DOCUMENTS, 7))
    assert first == texts(made.spoil(DOCUMENTS, 7))
    assert first != texts(made.spoil(DOCUMENTS, 8))
    assert first[:50] == texts(made.spoil(DOCUMENTS[:50], 7))
    assert len(set(first)) > 50


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_share_that_is_spoiled(share):
    marked = [
        document.is_spoiled
        for salt in range(5)
        for document in Noise(share=share, reader=READER).spoil(DOCUMENTS, salt)
    ]
    assert np.mean(marked) == pytest.approx(share, abs=0.04)


def test_what_is_drawn(drawn):
    for salt in range(5):
        Noise(share=0.9, reader=READER).spoil(DOCUMENTS, salt)
    families, levels, seeds = zip(*drawn, strict=True)
    assert set(families) == set(FAMILIES)
    assert set(ALL_FAMILIES) - set(FAMILIES) == {"ocr", "truncation", "invisible"}
    assert min(np.unique(families, return_counts=True)[1]) > len(drawn) / len(FAMILIES) * 0.8
    assert 0 <= min(levels) < 0.005
    assert 0.095 < max(levels) <= HIGHEST_LEVEL
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 2**64  # no seed of `textlattice stress` is as large


def test_a_document_that_noise_would_empty_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(noise, "corrupt", lambda *arguments: "\u200b ")
    document = READER.read("one")
    assert Noise(share=0.9, reader=READER).spoil([document] * 9, 1) == [document] * 9


def test_training_with_noise_goes_on_with_the_same_bits(cut_training):
    config = preset("tiny").with_settings({"train.noise": 0.5, "train.steps": 20, "train.threads": 1})
    expected, found = cut_training(config, moves=20)
    for name, value in expected.model.state_dict().items():
        assert value.equal(found.model.state_dict()[name]), name
    assert found.record["times_resumed"] == 1


def test_the_wide_branch_and_the_choices_read_clean_texts(tiny_texts):
    from textlattice.training.fit import fit

    def trained(share):
        settings = {"train.noise": share, "train.steps": 2, "train.threads": 1}
        return fit(*tiny_texts, preset("tiny").with_settings(settings))

    clean, noisy = trained(0.0), trained(0.9)
    assert clean.record["wide"] == noisy.record["wide"]
    names = clean.model.learned()
    assert not all(value.equal(noisy.model.learned()[name]) for name, value in names.items())
