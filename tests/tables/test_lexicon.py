import importlib.util
import re

import numpy as np
import pytest

from textlattice.config import TextConfig
from textlattice.errors import DataError, MissingExtraError
from textlattice.tables.lexicon import piece_scores, read_lexicon, word_scores

TEXT = TextConfig()
needs_textblob = pytest.mark.skipif(
    importlib.util.find_spec("textblob") is None, reason="textblob is not installed"
)


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def scores_of(lexicon):
    rows = lexicon.scores.astype(np.float64).round(4).tolist()
    return dict(zip(lexicon.words, rows, strict=True))


XML = """<?xml version="1.0"?><sentiment language="en" license="PDDL">
<word form="abrupt" pos="JJ" sense="one" polarity="-0.5" subjectivity="1.0" />
<word form="abrupt" pos="JJ" sense="two" polarity="0.0" subjectivity="1.0" />
<word form="abrupt" pos="RB" sense="three" polarity="0.25" subjectivity="0.5" />
<word form="across-the-board" pos="JJ" polarity="0.1" subjectivity="0.9" /></sentiment>"""


@pytest.mark.parametrize(
    ("name", "text", "expected", "num_unused"),
    [
        (
            "a.csv",
            "word,polarity,subjectivity\nfine,0.5,0.25\ndull,-1,\n",
            {"fine": [0.5, 0.25], "dull": [-1, 1]},
            0,
        ),
        ("b.tsv", "subjectivity\tword\tpolarity\n0\tplain\t0\n", {"plain": [0, 0]}, 0),
        ("c.csv", "\ufeffword,polarity\nFine,0.5\nfine,1\nso so,1\n", {"Fine": [0.75, 1]}, 1),
        (
            "vader.txt",
            "joy\t2.8\t0.6\t[3, 3]\nmeh\t0\t0.1\t[0]\n:-)\t1.3\t0.7\t[1]\n",
            {"joy": [0.7, 1], "meh": [0, 0]},
            1,
        ),
        (
            "afinn.txt",
            "abhor\t-3\ncan't stand\t-3\nna\u00efve\t-2\n",
            {"abhor": [-0.6, 1], "na\u00efve": [-0.4, 1]},
            1,
        ),
        ("blob.xml", XML, {"abrupt": [0, 0.75]}, 1),
    ],
)
def test_each_form(tmp_path, name, text, expected, num_unused):
    lexicon = read_lexicon([written(tmp_path, name, text)], TEXT)
    assert scores_of(lexicon) == expected
    assert lexicon.record["num_unused"] == num_unused
    assert lexicon.record["num_words"] == len(expected)
    assert lexicon.record["licence"] == ("PDDL" if name.endswith("xml") else None)
    assert len(lexicon.record["digest"]) == 64


def test_two_lists_of_words(tmp_path):
    good = written(tmp_path, "good.txt", "; a comment\n\njoy\nfine\n")
    bad = written(tmp_path, "bad.txt", "dull\nfine\n")
    for sources in ([f"positive={good}", f"negative={bad}"], [f"negative={bad}", f"positive={good}"]):
        assert scores_of(read_lexicon(sources, TEXT)) == {"joy": [1, 1], "dull": [-1, 1], "fine": [0, 1]}


@needs_textblob
def test_the_lexicon_of_textblob_says_what_textblob_says():
    from textblob import TextBlob

    lexicon = scores_of(read_lexicon(["textblob"], TEXT))
    assert 1_000 < len(lexicon) < 5_000
    for word in ("good", "able", "abrupt", "absolute", "terrific", "bad"):
        told = TextBlob(word).sentiment
        assert lexicon[word] == pytest.approx([told.polarity, told.subjectivity], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.csv",
            "word,score\nfine,1\n",
            "expected columns word, polarity and perhaps subjectivity, found word, score",
        ),
        ("a.csv", "", "expected columns word, polarity and perhaps subjectivity, found none"),
        (
            "a.csv",
            "word,polarity\nfine,7\n",
            "line 2: expected a polarity from -1 to 1, got '7'; correct the line",
        ),
        ("a.csv", "word,polarity\nfine\n", "line 2: expected a polarity from -1 to 1, got None"),
        (
            "a.csv",
            "word,polarity,subjectivity\nfine,nan,1\n",
            "line 2: expected a polarity from -1 to 1, got 'nan'",
        ),
        (
            "a.tsv",
            "word\tpolarity\tsubjectivity\nfine\t1\t-1\n",
            "expected a subjectivity from 0 to 1, got '-1'",
        ),
        (
            "a.csv",
            "word,polarity\nso so,1\n",
            "expected single words, got 1 entries and none that texts are cut into",
        ),
        (
            "a.txt",
            "fine\n",
            "line 1: expected two columns as in AFINN or four as in VADER, parted by tabs, got 1",
        ),
        ("a.txt", "fine\t9\n", "line 1: expected a score from -5 to 5, got '9'"),
        ("a.txt", "fine\t4.5\t1\t[]\n", "line 1: expected a score from -4 to 4, got '4.5'"),
        ("a.xml", "<word", "expected XML, got what is none ("),
        (
            "a.xml",
            "<s><word form='x' polarity='2' subjectivity='0'/></s>",
            "word 1: expected a polarity from -1 to 1",
        ),
        ("a.json", "{}", "expected textblob, a table .csv or .tsv with columns word"),
    ],
)
def test_files_that_are_no_lexicon(tmp_path, name, text, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read_lexicon([written(tmp_path, name, text)], TEXT)


def test_sources_that_do_not_go_together(tmp_path):
    words = written(tmp_path, "a.txt", "fine\n")
    for sources in (
        [],
        [words, words],
        [f"positive={words}"],
        [f"positive={words}"] * 2,
        ["textblob", words],
    ):
        with pytest.raises(
            DataError, match=r"lexicon: expected textblob, a table .* two lists of words positive="
        ):
            read_lexicon(sources, TEXT)
    with pytest.raises(DataError, match="expected a file, got: No such file or directory; check the path"):
        read_lexicon([str(tmp_path / "nowhere.csv")], TEXT)
    (tmp_path / "latin.csv").write_bytes(b"word,polarity\nna\xefve,0\n")
    with pytest.raises(DataError, match="line 2: expected UTF-8, got other bytes; convert it"):
        read_lexicon([str(tmp_path / "latin.csv")], TEXT)


def test_textblob_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"the lexicon of TextBlob needs the extra \[tables\]"):
        read_lexicon(["textblob"], TEXT)


# Scores of words and of pieces.

HOPE, LESS, FUL, LY = range(4)


@pytest.fixture
def lexicon(tmp_path):
    text = "word,polarity,subjectivity\nhopeless,-1,1\nhopeful,0.5,0.5\njoy,1,1\n"
    return read_lexicon([written(tmp_path, "lexicon.csv", text)], TEXT)


PIECES = [[HOPE, LESS], [HOPE, FUL], [9]]


def test_a_piece_has_the_weighted_mean_of_the_words_that_contain_it(lexicon):
    found = piece_scores(lexicon, PIECES, [1, 3, 1])
    assert found.keys() == {HOPE, LESS, FUL, 9}
    np.testing.assert_allclose(found[HOPE], [(-1 + 3 * 0.5) / 4, (1 + 3 * 0.5) / 4])
    np.testing.assert_allclose(found[LESS], [-1, 1])
    np.testing.assert_allclose(found[FUL], [0.5, 0.5])


def test_words_have_their_own_scores_or_the_mean_of_their_pieces(lexicon):
    words = ["Hopeful", "hopelessly", "hope", "table", "lessly"]
    pieces = [[HOPE, FUL], [HOPE, LESS, LY], [HOPE], [8], [LESS, LY]]
    found = word_scores(lexicon, words, TEXT, pieces=pieces, lexicon_pieces=PIECES)
    expected = [[0.5, 0.5], [(-0.25 - 1) / 3, (0.75 + 1) / 3], [0, 0], [0, 0], [-0.5, 0.5]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    counted = word_scores(
        lexicon, words, TEXT, pieces=pieces, lexicon_pieces=PIECES, frequencies={"hopeful": 2, "other": 9}
    )
    np.testing.assert_allclose(counted[1], [(0.125 - 1) / 3, (0.625 + 1) / 3], atol=1e-6)


def test_a_word_that_is_a_piece_itself_has_its_scores(lexicon):
    words, pieces = ["less", "joy", "hope"], [[LESS], [9], [HOPE]]
    found = word_scores(lexicon, words, TEXT, pieces=pieces, lexicon_pieces=PIECES, inner=True)
    np.testing.assert_allclose(found, [[-1, 1], [1, 1], [-0.25, 0.75]])


def test_without_pieces_unknown_words_are_neutral(lexicon):
    assert word_scores(lexicon, ["joy", "hopelessly"], TEXT).tolist() == [[1, 1], [0, 0]]
    assert word_scores(lexicon, [], TEXT).shape == (0, 2)
