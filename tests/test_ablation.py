"""The benchmark of single ingredients: their token tables, the rows they are judged by, one run, the page."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from benchmark_scripts import ablation, records, run, sets, vectors
from tables.models import vocabulary, word_piece, write_model
from textlattice.config import TextConfig
from textlattice.errors import ConfigError
from textlattice.presets import preset
from textlattice.text.document import TextReader

TEXTS = ["a good film, a dull film"] * 30 + ["the plot is good"] * 30
READER = TextReader(config=TextConfig())


def test_vectors_of_each_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "DIM", 2)
    model = write_model(tmp_path / "model", word_piece(), 13)
    cache, english = tmp_path / "cache", tmp_path / "english_plain"
    english.mkdir()
    for name in ("nltk_misc", "novels", "wikipedia"):
        pyarrow.parquet.write_table(pyarrow.table({"text": TEXTS}), english / f"{name}.parquet")

    def made(kind, *, lexicon=False, data=str(tmp_path)):
        return vectors.table_of(
            kind,
            lexicon=lexicon,
            texts=TEXTS,
            reader=READER,
            model=model,
            cache=cache,
            data=data,
        )

    assert made("none") is None
    assert made("none", lexicon=True).dim == 2
    assert made("own").dim == made("english").dim == 2
    learned, random = made("pca"), made("random")
    np.testing.assert_array_equal(learned.keys, random.keys)
    assert not np.allclose(learned.vectors, random.vectors)
    assert random.record["method"] == "random"
    before = (cache / "pca_words.safetensors").stat().st_mtime_ns
    np.testing.assert_array_equal(made("pca").vectors, learned.vectors)
    assert (cache / "pca_words.safetensors").stat().st_mtime_ns == before  # read, not made again
    scored, at_random = made("pca", lexicon=True), made("random", lexicon=True)
    np.testing.assert_array_equal(scored.vectors[:, 2:], at_random.vectors[:, 2:])
    assert scored.vectors[:, 2:].any()


def test_plain_english_needs_a_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TEXTLATTICE_DATA", raising=False)
    with pytest.raises(ConfigError, match="where is plain English"):
        vectors.table_of(
            "english", lexicon=False, texts=[], reader=READER, model=tmp_path, cache=tmp_path / "cache"
        )


def dataset(name, num_rows):
    labels = ["neg"] * (num_rows // 2) + ["pos"] * (num_rows // 2)
    part = sets.Part(texts=[str(place) for place in range(num_rows)], labels=labels)
    return sets.Dataset(name=name, train=part, test=sets.Part(texts=["unseen"], labels=["pos"]))


def test_blocks_of_imdb_are_the_last_of_each_label():
    parted = ablation.held_out(dataset("imdb", 25_000))
    assert (len(parted.train.texts), len(parted.test.texts)) == (10_000, 7_500)
    judged = np.array(parted.test.texts, int)
    assert judged.tolist() == [*range(8_750, 12_500), *range(21_250, 25_000)]
    assert not set(parted.train.texts) & set(parted.test.texts)
    assert "unseen" not in parted.train.texts + parted.test.texts


def test_rows_of_ag_news_are_random_and_the_same_every_time():
    first, again = (ablation.held_out(dataset("ag_news", 60_000)) for _ in range(2))
    assert first == again
    assert (len(first.train.texts), len(first.test.texts)) == (20_000, 15_000)
    assert not set(first.train.texts) & set(first.test.texts)
    assert abs(first.test.labels.count("pos") / 15_000 - 0.5) < 0.02


def test_an_ingredient_from_the_command_line(small_sets, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "preset", lambda name: preset({"base": "tiny"}[name]))
    monkeypatch.setitem(ablation.ROWS, "imdb", ablation.Rows(num_fit=40, num_judged=20, by_block=True))
    model = write_model(tmp_path / "model", word_piece(), len(vocabulary(word_piece())))
    arguments = ["ablation", "--set", "imdb", "--data", small_sets, "--model", str(model), "--threads", "1"]
    arguments += ["--results", str(tmp_path / "results"), "--tables", str(tmp_path / "tables")]
    for ingredient in ("none", "vectors of the training texts"):
        run.main([*arguments, "--ingredient", ingredient])
        assert "accuracy" in capsys.readouterr().out
    run.main([*arguments, "--ingredient", "none"])
    assert "is there already" in capsys.readouterr().err
    page = ablation.page(records.entries("ablation", tmp_path / "results"))
    assert "## imdb" in page
    assert "40 rows to train on, 20 to judge by." in page
    assert "\n| none | 1 | " in page
    assert "\n| vectors of the training texts | 1 | " in page


def test_the_page_takes_means_over_seeds():
    def entry(name, seed, right):
        judged = {"accuracy": np.mean(right), "log_loss": 0.5, "correct": records.pack(np.array(right, bool))}
        return {
            "key": {"ingredient": name, "set": "imdb", "seed": seed},
            "commit": "0123456789",
            "num_train": 8,
            "num_test": 4,
            "train_seconds": 90.0,
            "models": {"ours": judged, "deep": None},
        }

    page = ablation.page(
        [
            entry("other", 0, [1, 1, 1, 1]),
            entry("none", 0, [1, 1, 1, 0]),
            entry("none", 1, [1, 0, 0, 0]),
            entry("polarity and subjectivity", 0, [1, 1, 1, 1]),
        ]
    )
    rows = page.splitlines()[-3:]
    assert rows == [
        "| none | 2 | 50.00 ± 35.36 | – | 0.5000 ± 0.0000 | – | 1.5 min |",
        "| polarity and subjectivity | 1 | 100.00 | +25.00 (+0.00 to +75.00) | 0.5000 | – | 1.5 min |",
        "| other (tried at 0123456, left out) | 1 | 100.00 | +25.00 (+0.00 to +75.00) | 0.5000 | – | 1.5 min |",
    ]
    assert "being made" in ablation.page([])
