"""Naughty texts through all four doors: no crash, no number that is none, an answer for each row, in order."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.naughty import LONE_SURROGATES, draw, is_utf8, texts
from textlattice import TextClassifier, load
from textlattice.config import TextConfig
from textlattice.runtime.form_engine import FormEngine
from textlattice.runtime.predictor import Predictor
from textlattice.text.document import read_document
from textlattice.text.normalise import normalise

NAUGHTY = texts()
LABELS = ["plain", "naughty \u202e\u0301", "=1+1", "😀"]
"""Of each row in turn; some are naughty themselves."""
QUICK = {"train.steps": 2, "train.threads": 1}


@pytest.fixture(scope="module")
def rows(tiny_texts):
    """Naughty and plain rows in turn, with labels that follow the words of the plain ones."""
    plain = [(text, LABELS[label == "good"]) for text, label in zip(*tiny_texts, strict=True)]
    bad = [(text, LABELS[place % len(LABELS)]) for place, text in enumerate(NAUGHTY)]
    return [*bad, *plain]


@pytest.fixture(scope="module")
def predictor(tiny_folder):
    return load(tiny_folder)


def check_probabilities(rows):
    rows = np.array(rows)
    assert np.isfinite(rows).all()
    assert rows.min() >= 0
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=0, atol=1e-9)


def test_the_list_is_long_and_without_repeats():
    assert len(NAUGHTY) == len(set(NAUGHTY)) > 400
    assert [text for text in NAUGHTY if not is_utf8(text)] == LONE_SURROGATES
    drawn = draw(300, seed=1)
    assert drawn == draw(300, seed=1) != draw(300, seed=2)
    assert len(set(drawn)) > 280


# Door 1: Python.


@pytest.mark.parametrize("asked", [NAUGHTY, draw(300, seed=0)], ids=["list", "drawn"])
def test_python(predictor, asked):
    answers = list(predictor.answers(asked))
    assert len(answers) == len(asked)
    check_probabilities([list(answer.probabilities.values()) for answer in answers])
    for text, answer in zip(asked, answers, strict=True):
        assert answer.label == max(answer.probabilities, key=answer.probabilities.__getitem__)
        assert (answer.status == "empty") == (not read_document(text, TextConfig()).num_tokens)


# Door 2: the estimator.


def test_estimator(rows):
    X, y = zip(*rows, strict=True)
    model = TextClassifier("tiny", settings=QUICK).fit(X, y)
    check_probabilities(model.predict_proba(NAUGHTY))
    assert len(model.predict(NAUGHTY)) == len(NAUGHTY)
    assert set(model.classes_) == set(y)


# Doors 3 and 4: the command line.


@pytest.fixture(scope="module")
def trained_folder(rows, tmp_path_factory):
    """Trained by the command line on the naughty rows, as JSON that escapes what is no ASCII."""
    from textlattice.app.main import main

    path = tmp_path_factory.mktemp("naughty")
    write_jsonl(path / "rows.jsonl", rows)
    words = ["train", path / "rows.jsonl", "-o", path / "model", "--preset", "tiny", "--steps", "2"]
    assert main([str(word) for word in [*words, "--threads", "1"]]) == 0
    return path / "model"


def write_jsonl(path, rows):
    lines = (json.dumps({"text": text, "label": label}) for text, label in rows)
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def test_training_takes_every_row(trained_folder, rows):
    record = json.loads((trained_folder / "training.json").read_text(encoding="utf-8"))
    assert record["source"]["num_rows"] == record["num_rows"] == len(rows)
    assert record["source"]["num_rejected"] == 0
    assert record["num_empty_rows"] == sum(
        not read_document(text, TextConfig()).num_tokens for text, _ in rows
    )
    predictor = load(trained_folder)
    assert set(predictor.task.labels) == set(LABELS)
    check_probabilities(predictor.probabilities(NAUGHTY))


def test_prediction_from_json_lines(trained_folder, tmp_path, cli):
    write_jsonl(tmp_path / "texts.jsonl", [(text, "") for text in NAUGHTY])
    ran = cli("predict", trained_folder, tmp_path / "texts.jsonl")
    assert ran.code == 0, ran.err
    answers = [json.loads(line) for line in ran.out.split("\n")[:-1]]
    expected = list(load(trained_folder).answers(NAUGHTY))
    assert [answer["label"] for answer in answers] == [answer.label for answer in expected]
    np.testing.assert_allclose(
        [list(answer["probabilities"].values()) for answer in answers],
        [list(answer.probabilities.values()) for answer in expected],
        rtol=0,
        atol=1e-5,
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_prediction_from_a_table(trained_folder, tmp_path, cli, suffix):
    asked = texts(surrogates=False)
    with (tmp_path / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("number", "text"), *enumerate(asked)])
    output = tmp_path / f"answers{suffix}"
    ran = cli("predict", trained_folder, tmp_path / "texts.csv", "-o", output)
    assert ran.code == 0, ran.err
    assert ran.err.startswith(f"{len(asked)} rows, ")
    assert "not answered" not in ran.err
    answers = read_answers(output)
    expected = load(trained_folder).predict(asked)
    assert [answer["label"] for answer in answers] == expected
    if suffix != ".jsonl":  # tables keep the columns of the source
        assert [answer["text"] for answer in answers] == asked
        assert [int(answer["number"]) for answer in answers] == list(range(len(asked)))


def read_answers(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


# Lone surrogates: no UTF-8 file holds them. As escapes of JSON, and from Python, they count as U+FFFD.


def test_surrogates_in_utf8_are_rejected_by_their_row(trained_folder, tmp_path, cli):
    for suffix, head, line in ((".csv", b"text\n", b'"%s"\n'), (".jsonl", b"", b'{"text": "%s"}\n')):
        rows = [b"fine", *(text.encode("utf-8", "surrogatepass") for text in LONE_SURROGATES), b"fine too"]
        source = tmp_path / f"texts{suffix}"
        source.write_bytes(head + b"".join(line % row for row in rows))
        ran = cli("predict", trained_folder, source)
        assert ran.code == 0
        answers = [json.loads(answer) for answer in ran.out.splitlines()]
        assert [answer.get("error") for answer in answers] == [
            None,
            *["invalid_utf8"] * len(LONE_SURROGATES),
            None,
        ]
        assert f"{len(LONE_SURROGATES)} not answered ({len(LONE_SURROGATES)} invalid_utf8)" in ran.err


def test_surrogates_count_as_the_replacement_character(predictor):
    replaced = [
        "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text) for text in LONE_SURROGATES
    ]
    np.testing.assert_array_equal(predictor.probabilities(LONE_SURROGATES), predictor.probabilities(replaced))


def test_a_label_with_a_surrogate_is_saved_and_loaded(tmp_path):
    labels = ["one \ud800", "two"]
    model = TextClassifier("tiny", settings=QUICK).fit(["so good", "so bad"] * 10, labels * 10)
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").task.labels == tuple(sorted(labels))


# Spans: every token slices to its own characters in the text as it was given.

ANYTHING = st.text(st.characters(exclude_categories=()))
PIECES = st.lists(st.sampled_from([text[:40] for text in NAUGHTY]), max_size=6).map("".join)
FORMS = st.sampled_from(["nfc", "nfkc", "none"])


def check_spans(text, form):
    document = read_document(text, TextConfig(normalisation=form))
    bounds = np.stack([document.starts, document.ends], axis=1)
    spans = document.normalised.original_spans(bounds).tolist()
    last = 0
    for token, (start, end) in zip(document.forms(), spans, strict=True):
        assert last <= start < end <= len(text)
        last = start
        piece = text[start:end]
        assert token in piece or token in normalise(piece, form).text
    firsts = [start for start, _ in spans]
    assert form != "none" or firsts == sorted(set(firsts))  # without a form no two tokens share a character


@given(ANYTHING | PIECES, FORMS)
def test_spans(text, form):
    check_spans(text, form)


@pytest.mark.parametrize("form", ["nfc", "nfkc", "none"])
def test_spans_of_the_list(form):
    for text in [*NAUGHTY, *draw(500, seed=3)]:
        check_spans(text, form)


# Neighbours in a batch.


def fresh(predictor, backend=None):
    """The same predictor with an empty cache of forms."""
    engine = FormEngine(backend or predictor.engine.backend, predictor.engine.collator)
    return Predictor(engine=engine, task=predictor.task, reader=predictor.reader)


def test_an_answer_does_not_depend_on_its_neighbours(predictor, tiny_texts):
    """500 texts, each alone and in a batch of random ones."""
    choose = np.random.default_rng(0)
    pool = [text for text in [*tiny_texts[0], *NAUGHTY, *draw(400, seed=4)] if len(text) < 2_000]
    num_clear = 0
    for _ in range(50):
        batch = [pool[place] for place in choose.integers(len(pool), size=10)]
        together = fresh(predictor).probabilities(batch)
        alone = np.concatenate([fresh(predictor).probabilities([text]) for text in batch])
        assert np.abs(together - alone).max() <= 1e-5
        best = np.sort(alone, axis=1)
        clear = best[:, -1] - best[:, -2] >= 2e-5
        assert (together.argmax(1) == alone.argmax(1))[clear].all()
        num_clear += clear.sum()
        np.testing.assert_array_equal(fresh(predictor).probabilities(batch), together)  # to the bit
    assert num_clear > 200


class Poisoned:
    """A backend that gives NaN for every vector of one form."""

    def __init__(self, predictor, form):
        engine = predictor.engine
        self.backend, self.row = engine.backend, engine.collator.forms([form]).characters

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def encode_forms(self, forms):
        vectors = self.backend.encode_forms(forms).copy()
        for place in range(len(vectors)):
            if np.array_equal(forms.characters[forms.form_ptr[place] : forms.form_ptr[place + 1]], self.row):
                vectors[place] = np.nan
        return vectors


def test_a_neighbour_that_is_no_number_stays_alone(predictor, tiny_texts):
    poisoned = fresh(predictor, Poisoned(predictor, "poison"))
    batch = [*tiny_texts[0][:5], "a poison text", *tiny_texts[0][5:9], "poison", *tiny_texts[0][9:12]]
    logits = poisoned.logits(batch)
    bad = np.array(["poison" in text for text in batch])
    assert np.isnan(logits[bad]).all()
    np.testing.assert_allclose(
        logits[~bad], predictor.logits([t for t in batch if "poison" not in t]), atol=1e-5
    )
