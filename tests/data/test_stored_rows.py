import pytest

from textlattice.data import spool
from textlattice.data.readers import read_table
from textlattice.data.rows import Reject, Row, Table
from textlattice.data.stored_rows import StoredRejects, StoredRows, StoredTable
from textlattice.errors import DataError

ROWS = [
    Row(number=1, text="straße 🎬", label="a"),
    Row(number=3, text="", label=("a", "b")),
    Row(number=4, text="\ud800", label=None),
    Row(number=9, text="x", label=(), columns={"text": "x", "place": 7}),
]
REJECTS = [
    Reject(number=2, line=3, reason="missing_text", detail="no value in 'text'"),
    Reject(number=5, line=None, reason="invalid_utf8", detail="é"),
]


@pytest.fixture(params=[0, 10**9])
def table(request, monkeypatch):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", request.param)
    rows, rejects = StoredRows(), StoredRejects()
    for row in ROWS:
        rows.append(row)
    for reject in REJECTS:
        rejects.append(reject)
    return StoredTable(source="here.csv", rows=rows, rejects=rejects)


def test_equals_the_table_in_memory(table):
    held = Table(source="here.csv", rows=ROWS, rejects=REJECTS)
    assert list(table.rows) == ROWS
    assert table.rows[1:3] == ROWS[1:3]
    assert list(table.rejects) == REJECTS
    assert table.rejects[-1] == REJECTS[-1]
    assert list(table.texts) == held.texts
    assert table.labels == held.labels
    assert table.digest == held.digest


def test_equal_labels_are_one_object():
    rows = StoredRows()
    for number in range(3):
        rows.append(Row(number=number + 1, text="", label="".join(["la", "bel"])))
    assert len({id(label) for label in rows.labels}) == 1


def test_errors_name_the_row(table):
    with pytest.raises(DataError, match=r"got none in row 4 of here\.csv"):
        _ = table.given_labels
    rows = StoredRows()
    rows.append(ROWS[1])
    with pytest.raises(DataError, match=r"row 3 of b\.csv has a list of labels"):
        _ = StoredTable(source="b.csv", rows=rows, rejects=StoredRejects()).single_labels


def test_an_empty_table():
    table = StoredTable(source="none.csv", rows=StoredRows(), rejects=StoredRejects())
    assert (list(table.rows), list(table.texts), table.labels, list(table.rejects)) == ([], [], [], [])
    assert table.digest == Table(source="none.csv", rows=[], rejects=[]).digest


def test_a_source_is_read_into_it(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 100)
    path = tmp_path / "rows.csv"
    lines = [f"text {number},{'even' if number % 2 == 0 else ''}" for number in range(1_000)]
    path.write_text("text,label\n" + "\n".join(lines))
    table = read_table(path, require_label=True)
    assert list(table.texts) == [f"text {number}" for number in range(0, 1_000, 2)]
    assert [row.number for row in table.rows] == list(range(1, 1_000, 2))
    assert [reject.line for reject in table.rejects] == list(range(3, 1_002, 2))
    assert {reject.reason for reject in table.rejects} == {"missing_label"}
