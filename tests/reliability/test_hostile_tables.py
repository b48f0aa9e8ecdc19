"""Tables that are made to take memory or time, or whose values Python has not: every row is read or reported."""

import csv
import json
import subprocess
import sys
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
from textlattice.app.main import main
from textlattice.data.arrow_values import ArrowValue, arrow_array
from textlattice.data.parquet_reader import arrow_records
from textlattice.data.readers import read_rows

GOLDEN = Path(__file__).parent.parent / "golden" / "tiny-format-1"
LARGE, WIDE = list(large_tables()), list(wide_tables())
GROWTH_MB = 450
"""A batch of 64 MB, and a row of 112 MB as Arrow and as Python have it; without the bound it is gigabytes."""
MEASURE = """
import json, resource, sys
from collections import Counter
from textlattice.data.readers import read_rows

import pyarrow.parquet

resource.setrlimit(resource.RLIMIT_AS, (4_000_000_000, 4_000_000_000))
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))

before = peak()
items = read_rows(sys.argv[1], require_label=False, keep_columns=True)
found = Counter(getattr(item, "reason", "row") for item in items)
print(json.dumps([found, peak() - before]))
"""


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@named([*LARGE, *WIDE])
def test_memory_stays_bounded_and_every_row_is_read_or_reported(tmp_path, case):
    path = case.write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found, growth = json.loads(done.stdout)
    assert found == case.outcome
    assert growth < GROWTH_MB


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
    for kind, words in kinds.items():
        value = ArrowValue(far.cast(kind))
        assert str(value) == words
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
