"""A language model that learns: the states of the frozen one at first, learned ones later, kept as a frozen one."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

from encoders.models import DECODERS, write_bert, write_decoder
from tables.models import word_piece
from textlattice import load
from textlattice.batch.collate import Collator
from textlattice.batch.pyramid_batch import Pieces, PieceWindows
from textlattice.batch.pyramid_collate import PyramidCollator
from textlattice.batch.text_batch import map_arrays
from textlattice.config import GraphConfig, PyramidConfig, TextConfig
from textlattice.encoders import tuned as tuned_module
from textlattice.encoders.language_model import LanguageModelEncoder, open_encoder
from textlattice.encoders.tuned import TunedEncoder
from textlattice.errors import ConfigError, DataError
from textlattice.presets import preset
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import FileTokenizer
from textlattice.text.vocabulary import Vocabulary
from textlattice.training.fit import fit
from textlattice.training.save import predictor_of, save_trained

NO_KEYS = np.empty(0, np.uint64)
TEXTS = ["a hopeless film", "", "a film", "a hopeless film " * 20, "film"]
LEARNED = {"lora": "with additions that were learned here", "full": "trained further here"}
WAYS = [*LEARNED]
SMALL = {
    **{"model.channels": 16, "model.head_channels": 8, "train.steps": 20, "train.batch_size": 16},
    **{"train.threads": 1},
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return open_encoder(write_bert(tmp_path_factory.mktemp("bert")), "bert", num_layers=2)


def made(encoder, how):
    torch.manual_seed(0)
    return TunedEncoder(encoder, how, rank=2, bfloat16=False)


def batch_of(encoder, texts):
    reader = TextReader(config=TextConfig(tokenizer="file"), cut=encoder.tokenizer)
    words = Collator(
        text=reader.config,
        graph=GraphConfig(),
        vocabulary=Vocabulary(words=NO_KEYS, ngrams=NO_KEYS, injected=NO_KEYS),
    )
    collator = PyramidCollator(model=PyramidConfig(encoder="language_model"), words=words, pieces=encoder)
    return map_arrays(collator.collate([reader.read(text) for text in texts]), torch.from_numpy)


def read(encoder, tuned, texts):
    with torch.inference_mode():
        return torch.cat(tuned.eval()(batch_of(encoder, texts)), 1).numpy()


@pytest.mark.parametrize("most", [1 << 20, 64])
def test_windows_that_are_run_twice_have_the_same_gradient(encoder, most, monkeypatch):
    monkeypatch.setattr("textlattice.encoders.language_model.LEARN_AT_ONCE", most)
    batch = batch_of(encoder, TEXTS[2:])
    assert (len(batch.pieces.windows) > 1) == (most == 64)
    runs, gradients = [], []
    run_twice = tuned_module._run_layers_twice
    monkeypatch.setattr(
        tuned_module, "_run_layers_twice", lambda *inputs: runs.append(1) or run_twice(*inputs)
    )
    needed = tuned_module._bytes_remembered(encoder.network.config, batch.pieces)
    for remembered in (needed, needed - 1):
        monkeypatch.setattr(tuned_module, "_REMEMBERED", remembered)
        tuned = made(encoder, "full").train()
        for module in tuned.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        torch.cat(tuned(batch), 1).square().sum().backward()
        gradients.append(tuned.network.embeddings.word_embeddings.weight.grad)
        assert len(runs) == (len(batch.pieces.windows) if remembered < needed else 0)
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


def test_what_a_step_remembers_literal(encoder):
    config = encoder.network.config
    layer = 68 * config.hidden_size + 10 * config.num_attention_heads * 5
    pieces = PieceWindows(
        windows=(Pieces(ids=torch.zeros(3, 5), filled=torch.ones(3, 5)),), place=torch.zeros(0)
    )
    assert tuned_module._bytes_remembered(config, pieces) == 15 * config.num_hidden_layers * layer
    without_attention = SimpleNamespace(hidden_size=3, num_hidden_layers=2)
    assert tuned_module._bytes_remembered(without_attention, pieces) == 15 * 2 * 68 * 3


@pytest.mark.parametrize("how", WAYS)
def test_before_it_learns_its_states_are_those_of_the_frozen_model(encoder, how):
    reader = TextReader(config=TextConfig(tokenizer="file"), cut=encoder.tokenizer)
    expected = encoder.states([reader.read(text) for text in TEXTS])
    np.testing.assert_allclose(read(encoder, made(encoder, how), TEXTS), expected, atol=2e-3)
    assert read(encoder, made(encoder, how), [""]).shape == (0, 16)


def test_states_do_not_depend_on_the_texts_beside_them(encoder):
    tuned = made(encoder, "full")
    together = read(encoder, tuned, TEXTS)
    alone = np.concatenate([read(encoder, tuned, [text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_place_of_a_token_is_where_its_piece_stands(encoder):
    pieces = batch_of(encoder, TEXTS).pieces
    ids = torch.cat([window.ids.flatten() for window in pieces.windows])
    expected = [encoder.tokenizer.pieces(text)[0] for text in TEXTS]
    assert ids[pieces.place].tolist() == np.concatenate(expected).tolist()
    assert len(set(pieces.place.tolist())) == len(pieces.place)


def test_what_learns(encoder):
    shapes = {name: value.shape for name, value in encoder.network.named_parameters()}
    full, lora = made(encoder, "full"), made(encoder, "lora")
    assert {name for name, value in full.network.named_parameters() if value.requires_grad} == set(shapes)
    learns = [name for name, value in lora.named_parameters() if value.requires_grad]
    assert (
        sum("encoder.layer" in name for name in learns) == 2 * 4 * 6
    )  # layers of six matrices, two factors each
    assert all("lora_" in name for name in learns)
    assert not any(value.requires_grad for value in encoder.network.parameters())


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", ["bert", *DECODERS])
def test_a_training_changes_the_copy_alone_and_keeps_it_as_a_frozen_model(kind, how, tiny_texts, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    encoder = open_encoder(
        write_bert(source) if kind == "bert" else write_decoder(source, kind), kind, num_layers=2
    )
    texts, labels = tiny_texts
    before = encoder.digest
    rank = {"train.lora_rank": 2} if how == "lora" else {}
    settings = SMALL | rank | {"train.tune": how, "train.tune_learning_rate": 1e-2}
    trained = fit(texts, labels, preset("pyramid").with_settings(settings), encoder=encoder)
    encoder._digest = None
    assert encoder.digest == before
    learned = trained.collator.encoder
    assert learned.digest != before
    assert {name: value.shape for name, value in learned.network.state_dict().items()} == {
        name: value.shape for name, value in encoder.network.state_dict().items()
    }
    assert not any(name.startswith("encoder") for name in trained.model.state_dict())
    expected = predictor_of(trained).probabilities([*texts[:5], ""])
    save_trained(trained, tmp_path / "model", source={"name": "reviews"})
    assert json.loads((tmp_path / "model" / "training.json").read_text())["settings"]["train"]["tune"] == how
    assert f", {LEARNED[how]}." in (tmp_path / "model" / "README.md").read_text()
    np.testing.assert_allclose(load(tmp_path / "model").probabilities([*texts[:5], ""]), expected, atol=1e-4)


def test_a_language_model_learns_what_the_layers_above_cannot(encoder):
    """Of a frozen state that is the same for every token, nothing can be learned."""
    texts, labels = ["a film .", "a hope ."] * 40, ["film", "hope"] * 40
    blank = open_blank(encoder)
    settings = SMALL | {"train.wide": "none", "train.steps": 150, "train.patience": 100}
    found = {}
    for how in ("none", "full"):
        rate = {} if how == "none" else {"train.tune_learning_rate": 1e-2}
        config = preset("pyramid").with_settings(settings | rate | {"train.tune": how})
        trained = fit(texts, labels, config, encoder=blank, validation=(texts, labels))
        answers = predictor_of(trained).predict(texts)
        found[how] = np.mean(np.array(answers) == np.array(labels))
    assert found["full"] > 0.9 > found["none"]


def open_blank(encoder):
    """The same language model with one vector for all tokens and no positions."""
    from textlattice.encoders.language_model import encoder_of_files

    blank = encoder_of_files(encoder.files(), encoder.tokenizer, num_layers=2)
    with torch.no_grad():
        blank.network.embeddings.word_embeddings.weight.zero_()
        blank.network.embeddings.position_embeddings.weight.zero_()
    return blank


@pytest.mark.parametrize("how", WAYS)
def test_a_training_that_is_cut_ends_with_the_same_bits(how, encoder, cut_training):
    settings = SMALL | {"train.tune": how, "train.steps": 40}
    expected, found = cut_training(preset("pyramid").with_settings(settings), moves=15, encoder=encoder)
    wanted = expected.model.state_dict() | expected.collator.encoder.network.state_dict()
    got = found.model.state_dict() | found.collator.encoder.network.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in got.items())


def test_without_a_language_model_nothing_can_be_tuned(tiny_texts):
    for name in ("pyramid", "tiny"):
        with pytest.raises(ConfigError, match=r"train\.tune=lora needs a language model, got none; give it"):
            fit(*tiny_texts, preset(name).with_settings({"train.tune": "lora"}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train.tune": "some"}, "train.tune must be"),
        ({"train.lora_rank": 0}, "train.lora_rank must be positive, got 0"),
        (
            {"train.tune_learning_rate": -1.0},
            "train.tune_learning_rate must be positive and finite, got -1.0",
        ),
        (
            {"train.tune_learning_rate": 1e-3, "train.tune_bfloat16": True},
            "train.tune_learning_rate, train.tune_bfloat16 would do nothing with train.tune=none; set train.tune to "
            "lora or full",
        ),
        (
            {"train.tune": "full", "train.lora_rank": 4},
            "train.lora_rank would do nothing with train.tune=full",
        ),
    ],
)
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ConfigError, match=message):
        preset("pyramid").with_settings(settings)


def test_rates_by_way():
    rates = {how: preset("pyramid").with_settings({"train.tune": how}).train.tune_rate for how in WAYS}
    assert rates == {"lora": 3e-4, "full": 5e-5}


def test_a_language_model_that_takes_no_additions_is_refused(tmp_path):
    sizes = {"vocab_size": 13, "hidden_size": 16, "state_size": 4, "num_hidden_layers": 2}
    network = transformers.MambaModel(transformers.MambaConfig(**sizes))  # a kind that no folder may hold
    encoder = LanguageModelEncoder(network, FileTokenizer(json.dumps(word_piece()).encode()), num_layers=2)
    with pytest.raises(
        DataError, match=r"train.tune=lora cannot add to this language model \(.*train.tune=full"
    ):
        made(encoder, "lora")
