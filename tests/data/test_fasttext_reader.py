import io

import pytest

from textlattice.data.fasttext_reader import fasttext_records
from textlattice.data.readers import read_rows, read_table
from textlattice.data.records import Wanted
from textlattice.data.rows import Row
from textlattice.errors import DataError

WANTED = Wanted(
    source="t.txt", text=("text",), label="label", label_separator=None, require_label=False, keep=False
)


@pytest.mark.parametrize(
    ("line", "text", "label"),
    [
        ("__label__x some text", "some text", "x"),
        ("__label__x __label__y some text", "some text", ["x", "y"]),
        ("  __label__x\t\t__label__y\tsome text ", "some text ", ["x", "y"]),
        ("__label__x", "", "x"),
        ("__label__x __label__y", "", ["x", "y"]),
        ("some __label__x text", "some __label__x text", None),
        ("some text", "some text", None),
        ("__label__ some text", "some text", None),
        ("__label__ __label__x some text", "some text", "x"),
        ("__label__x__label__y text", "text", "x__label__y"),
        ("__label__,a:b;c text", "text", ",a:b;c"),
        ("__label__a\u00a0b\u2028c text", "text", "a\u00a0b\u2028c"),
        ("__LABEL__x text", "__LABEL__x text", None),
        ("_label_x text", "_label_x text", None),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"])
def test_lines(line, text, label, end):
    records = list(fasttext_records(io.BytesIO((line + end).encode()), WANTED))
    assert records == [(1, {"text": text, "label": label})]


def test_plain_texts_are_rows_where_no_label_is_needed(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("one text\n\nanother\n")
    assert list(read_rows(path, require_label=False, keep_columns=True)) == [
        Row(number=1, text="one text", label=None, columns={"text": "one text", "label": None}),
        Row(number=2, text="another", label=None, columns={"text": "another", "label": None}),
    ]


def test_fifty_thousand_labels(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("__label__x " * 50_000 + "text\n")
    (row,) = read_table(path, require_label=True).rows
    assert (row.text, row.label) == ("text", ("x",))


def test_there_are_two_columns():
    wanted = Wanted(
        source="t.txt", text=("body",), label="label", label_separator=None, require_label=False, keep=False
    )
    with pytest.raises(DataError, match=r"t.txt: expected a column 'body', found text, label"):
        list(fasttext_records(io.BytesIO(b"text"), wanted))
