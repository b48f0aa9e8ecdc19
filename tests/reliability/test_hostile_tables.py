"""Tables that are made to take memory or time, or whose values Python has not: every row is read or reported."""

import csv
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reliability.hostile_tables import (
    SURROGATES,
    large_tables,
    odd_batches,
    odd_columns,
    wide_tables,
)
from reliability.table_trials import fault_of
from textlattice import TextClassifier, load
from textlattice.app.main import main
from textlattice.data.arrow_values import ArrowValue, arrow_array
from textlattice.data.parquet_reader import arrow_records
from textlattice.data.readers import read_rows
from textlattice.errors import ConfigError, DataError, TextTooLongError
from textlattice.presets import preset
from textlattice.text import document, words
from textlattice.training import fit as fit_module
from textlattice.training import labels as labels_module

GOLDEN = Path(__file__).parent.parent / "golden" / "tiny-format-1"
LARGE, WIDE = list(large_tables()), list(wide_tables())


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@named([*LARGE, *WIDE])
def test_memory_stays_bounded_and_every_row_is_read_or_reported(tmp_path, case):
    assert fault_of(case, tmp_path) is None


def predicted(source, output):
    assert main(["predict", str(GOLDEN), str(source), "-o", str(output)]) == 0
    if output.suffix == ".parquet":
        return pq.read_table(output)
    with output.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file)) if output.suffix == ".csv" else [json.loads(line) for line in file]


@named(WIDE)
def test_wide_tables_are_answered(tmp_path, case):
    source = case.write(tmp_path)
    assert len(predicted(source, tmp_path / "answers.csv")) == 3
    answers = tmp_path / "answers.parquet"
    assert main(["predict", str(GOLDEN), str(source), "-o", str(answers)]) == 0
    assert pq.read_metadata(answers).num_rows == 2


@pytest.mark.parametrize("name", odd_columns())
def test_odd_values_pass_through_predict(tmp_path, name):
    column = odd_columns()[name]
    source = tmp_path / "table.parquet"
    pq.write_table(pa.table({"text": ["one", "two", "three"], "kept": column}), source)
    rows = predicted(source, tmp_path / "answers.csv")
    assert len(rows) == 4
    assert all(row[-1] == "" for row in rows[1:])
    assert len(predicted(source, tmp_path / "answers.jsonl")) == 3
    kept, former = (
        table["kept"].combine_chunks()
        for table in (predicted(source, tmp_path / "answers.parquet"), pq.read_table(source))
    )
    if pa.types.is_dictionary(former.type):
        former = former.dictionary_decode()
    assert kept.type == former.type
    if "UTF-8" in name:
        kept.validate(full=True)  # what is no text stands escaped
    elif name != "half floats":  # NaN differs from itself
        assert kept.equals(former)


@pytest.mark.parametrize("role", ["text", "label"])
@pytest.mark.parametrize("name", odd_columns())
def test_odd_values_as_text_and_label_are_read_or_rejected(tmp_path, name, role):
    other = {"text": "label", "label": "text"}[role]
    source = tmp_path / "table.parquet"
    pq.write_table(pa.table({role: odd_columns()[name], other: ["a", "b", "c"]}), source)
    found = list(read_rows(source, require_label=True))
    assert [item.number for item in found] == [1, 2, 3]
    reasons = Counter(getattr(item, "reason", "row") for item in found)
    assert reasons.keys() <= {"row", f"missing_{role}", "text_not_string", "invalid_label", "invalid_utf8"}


@pytest.mark.parametrize("name", odd_batches())
def test_odd_batches_are_read_value_by_value(name):
    column = odd_batches()[name]
    batch = pa.RecordBatch.from_arrays([column], names=["kept"])
    values = [record["kept"] for _, record in arrow_records([batch])]
    assert len(values) == 3
    assert [value is None for value in values] == [not scalar.is_valid for scalar in column]
    assert all(str(value) for value in values)


def test_values_that_python_has_not_say_what_they_are():
    far = pa.scalar(2**62, pa.int64())
    kinds = {
        pa.timestamp("us"): f"{2**62} us since 1970-01-01",
        pa.timestamp("ns"): "2116-02-20 23:53:38.427387904",
        pa.duration("s"): f"{2**62} s",
    }
    for kind, said in kinds.items():
        value = ArrowValue(far.cast(kind))
        assert str(value) == said
        assert arrow_array([value, None], kind)[0] == value.scalar
    assert str(ArrowValue(pa.scalar(10**8, pa.int32()).cast(pa.date32()))) == f"{10**8} days since 1970-01-01"
    assert str(ArrowValue(pa.array([-5], pa.int32()).view(pa.time32("s"))[0])) == "-5 s"


def test_one_batch_of_another_source_is_not_expanded():
    large = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int32()), pa.array(["x" * 1_000_000]))
    batch = pa.RecordBatch.from_arrays([large], names=["text"])
    for number, (_, record) in enumerate(arrow_records([batch])):
        assert len(record["text"]) == 1_000_000
        if number == 3:
            break  # each is made when its turn comes: a thousand would take a gigabyte


def long_table(folder):
    """Rows of which the second is too long for a limit of 50 tokens."""
    path = folder / "long.jsonl"
    rows = [
        {"text": f"good {number}" if number % 2 else "bad", "label": "xy"[number % 2]} for number in range(40)
    ]
    rows[1]["text"] = "a b " * 60
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_long_texts_are_answered_in_place(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(words, "MOST_TOKENS", 50)
    answers = predicted(long_table(tmp_path), tmp_path / f"answers{suffix}")
    if suffix == ".jsonl":
        assert answers[1] == {"row": 2, "error": "text_too_long"}
        assert all("label" in answer for answer in [answers[0], *answers[2:]])
    else:
        errors = (
            answers["error"].to_pylist() if suffix == ".parquet" else [row[-1] or None for row in answers[1:]]
        )
        assert errors == [None, "text_too_long", *[None] * 38]


def test_long_texts_are_reported_by_training_and_tests(tmp_path, monkeypatch, capsys):
    source, model = long_table(tmp_path), tmp_path / "model"
    monkeypatch.setattr(fit_module, "MOST_TRAINING_TOKENS", 50)
    assert main(["train", str(source), "-o", str(model), "--preset", "tiny", "--steps", "2"]) == 0
    assert "1 row rejected: 1 text_too_long" in capsys.readouterr().err
    record = json.loads((model / "training.json").read_text())
    assert record["source"]["rejects"] == [{"row": 2, "line": None, "reason": "text_too_long"}]
    assert record["num_rows"] == 39
    monkeypatch.setattr(words, "MOST_TOKENS", 50)
    assert main(["evaluate", str(model), str(source)]) == 0
    assert "1 row rejected: 1 text_too_long" in capsys.readouterr().err
    assert main(["explain", str(model), "--text", "a b " * 60]) == 1
    assert "expected at most 50 tokens" in capsys.readouterr().err


def test_python_names_the_place_of_a_long_text(monkeypatch):
    monkeypatch.setattr(words, "MOST_TOKENS", 50)
    predictor = load(GOLDEN)
    texts = ["good"] * 300 + ["a b " * 60]
    for answer in (predictor.predict, predictor.probabilities, predictor.logits):
        with pytest.raises(
            TextTooLongError, match=r"the text at place 300: expected at most 50 tokens, got more"
        ):
            answer(texts)
    (*answers, last) = predictor.answers_or_errors(texts)
    assert len(answers) == 300
    assert isinstance(last, TextTooLongError)
    monkeypatch.setattr(document, "MOST_CHARACTERS", 100)
    with pytest.raises(TextTooLongError, match=r"place 1: expected at most 100 characters, got 101"):
        predictor.predict(["", "x" * 101])


def test_the_estimator_names_the_place_among_all_rows(monkeypatch):
    monkeypatch.setattr(fit_module, "MOST_TRAINING_TOKENS", 50)
    texts, labels = ["good", "bad"] * 10, ["x", "y"] * 10
    texts[7], weights = "a b " * 60, [0, 0, *[1] * 18]
    with pytest.raises(TextTooLongError, match=r"the text at place 7: expected at most 50 tokens, got 120"):
        TextClassifier("tiny", steps=1).fit(texts, labels, sample_weight=weights)


def test_long_texts_are_trained_on_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(fit_module, "MOST_STEP_TOKENS", 100)
    texts, labels = ["good film " * 10, "bad film " * 10] * 10, ["x", "y"] * 10
    trained = TextClassifier("tiny", steps=1).fit(texts, labels).trained_
    assert trained.config.train.batch_size == 5


LABELLED = [f"text {number}" for number in range(8)]


@pytest.mark.parametrize("kind", ["single", "multi", "ordinal"])
def test_many_labels_are_refused_before_any_work(monkeypatch, kind):
    monkeypatch.setattr(labels_module, "MAX_LABELS", 5)
    monkeypatch.setattr(labels_module, "MAX_ORDERED_LABELS", 4)
    monkeypatch.setattr(fit_module, "read_texts", None)  # not reached
    names = [str(number % 7) for number in range(8)] if kind != "ordinal" else list("12345123")
    given = [[name] for name in names] if kind == "multi" else names
    most, found = (4, 5) if kind == "ordinal" else (5, 7)
    with pytest.raises(DataError, match=f"expected at most {most} labels, got {found}"):
        fit_module.fit(LABELLED, given, preset("tiny"), task=kind)


def test_twenty_thousand_labels_are_refused_by_the_command(tmp_path, capsys):
    source = tmp_path / "table.jsonl"
    rows = ({"text": "a", "label": number} for number in range(20_000))
    source.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for words_given in (["train", "-o", str(tmp_path / "model")], ["compare"]):
        assert main([words_given[0], str(source), *words_given[1:], "--preset", "tiny"]) == 1
        assert "labels, got" in capsys.readouterr().err


def test_long_labels_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(fit_module, "read_texts", None)
    names = [f"{number}" * 1_000_000 for number in range(8)]
    with pytest.raises(
        DataError, match=r"expected labels of at most [\d,]+ bytes in all, got 8,000,\d+ for 8 labels"
    ):
        fit_module.fit(LABELLED, names, preset("tiny"))


def test_pairs_of_row_and_label_are_bounded(monkeypatch):
    monkeypatch.setattr(labels_module, "MAX_CELLS", 10)
    with pytest.raises(DataError, match=r"at most 10 pairs of row and label, got 8 rows of 2 labels"):
        fit_module.fit(LABELLED, [["x"], ["y"]] * 4, preset("tiny"))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "got none"),
        ([1, 2], "got list"),
        (True, "got bool"),
        ({"z": 2}, "names the label 'z', which no row of y has"),
        ({"x": -1}, "got -1"),
        ({"x": 0}, "got 0"),
        ({"x": float("nan")}, "got nan"),
        ({"x": float("inf")}, "got inf"),
        ({"x": 1e300}, "got 1e\\+300"),
        ({"x": "2"}, "got str"),
        ({"x": True}, "got bool"),
    ],
)
def test_class_weights_that_are_none_are_refused_by_name(weights, message):
    with pytest.raises(ConfigError, match=f"class_weight.*{message}"):
        TextClassifier("tiny", steps=1).set_params(class_weight=weights).fit(LABELLED, ["x", "y"] * 4)


@pytest.mark.parametrize(
    "weights",
    [
        *([bad, *[1.0] * 7] for bad in (-1.0, float("nan"), float("inf"), 1e300, 1e-300)),
        [0] * 8,
        ["1"] * 8,
        [True] * 8,
        [[1]] * 4,
        [1] * 7,
    ],
    ids=str,
)
def test_sample_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match=r"(?i)weight|inconsistent numbers of samples"):
        TextClassifier("tiny", steps=1).fit(LABELLED, ["x", "y"] * 4, sample_weight=weights)


@pytest.mark.parametrize(
    "weights", [*([bad, *[1.0] * 7] for bad in (-1.0, float("nan"), float("inf"), 1e300, 1e-300)), [0.0] * 8]
)
def test_the_training_refuses_them_as_well(weights):
    with pytest.raises(DataError, match="sample_weight must"):
        fit_module.fit(LABELLED, ["x", "y"] * 4, preset("tiny"), sample_weight=weights)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_halves_of_characters_in_keys_and_values(tmp_path, suffix):
    source = tmp_path / "table.jsonl"
    source.write_text("".join(f"{json.dumps(row)}\n" for row in SURROGATES))
    answers = predicted(source, tmp_path / f"answers{suffix}")
    if suffix == ".csv":
        assert answers[0][:4] == ["text", "label", "\\udfff", "plain\\ud800"]
        assert answers[1][1:3] == ["x\\ud800", "\\ud800"]
    if suffix == ".parquet":
        assert answers.column_names[:4] == ["text", "label", "\\udfff", "plain\\ud800"]
        assert answers["label"].to_pylist() == ["x\\ud800", "y", "y"]
    assert len(answers) == 3 + (suffix == ".csv")


def test_halves_of_characters_in_labels_are_trained_saved_and_answered(tmp_path):
    source, model = tmp_path / "table.jsonl", tmp_path / "model"
    rows = [row for row in SURROGATES[:2] for _ in range(10)]
    source.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert main(["train", str(source), "-o", str(model), "--preset", "tiny", "--steps", "2"]) == 0
    for suffix in (".csv", ".parquet", ".jsonl"):
        output = tmp_path / f"answers{suffix}"
        assert main(["predict", str(model), str(source), "-o", str(output)]) == 0
        assert "ud800" in output.read_bytes().decode("latin-1")
