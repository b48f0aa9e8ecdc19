import csv
import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textlattice.data import csv_reader, lines, readers
from textlattice.data.readers import read_rows, read_table
from textlattice.data.rows import Reject, Row
from textlattice.errors import DataError, MissingExtraError

HEAD = b"text,label\n"


def read_bytes(folder, content: bytes, suffix: str = ".csv", **options):
    path = folder / f"table{suffix}"
    path.write_bytes(content)
    return list(read_rows(path, **({"require_label": True} | options)))


def brief(items):
    """`text|label` of a row, `line reason` of a reject."""
    return [
        f"{item.text}|{item.label}" if isinstance(item, Row) else f"{item.line} {item.reason}"
        for item in items
    ]


CSV_FAULTS = {
    "empty file": (b"", []),
    "header only": (b"text,label\n", []),
    "header without line end": (b"text,label", []),
    "byte order mark": (b"\xef\xbb\xbftext,label\na,x\n", ["a|x"]),
    "byte order mark alone": (b"\xef\xbb\xbf", []),
    "no last line end": (HEAD + b"a,x", ["a|x"]),
    "carriage returns": (b"text,label\ra,x\rb,y\r", ["a|x", "b|y"]),
    "dos line ends": (b"text,label\r\na,x\r\nb,y\r\n", ["a|x", "b|y"]),
    "other separators are text": (
        HEAD + "a\u2028b\x0bc\x1c\x85d,x\n".encode(),
        ["a\u2028b\x0bc\x1c\x85d|x"],
    ),
    "nul is text": (HEAD + b"a\0b,x\n", ["a\0b|x"]),
    "blank lines are no rows": (HEAD + b"\na,x\n\n\r\nb,y\n\n", ["a|x", "b|y"]),
    "empty text": (HEAD + b",x\n", ["|x"]),
    "missing label": (HEAD + b"a,\nb, \nc,x\n", ["2 missing_label", "3 missing_label", "c|x"]),
    "too few fields": (HEAD + b"a\nb,y\n", ["2 ragged_row", "b|y"]),
    "too many fields": (HEAD + b"a,x,z\nb,y\n", ["2 ragged_row", "b|y"]),
    "quotes and line breaks": (HEAD + b'"a ""q"", \r\nb\n\nc",x\nd,y\n', ['a "q", \r\nb\n\nc|x', "d|y"]),
    "quote inside an unquoted field": (HEAD + b'a "q" b,x\n', ['a "q" b|x']),
    "broken UTF-8": (HEAD + b"a,x\n\xff\xfe,x\nb,y\n", ["a|x", "3 invalid_utf8", "b|y"]),
    "UTF-8 surrogate": (HEAD + b"\xed\xa0\x80,x\nb,y\n", ["2 invalid_utf8", "b|y"]),
    "broken UTF-8 inside a quoted field": (
        HEAD + b'"a\n\xff b\nc",x\nd,y\n',
        ["3 invalid_utf8", "d|y"],
    ),
    "broken UTF-8 and an open quote": (HEAD + b'"\xff,x\nb,y\n"c",z\n', ["2 invalid_utf8", "b|y", "c|z"]),
    "text after a quote": (HEAD + b'"a"b,x\nc,y\n', ["2 broken_quote", "c|y"]),
    "open quote to the end": (HEAD + b'a,x\n"b,y\nc,z\nd,z\n', ["a|x", "3 unclosed_quote", "c|z", "d|z"]),
    "open quote before a quoted row": (HEAD + b'"a,x\n"b",y\nc,z\n', ["2 broken_quote", "b|y", "c|z"]),
    "open quote in the second field of a row": (
        HEAD + b'"a\nb","x\nc,y\nd,z\n',
        ["3 unclosed_quote", "c|y", "d|z"],
    ),
    "quotes that open again and again": (
        HEAD + b'a","b\n' * 5 + b"c,z\n",
        ["4 ragged_row", "6 unclosed_quote", "c|z"],  # lines 2 to 4 are one row of too many fields
    ),
}


@pytest.mark.parametrize(("content", "expected"), CSV_FAULTS.values(), ids=CSV_FAULTS)
def test_csv_faults(tmp_path, content, expected):
    items = read_bytes(tmp_path, content)
    assert brief(items) == expected
    assert [item.number for item in items] == list(range(1, len(items) + 1))


@pytest.mark.parametrize(("content", "expected"), CSV_FAULTS.values(), ids=CSV_FAULTS)
def test_csv_does_not_depend_on_the_chunks(tmp_path, content, expected, monkeypatch):
    monkeypatch.setattr(lines, "_CHUNK_BYTES", 3)
    assert brief(read_bytes(tmp_path, content)) == expected


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_table_of_faults_by_readers(tmp_path, suffix):
    """The same rows through every reader: 100 in, 97 rows and 3 rejects out, in order."""
    pairs = [(f"text {i}", "ab"[i % 2]) for i in range(100)]
    pairs[10], pairs[50], pairs[99] = ("no label", None), ("", "a"), ("no label", None)
    bad_text = 70
    path = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        texts = [b"\xff" if i == bad_text else text.encode() for i, (text, _) in enumerate(pairs)]
        broken = pa.Array.from_buffers(pa.string(), 100, pa.array(texts, pa.binary()).buffers())
        pq.write_table(pa.table({"text": broken, "label": [label for _, label in pairs]}), path)
    elif suffix == ".jsonl":
        encoded = [json.dumps({"text": text, "label": label}).encode() for text, label in pairs]
        encoded[bad_text] = b'{"text": "\xff", "label": "a"}'
        path.write_bytes(b"\n".join(encoded))
    else:
        delimiter = "," if suffix == ".csv" else "\t"
        encoded = [f"{text}{delimiter}{label or ''}".encode() for text, label in pairs]
        encoded[bad_text] = b"\xff" + delimiter.encode() + b"a"
        path.write_bytes(b"\n".join([f"text{delimiter}label".encode(), *encoded]))
    table = read_table(path, require_label=True)
    assert [(r.number, r.reason) for r in table.rejects] == [
        (11, "missing_label"),
        (71, "invalid_utf8"),
        (100, "missing_label"),
    ]
    kept = [i for i in range(100) if i not in (10, bad_text, 99)]
    assert [(row.number, row.text, row.label) for row in table.rows] == [(i + 1, *pairs[i]) for i in kept]
    unlabelled = read_table(path, require_label=False)
    assert len(unlabelled.rows) == 99
    assert unlabelled.rows[10].label is None


def test_quoted_field_of_a_thousand_lines(tmp_path):
    def content(num_lines: int) -> bytes:
        return HEAD + b'"' + b"a\n" * (num_lines - 1) + b'a",x\n'

    (row,) = read_bytes(tmp_path, content(1_000))
    assert row.text == "a\n" * 999 + "a"
    items = read_bytes(tmp_path, content(1_001))
    # The opening line is given up, the 999 lines between are rows of one field, the last has a quote inside.
    assert brief(items) == ["2 unclosed_quote", *[f"{line} ragged_row" for line in range(3, 1_002)], 'a"|x']


def test_quoted_field_of_many_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_reader, "MAX_FIELD_BYTES", 40)
    row = b"0123456789\n"
    assert brief(read_bytes(tmp_path, HEAD + b'"' + row * 2 + b'",x\n')) == ["0123456789\n0123456789\n|x"]
    items = read_bytes(tmp_path, HEAD + b'"' + row * 4 + b"b,y\n")
    assert brief(items) == ["2 unclosed_quote", "3 ragged_row", "4 ragged_row", "5 ragged_row", "b|y"]


def test_many_unclosed_quotes_stay_fast(tmp_path):
    content = HEAD + b'a","b\n' * 30_000
    assert len(read_bytes(tmp_path, content)) == 10_000


def test_long_fields(tmp_path):
    text = "a" * 1_000_000
    (row,) = read_bytes(tmp_path, HEAD + text.encode() + b",x\n")
    assert row.text == text
    limit = max(csv.field_size_limit(), csv_reader.MAX_FIELD_BYTES)
    items = read_bytes(tmp_path, HEAD + b"a" * (limit + 1) + b",x\nb,y\n")
    assert brief(items) == ["2 field_too_long", "b|y"]


@pytest.mark.parametrize("chunk", [4, 1 << 20])
def test_long_lines(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 30)
    monkeypatch.setattr(lines, "_CHUNK_BYTES", chunk)
    items = read_bytes(tmp_path, HEAD + b"a" * 100 + b',x\n"b\n' + b"c" * 100 + b'",y\nd,z\n')
    assert brief(items) == ["2 line_too_long", "3 line_too_long", "4 line_too_long", "d|z"]
    items = read_bytes(tmp_path, b"1" * 100 + b'\n{"text":"a","label":1}\n', ".jsonl")
    assert brief(items) == ["1 line_too_long", "a|1"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(max_size=40)), chunk=st.integers(1, 50), suffix=st.sampled_from([".csv", ".tsv"])
)
def test_csv_round_trip(tmp_path, texts, chunk, suffix):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter="," if suffix == ".csv" else "\t")
    writer.writerow(["text", "label"])
    writer.writerows([text, "x"] for text in texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_CHUNK_BYTES", chunk)
        items = read_bytes(tmp_path, stream.getvalue().encode(), suffix)
    assert [item.text for item in items] == texts


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\xff", b'""', b'",'])).map(b"".join))
def test_any_bytes_are_rows_or_rejects(tmp_path, body):
    items = read_bytes(tmp_path, HEAD + body + b"\nend,x\n")
    assert [item.number for item in items] == list(range(1, len(items) + 1))
    assert len(items) <= body.count(b"\n") + body.count(b"\r") + 2
    # No quote stands in the last line, so no field before it can swallow it.
    assert brief(items)[-1] == "end|x"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,text\na,b\n", r"table.csv: column names must differ, but 'text' stands twice .*rename one"),
        (
            b"body,label\na,b\n",
            r"expected a column 'text', found body, label; name the text column with --text",
        ),
        (b"text,class\na,b\n", r"expected a column 'label', found text, class"),
        (
            b"\xfft\0e\0\n",
            r"the header cannot be read \(invalid_utf8: byte 1 .*expected column names in UTF-8",
        ),
        (b'"text,label\na,b\n', r"the header cannot be read \(unclosed_quote"),
    ],
)
def test_csv_headers_that_cannot_be_used(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_bytes(tmp_path, content)


JSON_FAULTS = {
    "plain": (b'{"text": "a", "label": "x"}', "a|x"),
    "byte order mark": (b'\xef\xbb\xbf{"text": "a", "label": "x"}', "a|x"),
    "line separator inside": ('{"text": "a\u2028b", "label": "x"}'.encode(), "a\u2028b|x"),
    "lone surrogate": (b'{"text": "\\ud800", "label": "x"}', "\ud800|x"),
    "empty text": (b'{"text": "", "label": "x"}', "|x"),
    "integer label": (b'{"text": "a", "label": 3}', "a|3"),
    "whole float label": (b'{"text": "a", "label": 3.0}', "a|3"),
    "boolean label": (b'{"text": "a", "label": true}', "a|True"),
    "fraction label": (b'{"text": "a", "label": 0.5}', "1 invalid_label"),
    "infinite label": (b'{"text": "a", "label": 1e999}', "1 invalid_label"),
    "object label": (b'{"text": "a", "label": {}}', "1 invalid_label"),
    "list label": (b'{"text": "a", "label": ["x", 2, "x"]}', "a|('x', '2')"),
    "empty list label": (b'{"text": "a", "label": []}', "a|()"),
    "list with an empty label": (b'{"text": "a", "label": ["x", null]}', "1 invalid_label"),
    "list of lists": (b'{"text": "a", "label": [["x"]]}', "1 invalid_label"),
    "null label": (b'{"text": "a", "label": null}', "1 missing_label"),
    "no label": (b'{"text": "a"}', "1 missing_label"),
    "no text": (b'{"label": "x"}', "1 missing_text"),
    "null text": (b'{"text": null, "label": "x"}', "1 missing_text"),
    "number text": (b'{"text": 3, "label": "x"}', "1 text_not_string"),
    "array": (b"[1]", "1 not_an_object"),
    "string": (b'"a"', "1 not_an_object"),
    "plain text": (b"hello", "1 invalid_json"),
    "cut": (b'{"text": "a"', "1 invalid_json"),
    "NaN": (b'{"text": "a", "label": NaN}', "1 invalid_json"),
    "infinity": (b'{"text": "a", "label": -Infinity}', "1 invalid_json"),
    "deep": (b"[" * 100_000, "1 invalid_json"),
    "digits": (b"1" * 5_000, "1 invalid_json"),
    "key twice": (b'{"text": "a", "text": "b", "label": "x"}', "1 duplicate_key"),
    "broken UTF-8": (b'{"text": "\xff", "label": "x"}', "1 invalid_utf8"),
    "UTF-16 without a mark": ('{"text": "a"}'.encode("utf-16-le"), "1 invalid_json"),
}


@pytest.mark.parametrize(("line", "expected"), JSON_FAULTS.values(), ids=JSON_FAULTS)
def test_json_faults(tmp_path, line, expected):
    assert brief(read_bytes(tmp_path, line, ".jsonl")) == [expected]


def test_json_faults_in_one_file_and_from_standard_input(tmp_path, monkeypatch):
    content = b"\n\n".join(line for line, _ in JSON_FAULTS.values() if not line.startswith(b"\xef"))
    from_file = read_bytes(tmp_path, content, ".jsonl")
    assert len(from_file) == len(JSON_FAULTS) - 1
    assert [item.line for item in from_file if isinstance(item, Reject)][:2] == [
        15,
        17,
    ]  # blank lines are counted
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert list(read_rows("-", require_label=True)) == from_file


def test_reject_holds_no_text_of_the_row(tmp_path):
    (reject,) = read_bytes(tmp_path, b'{"text": "secret" "label"}', ".jsonl")
    assert reject == Reject(
        number=1, line=1, reason="invalid_json", detail="Expecting ',' delimiter at character 19"
    )


def write_parquet(folder, **columns):
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_values(tmp_path):
    path = write_parquet(tmp_path, text=["a", None, "", "d"], label=pa.array([0, 1, 2, None], pa.int8()))
    items = list(read_rows(path, require_label=True))
    assert brief(items) == ["a|0", "None missing_text", "|2", "None missing_label"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pa.array([1.0, float("nan"), 0.5]), ["a|1", "None missing_label", "None invalid_label"]),
        (pa.array([True, False, None]), ["a|True", "a|False", "None missing_label"]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["a|x", "a|y", "a|x"]),
        (pa.array([["x"], [], None]), ["a|('x',)", "a|()", "None missing_label"]),
        (pa.array([b"x", b"\xff", b""]), ["a|x", "None invalid_utf8", "None missing_label"]),
    ],
)
def test_parquet_labels(tmp_path, labels, expected):
    path = write_parquet(tmp_path, text=["a", "a", "a"], label=labels)
    assert brief(read_rows(path, require_label=True)) == expected
    assert all(isinstance(item, Row) for item in read_rows(path, require_label=False))


def test_parquet_prefers_label_names(tmp_path):
    path = write_parquet(tmp_path, text=["a"], label=[1], label_name=["pos"], other=["z"])
    assert read_table(path, require_label=True).labels == ["pos"]
    assert read_table(path, label_column="other", require_label=True).labels == ["z"]
    assert read_table(path, require_label=True, keep_columns=True).rows[0].columns == {
        "text": "a",
        "label": 1,
        "label_name": "pos",
        "other": "z",
    }


def test_parquet_labels_that_are_no_numbers_are_taken_as_they_are(tmp_path):
    path = write_parquet(tmp_path, text=["a"], label=["p"], label_name=["positive"])
    assert read_table(path, require_label=True).labels == ["p"]
    path = write_parquet(tmp_path, text=["a"], label_name=["positive"])
    with pytest.raises(DataError, match="expected a column 'label', found text, label_name"):
        read_table(path, require_label=True)
    assert read_table(path, label_column="label_name", require_label=True).labels == ["positive"]


def test_parquet_column_without_python_values(tmp_path):
    path = write_parquet(tmp_path, text=["a"], time=pa.array([1], pa.timestamp("ns")))
    (row,) = read_table(path, require_label=False, keep_columns=True).rows
    assert row.columns is not None
    assert str(row.columns["time"]) == "1970-01-01 00:00:00.000000001"  # with pandas or without


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=40)))
def test_parquet_round_trip(tmp_path, texts):
    path = write_parquet(
        tmp_path, text=pa.array(texts, pa.string()), label=pa.array(["x"] * len(texts), pa.string())
    )
    assert list(read_table(path, require_label=True).texts) == texts


def test_parquet_over_several_batches(tmp_path):
    texts = [str(i) for i in range(3_000)]
    assert list(read_table(write_parquet(tmp_path, text=texts), require_label=False).texts) == texts


def test_parquet_that_cannot_be_used(tmp_path):
    path = write_parquet(tmp_path, body=["a"])
    with pytest.raises(DataError, match=r"table.parquet: expected a column 'text', found body"):
        list(read_rows(path, require_label=False))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"table.parquet: cannot be read as parquet .*write the file again"):
        list(read_rows(path, require_label=False))


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    path = write_parquet(tmp_path, text=["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"table.parquet needs the extra \[parquet\]"):
        list(read_rows(path, require_label=False))


def test_text_columns_are_joined(tmp_path):
    content = b'{"title": "a", "body": "b"}\n{"title": null, "body": "b"}\n{"title": null}\n'
    items = read_bytes(tmp_path, content, ".jsonl", text_columns=("title", "body"), require_label=False)
    assert brief(items) == ["a b|None", "b|None", "3 missing_text"]
    with pytest.raises(DataError, match="at least one text column, got none"):
        read_bytes(tmp_path, content, ".jsonl", text_columns=())


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("x|y", ("x", "y")),
        (" x | y|x", ("x", "y")),
        ("x", ("x",)),
        ("x,y", ("x,y",)),
        ("|x||", ("x",)),
        ("", ()),
        (" | ", ()),
    ],
)
def test_label_separator(tmp_path, cell, expected):
    (row,) = read_bytes(tmp_path, f'text,label\na,"{cell}"\n'.encode(), label_separator="|")
    assert row.label == expected
    (row,) = read_bytes(
        tmp_path, json.dumps({"text": "a", "label": cell}).encode(), ".jsonl", label_separator="|"
    )
    assert row.label == expected


def test_label_separator_of_other_values(tmp_path):
    content = b'{"text": "a", "label": ["x|y"]}\n{"text": "a", "label": 3}\n{"text": "a", "label": null}\n'
    items = read_bytes(tmp_path, content, ".jsonl", label_separator="|")
    assert brief(items) == ["a|('x|y',)", "a|3", "3 missing_label"]
    (row,) = read_bytes(tmp_path, b"text,label\na,x and y\n", label_separator=" and ")
    assert row.label == ("x", "y")
    with pytest.raises(DataError, match="expected a label separator of at least one character, got none"):
        read_bytes(tmp_path, HEAD, label_separator="")


def test_columns_are_kept(tmp_path):
    (row,) = read_bytes(tmp_path, b"id,text\n7,a\n", require_label=False, keep_columns=True)
    assert row == Row(number=1, text="a", label=None, columns={"id": "7", "text": "a"})
    (row,) = read_bytes(tmp_path, b'{"id": 7, "text": "a"}', ".jsonl", require_label=False, keep_columns=True)
    assert row.columns == {"id": 7, "text": "a"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "missing.csv",
            r"missing.csv does not exist; expected a table ending in one of .csv, .tsv, .jsonl, .txt, .parquet, "
            r".csv.gz, .tsv.gz, .jsonl.gz, .txt.gz.",
        ),
        ("table.xlsx", r"cannot tell the format from the suffix '.xlsx', expected one of .csv, .tsv, .jsonl"),
        ("table.xlsx.gz", r"cannot tell the format from the suffix '.xlsx.gz', expected one of .csv, .tsv"),
        ("table.gz", r"cannot tell the format from the suffix '.gz'"),
        ("table.parquet.gz", r"parquet files are compressed inside.*unpack it with gunzip"),
        ("table", r"cannot tell the format from the suffix ''.*on standard input give -"),
        ("builtin:other", r"unknown built-in source 'builtin:other': expected one of builtin:docstrings, "),
    ],
)
def test_sources_that_cannot_be_used(source, message):
    with pytest.raises(DataError, match=message):
        read_rows(source, require_label=False)  # before the first row is asked for


def test_folder_is_no_source(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder.csv is not a file"):
        read_rows(tmp_path / "folder.csv", require_label=False)


def test_reading_is_streamed(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(HEAD + b"a,x\n" * 10)
    rows = read_rows(path, require_label=True)
    assert [next(rows).number, next(rows).number] == [1, 2]
    rows.close()


def test_builtin_parts(monkeypatch):
    asked = []

    def docstrings(part, *, keep_columns):
        asked.append((part, keep_columns))
        return [Row(number=1, text="a", label="json")]

    monkeypatch.setattr(readers, "docstrings", docstrings)
    assert read_table("builtin:docstrings:train", require_label=True).labels == ["json"]
    read_table("builtin:docstrings", require_label=True, keep_columns=True)
    assert asked == [("train", False), ("all", True)]
    with pytest.raises(DataError, match="expected a column 'body', found text, label"):
        read_table("builtin:docstrings", text_columns=["body"], require_label=True)


def test_a_column_of_groups_is_kept_alone(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"text": "a", "label": "x", "who": "ann", "more": 1}\n{"text": "b", "label": "y", "more": 2}\n',
        encoding="utf-8",
    )
    table = read_table(path, require_label=True, group_column="who")
    assert [row.columns for row in table.rows] == [{"who": "ann"}, None]
    assert table.groups("who")[0] == "ann"
    with pytest.raises(DataError, match="expected a column 'author' of groups, got none; name a column"):
        read_table(path, require_label=True, group_column="author")
