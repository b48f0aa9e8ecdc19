import hashlib

import pytest

from textlattice.data.rows import Row, Table
from textlattice.errors import DataError


def table(*pairs: tuple[str, str | tuple[str, ...] | None]) -> Table:
    rows = [Row(number=i, text=text, label=label) for i, (text, label) in enumerate(pairs, start=1)]
    return Table(source="s", rows=rows, rejects=[])


def test_texts_and_labels():
    assert table(("a", "x"), ("", None)).texts == ["a", ""]
    assert table(("a", "x"), ("", None)).labels == ["x", None]


def test_single_labels():
    assert table(("a", "x"), ("", "y")).single_labels == ["x", "y"]
    assert table().single_labels == []
    with pytest.raises(
        DataError, match=r"row 2 of s has a list of labels, expected one .*trained with --task multi"
    ):
        table(("a", "x"), ("b", ("y",))).single_labels  # noqa: B018
    with pytest.raises(
        DataError, match="expected a label in every row, got none in row 1 of s; name the label"
    ):
        table(("a", None)).single_labels  # noqa: B018


def test_digest_is_the_documented_one():
    assert table().digest == hashlib.sha256(b"").hexdigest()
    expected = b"\x02" + bytes(7) + "é".encode() + b"\xff" * 8
    assert table(("é", None)).digest == hashlib.sha256(expected).hexdigest()
    expected = bytes(8) + b"\xfc" + b"\xff" * 7 + b"\x01" + bytes(7) + b"x" + bytes(8)
    assert table(("", ("x", ""))).digest == hashlib.sha256(expected).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        [("b", "x"), ("a", "x")],
        [("a", "x")],
        [("ab", "x"), ("", "x")],
        [("a", None), ("b", "x")],
        [("a", ""), ("b", "x")],
        [("a", ("x",)), ("b", "x")],
        [("a", "x"), ("b", ("x", "x"))],
        [("a", ()), ("x", "b"), ("x", None)],
    ],
)
def test_digest_differs(other):
    assert table(*other).digest != table(("a", "x"), ("b", "x")).digest


def test_digest_of_lone_surrogates():
    assert table(("\ud800", "x")).digest != table(("?", "x")).digest


def test_groups_are_texts_of_a_column():
    rows = [
        Row(number=number, text="t", label="a", columns=columns)
        for number, columns in enumerate(({"who": "ann"}, {"who": 7}, {"who": None}, {"who": ""}, None), 1)
    ]
    groups = Table(source="s", rows=rows, rejects=[]).groups("who")
    assert groups[:2] == ["ann", "7"]
    assert len(set(groups)) == 5  # a row without a group is one by itself
