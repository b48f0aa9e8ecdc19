import dataclasses
import json

import numpy as np
import pytest

from tables.models import word_piece, write_model
from textlattice.config import TextConfig
from textlattice.errors import ConfigError
from textlattice.progress import Progress
from textlattice.tables.build import TableSettings, build_token_table, neighbours
from textlattice.tables.corpus import read_sources
from textlattice.tables.lexicon import read_lexicon
from textlattice.tables.reduce import pca, scaled, zipf_weights
from textlattice.tables.words import WordVectors, distinct, is_word, joined
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import FileTokenizer
from textlattice.text.vocabulary import word_keys

TEXT = TextConfig()
LEXICON = "word,polarity,subjectivity\nhopeful,0.5,0.5\njoy,1,1\n"


@pytest.fixture
def model(tmp_path):
    return str(write_model(tmp_path / "model", word_piece(), 13))


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("a Hopeless film .\na hopeless film , hopelessly a film zebra\n" * 3, encoding="utf-8")
    return read_sources([str(path)], ["text"], Progress())


@pytest.fixture
def lexicon(tmp_path):
    path = tmp_path / "lexicon.csv"
    path.write_text(LEXICON)
    return [str(path)]


def vector_of(table, word):
    row = np.flatnonzero(table.keys == word_keys([word], TEXT)[0])
    return table.vectors[row[0]] if len(row) else None


def row(*numbers):
    """Mean of the input rows of these tokens."""
    return np.mean([[number, number**2] for number in numbers], 0)


def test_words_of_a_model_are_reduced_and_weighed_by_rank(model):
    built = build_token_table(model=model, settings=TableSettings(dim=2))
    numbers = {
        "a": 5,
        ".": 10,
        "film": 6,
        "hope": 7,
        "é": 12,
    }  # one letter of ASCII first, one of others last
    expected, _ = pca(np.stack([row(number) for number in numbers.values()]), 2)
    assert len(built.table.keys) == len(numbers)
    for word, vector, weight in zip(numbers, expected, zipf_weights(len(numbers)), strict=True):
        np.testing.assert_allclose(vector_of(built.table, word), vector * weight, rtol=1e-4)
    assert built.known_token_share is None


def test_words_of_texts_get_the_mean_of_their_pieces(model, texts):
    settings = TableSettings(dim=2, weights="none")
    built = build_token_table(model=model, texts=texts, settings=settings)
    assert vector_of(built.table, "zebra") is None
    numbers = {
        "a": [5],
        "film": [6],
        "hope": [7],
        ".": [10],
        "é": [12],
        "hopeless": [7, 8],
        "hopelessly": [7, 8, 11],
    }
    assert len(built.table.keys) == len(numbers)
    flat = np.stack([row(*own) for own in numbers.values()])
    found = np.stack([vector_of(built.table, word) for word in numbers])
    for one, other in ((0, 1), (1, 5), (5, 6)):  # all directions are kept, so distances are
        distance = np.linalg.norm(flat[one] - flat[other])
        assert np.linalg.norm(found[one] - found[other]) == pytest.approx(distance, rel=1e-4)
    assert built.known_token_share == pytest.approx(30 / 36)
    assert built.table.record["texts"]["num_tokens"] == 36
    assert (
        build_token_table(
            model=model, texts=texts, settings=TableSettings(dim=2, weights="none", most=1)
        ).table.keys.size
        == 5
    )


def test_weights_are_those_of_the_counts(model, texts):
    plain = build_token_table(model=model, texts=texts, settings=TableSettings(dim=2, weights="none")).table
    table = build_token_table(model=model, texts=texts, settings=TableSettings(dim=2)).table
    for word, count in (("a", 9), ("film", 9), ("hopelessly", 3), ("hope", 0)):
        weight = 0.001 / (0.001 + count / 36)
        np.testing.assert_allclose(vector_of(table, word), weight * vector_of(plain, word), rtol=1e-4)


@pytest.mark.parametrize("scale", ["minmax", "standard"])
def test_scales_come_last(model, scale):
    plain = build_token_table(model=model, settings=TableSettings(dim=2)).table
    table = build_token_table(model=model, settings=TableSettings(dim=2, scale=scale)).table
    np.testing.assert_allclose(table.vectors, scaled(plain.vectors, scale), atol=1e-5)


def test_umap_is_not_weighed_unless_asked(model, monkeypatch):
    monkeypatch.setattr("textlattice.tables.build.umap", lambda vectors, dim, seed: vectors[:, :dim] + seed)
    settings = TableSettings(dim=1, method="umap", seed=4)
    table = build_token_table(model=model, settings=settings).table
    assert vector_of(table, "film").tolist() == [10]
    assert (table.record["method"], table.record["weights"], table.record["seed"]) == ("umap", "none", 4)
    weighed = build_token_table(model=model, settings=dataclasses.replace(settings, weights="zipf")).table
    np.testing.assert_allclose(vector_of(weighed, "film"), 10 * zipf_weights(5)[2], rtol=1e-5)


def test_a_lexicon_adds_two_channels(model, texts, lexicon):
    built = build_token_table(model=model, texts=texts, lexicon=lexicon, settings=TableSettings(dim=2))
    table = built.table
    assert table.dim == 4
    assert vector_of(table, "hopeful")[2:].tolist() == [0.5, 0.5]  # two pieces of the model
    assert vector_of(table, "joy").tolist() == [0, 0, 1, 1]  # the model cannot spell it
    assert vector_of(table, "hope")[2:].tolist() == [0, 0]  # one piece, and not in the lexicon
    np.testing.assert_allclose(
        vector_of(table, "hopeless")[2:], [0.25, 0.25]
    )  # hope, of hopeful; less, of nothing
    with_vectors = [
        vector_of(table, word)[:2] for word in ("a", ".", "film", "hope", "é", "hopeful", "hopeless")
    ]
    with_vectors.append(vector_of(table, "hopelessly")[:2])
    assert np.sqrt(np.mean(np.square(with_vectors))) == pytest.approx(1, rel=1e-4)
    assert table.record["lexicon"]["channels"] == ["polarity", "subjectivity"]
    assert table.record["licence"] == "cc-by-4.0"


def test_a_lexicon_alone(lexicon):
    built = build_token_table(lexicon=lexicon)
    assert built.table.dim == 2
    assert vector_of(built.table, "JOY").tolist() == [1, 1]
    assert built.neighbours == []
    assert built.table.record["source"] == "a lexicon"
    assert read_lexicon(lexicon, TEXT).record["digest"] == built.table.record["digest"]


def test_plain_text_alone(texts):
    built = build_token_table(texts=texts, settings=TableSettings(dim=3, seed=4))
    again = build_token_table(texts=texts, settings=TableSettings(dim=3, seed=4))
    assert np.array_equal(built.table.vectors, again.table.vectors)
    assert built.table.dim == 3
    assert vector_of(built.table, "zebra") is not None
    assert built.known_token_share == 1
    record = built.table.record
    assert (record["source"], record["method"], record["licence"], record["seed"]) == (
        "plain text",
        "cooccurrence",
        None,
        4,
    )
    assert record["digest"] == texts.digest


def test_plain_text_with_a_lexicon(texts, lexicon):
    table = build_token_table(texts=texts, lexicon=lexicon, settings=TableSettings(dim=3)).table
    assert table.dim == 5
    assert vector_of(table, "joy").tolist() == [0, 0, 0, 1, 1]
    assert vector_of(table, "film")[3:].tolist() == [0, 0]


def test_the_same_settings_give_the_same_table(model, texts, lexicon):
    made = {"model": model, "texts": texts, "lexicon": lexicon, "settings": TableSettings(dim=2)}
    tables = [build_token_table(**made).table for _ in range(2)]
    assert np.array_equal(tables[0].keys, tables[1].keys)
    assert np.array_equal(tables[0].vectors, tables[1].vectors)
    assert tables[0].record == tables[1].record


def test_keys_follow_the_text_settings(model):
    config = TextConfig(lowercase_keys=False, normalisation="nfkc")
    table = build_token_table(
        model=model, settings=TableSettings(dim=2), reader=TextReader(config=config)
    ).table
    assert table.record["text"] == {"normalisation": "nfkc", "lowercase_keys": False}


def test_words_are_the_pieces_of_a_tokenizer_if_one_is_given(texts):
    tokenizer = FileTokenizer(json.dumps(word_piece()).encode())
    built = build_token_table(
        texts=texts, settings=TableSettings(dim=2), reader=TextReader(config=TEXT, cut=tokenizer)
    )
    assert built.table.record["tokenizer"] == tokenizer.digest
    assert vector_of(built.table, "hopeless") is None
    assert vector_of(built.table, "less") is not None
    assert build_token_table(texts=texts, settings=TableSettings(dim=2)).table.record["tokenizer"] is None


def test_tokens_inside_words_have_their_rows_and_scores(model, tmp_path):
    (tmp_path / "lexicon.csv").write_text("word,polarity,subjectivity\nhopeless,-1,1\nhopeful,0.5,0.5\n")
    tokenizer = FileTokenizer(json.dumps(word_piece()).encode())
    settings = {"model": model, "settings": TableSettings(dim=1), "lexicon": [str(tmp_path / "lexicon.csv")]}
    table = build_token_table(reader=TextReader(config=TEXT, cut=tokenizer), **settings).table
    assert vector_of(table, "less")[-2:].tolist() == [-1, 1]
    assert vector_of(table, "ful")[-2:].tolist() == [0.5, 0.5]
    assert vector_of(table, "hope")[-2:].tolist() == [-0.25, 0.75]
    assert vector_of(build_token_table(**settings).table, "less") is None


def test_what_makes_no_table(model):
    with pytest.raises(
        ConfigError, match="expected a language model, texts or a lexicon to make it of, got none"
    ):
        build_token_table()
    with pytest.raises(
        ConfigError, match=r"--dim must lie in 1\.\.2 for 5 words with vectors of 2 numbers, got 64"
    ):
        build_token_table(model=model)
    with pytest.raises(ConfigError, match="--most must be at least 1, got 0"):
        TableSettings(most=0)


# Words.


def test_what_is_a_word():
    assert [
        text for text in ("film", "don't", ".", "New York", "", " film", "##ing", "的") if is_word(text, TEXT)
    ] == [
        "film",
        "don't",
        ".",
        "的",
    ]
    assert distinct(["a", "Film", "b", "film", "a"], TEXT) == ["a", "Film", "b"]
    assert distinct([], TEXT) == []


def test_parts_stand_side_by_side():
    one = WordVectors(words=["a", "B"], vectors=np.array([[1.0], [2]]))
    other = WordVectors(words=["c", "b"], vectors=np.array([[3.0, 4], [5, 6]]))
    found = joined([one, other], TEXT)
    assert found.words == ["a", "B", "c"]
    assert found.vectors.tolist() == [[1, 0, 0], [2, 5, 6], [0, 3, 4]]


def test_neighbours_are_the_nearest_by_angle():
    words = ["the", "cat", "dog", "sun", "moon", "sea", "xx"]
    vectors = np.array([[1, 1], [5, 0], [9, 1], [0, 5], [1, 9], [-5, -5], [0, 0]], np.float32)
    found = dict(neighbours(WordVectors(words=words, vectors=vectors)))
    assert found["cat"][0] == "dog"
    assert found["moon"][0] == "sun"
    assert "xx" not in found
    assert neighbours(WordVectors(words=["one"], vectors=np.ones((1, 2)))) == [("one", [])]
