"""Figure R16: every fault of a table in every format that can have it, and that no row is lost on the way."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fault_table import FAULTS, FORMATS, LONG, Fault, brief, by_format, pack, raw_text, write
from textlattice.data import gzip_stream, lines
from textlattice.data.readers import read_rows, read_table
from textlattice.data.rows import Reject, Row
from textlattice.errors import DataError

CASES = [
    pytest.param(fault, form, id=f"{fault.name}-{form}") for fault in FAULTS for form in by_format(fault)
]
TEXT_CASES = [
    pytest.param(fault, form, id=f"{fault.name}-{form}")
    for fault in FAULTS
    for form in by_format(fault)
    if form != "parquet"
]


def check(path: Path, expected) -> None:
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected.removeprefix("!")):
            read_table(path, require_label=True)
        return
    items = list(read_rows(path, require_label=True))
    assert [brief(item) for item in items] == list(expected)
    assert [item.number for item in items] == list(range(1, len(items) + 1))
    assert all(LONG[:10] not in item.detail for item in items if isinstance(item, Reject))
    # Rows in = rows used + rows reported, whether or not labels are needed.
    table = read_table(path, require_label=False)
    assert len(table.rows) + len(table.rejects) == len(items)
    assert {row.number for row in table.rows} >= {item.number for item in items if isinstance(item, Row)}


@pytest.mark.parametrize(("fault", "form"), CASES)
def test_outcome(tmp_path, fault: Fault, form):
    content, expected = by_format(fault)[form]
    check(write(tmp_path, form, content, packed=fault.packed), expected)


@pytest.mark.parametrize(("fault", "form"), TEXT_CASES)
def test_outcome_does_not_depend_on_packing_and_chunks(tmp_path, monkeypatch, fault: Fault, form):
    monkeypatch.setattr(lines, "_CHUNK_BYTES", 7)
    monkeypatch.setattr(gzip_stream, "_PACKED_BYTES", 5)
    content, expected = by_format(fault)[form]
    if len(content) < 10_000:
        check(write(tmp_path, form, content if fault.packed else pack(content), packed=True), expected)


@pytest.mark.parametrize("form", ["csv", "jsonl", "fastText"])
def test_lines_are_counted_whatever_ends_them(tmp_path, form):
    head, good, bad = {
        "csv": (b"text,label\r\n", b"a,x", b"a,"),
        "jsonl": (b"\r\n", b'{"text": "a", "label": "x"}', b"{}"),
        "fastText": (b"\r\n", b"__label__x a", b"a"),
    }[form]
    content = head + b"\n" + good + b"\r" + bad + b"\r\n\r\n" + good + b"\n" + bad
    items = read_rows(write(tmp_path, form, content), require_label=True)
    assert [item.line for item in items if isinstance(item, Reject)] == [4, 7]


def test_figure_is_what_was_promised():
    three_formats = [fault for fault in FAULTS if len(by_format(fault)) >= 3]
    assert len(three_formats) >= 20
    assert {form for fault in FAULTS for form in by_format(fault)} == set(FORMATS)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


# ---- generated tables ----

WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters='",\t\r\n\0'), max_size=12)


def planted(form: str):
    """Rows of a format, good and bad, each with its bytes (in parquet: text and label) and what becomes of it."""
    word = WORDS.map(lambda text: f"w{text}")
    if form in ("csv", "tsv"):
        cut = {"csv": ",", "tsv": "\t"}[form]
        kinds = [
            word.map(lambda w: (f"{w}{cut}x".encode(), f"{w}|x")),
            word.map(lambda w: (f'"{w}\n\n""{w}"{cut}x'.encode(), f'{w}\n\n"{w}|x')),
            word.map(lambda w: (f"{w}".encode(), "ragged_row")),
            word.map(lambda w: (f"{w}{cut}x{cut}x".encode(), "ragged_row")),
            word.map(lambda w: (f"{w}{cut}".encode(), "missing_label")),
            word.map(lambda w: (f"{w}{cut}x".encode() + b"\xff", "invalid_utf8")),
            word.map(lambda w: (f'"{w}"{w}{cut}x'.encode(), "broken_quote")),
            word.map(lambda w: (f'"{w}{cut}x'.encode(), "open")),
        ]
    elif form == "jsonl":
        kinds = [
            word.map(lambda w: (json.dumps({"text": w, "label": "x"}).encode(), f"{w}|x")),
            word.map(lambda w: (json.dumps({"text": w, "label": ["x", "y"]}).encode(), f"{w}|[x+y]")),
            word.map(lambda w: (json.dumps({"text": w}).encode(), "missing_label")),
            word.map(lambda w: (json.dumps({"label": w}).encode(), "missing_text")),
            word.map(lambda w: (json.dumps({"text": [w]}).encode(), "text_not_string")),
            word.map(lambda w: (json.dumps(w).encode(), "not_an_object")),
            word.map(lambda w: (json.dumps({"text": w}).encode()[:-1], "invalid_json")),
            word.map(lambda w: (json.dumps({"text": w}).encode() + b"\xff", "invalid_utf8")),
        ]
    elif form == "fastText":
        kinds = [
            word.map(lambda w: (f"__label__x {w}".encode(), f"{w}|x")),
            word.map(lambda w: (f"__label__x\t__label__y {w}".encode(), f"{w}|[x+y]")),
            word.map(lambda w: (w.encode(), "missing_label")),
            word.map(lambda w: (f"__label__x {w}".encode() + b"\xff", "invalid_utf8")),
        ]
    else:
        kinds = [
            word.map(lambda w: ((w.encode(), "x"), f"{w}|x")),
            word.map(lambda w: ((w.encode(), " "), "missing_label")),
            st.just(((None, "x"), "missing_text")),
            word.map(lambda w: ((w.encode() + b"\xff", "x"), "invalid_utf8")),
        ]
    return st.lists(st.one_of(kinds), max_size=30)


def write_planted(folder: Path, form: str, rows, packed: bool) -> Path:
    if form == "parquet":
        path = folder / "table.parquet"
        texts, labels = ([row[i] for row, _ in rows] for i in (0, 1))
        pq.write_table(pa.table({"text": raw_text(*texts), "label": pa.array(labels, pa.string())}), path)
        return path
    head = {"csv": b"text,label\n", "tsv": b"text\tlabel\n"}.get(form, b"")
    content = head + b"".join(row + b"\n" for row, _ in rows)
    return write(folder, form, pack(content) if packed else content, packed=packed)


@pytest.mark.parametrize("form", FORMATS)
def test_no_row_is_lost_and_order_is_kept(tmp_path, form):
    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=planted(form), packed=st.booleans())
    def holds(rows, packed):
        items = list(read_rows(write_planted(tmp_path, form, rows, packed), require_label=True))
        assert [item.number for item in items] == list(range(1, len(items) + 1))
        got = [item.reason if isinstance(item, Reject) else brief(item) for item in items]
        if not any(expected == "open" for _, expected in rows):
            assert got == [expected for _, expected in rows]
            return
        # A quote left open costs its own line and nothing of the whole rows behind it, though the lines of a
        # quoted field behind it, read again, may count as rows of their own.
        wholes = [expected for _, expected in rows if "|" in expected and "\n" not in expected]
        rest = iter(got)
        assert all(expected in rest for expected in wholes)
        assert len(got) >= len(rows)

    holds()


# ---- gzip ----


def test_every_cut_of_a_gzip_file_gives_the_rows_before_it(tmp_path):
    rows = [f'"text {i * 7919 % 1000}\nof two lines",{"xy"[i % 2]}\n' for i in range(40)]
    whole = pack("".join(["text,label\n", *rows]).encode())
    path = write(tmp_path, "csv", whole, packed=True)
    expected = [brief(item) for item in read_rows(path, require_label=True)]
    refusals, num_rows = [], []
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        try:
            items = list(read_rows(path, require_label=True))
        except DataError as error:
            refusals.append(str(error))
            continue
        *rows, last = items
        assert isinstance(last, Reject)
        assert (last.reason, last.number, last.line) == ("corrupt_gzip", len(items), 2 * len(items))
        assert last.detail == "nothing from here on can be unpacked: the file ends too early"
        assert [brief(row) for row in rows] == expected[: len(rows)]
        num_rows.append(len(rows))
    assert refusals
    assert all("the header cannot be read (corrupt_gzip: " in refusal for refusal in refusals)
    assert num_rows == sorted(num_rows)
    assert num_rows[-1] == 40
    path.write_bytes(b"")
    assert list(read_rows(path, require_label=True)) == []


def test_bytes_before_a_fault_are_given_out(tmp_path):
    path, content = tmp_path / "a.gz", bytes(range(256)) * 1000
    path.write_bytes(pack(content)[:-5])
    with path.open("rb") as file:
        stream, got = gzip_stream.GunzipStream(file, "a.gz"), b""
        while len(got) < len(content):
            got += stream.read1(1000)
        for _ in range(2):
            with pytest.raises(gzip_stream.CorruptGzipError, match="ends too early"):
                stream.read1()
    assert got == content


@pytest.mark.parametrize("place", range(20, 220, 10))
def test_a_flipped_bit_is_reported(tmp_path, place):
    content = "".join(f'{{"text": "number {i * i}", "label": {i % 3}}}\n' for i in range(200)).encode()
    packed = bytearray(pack(content))
    packed[place] ^= 4
    items = list(read_rows(write(tmp_path, "jsonl", bytes(packed), packed=True), require_label=True))
    last = items[-1]
    assert isinstance(last, Reject)
    assert last.reason == "corrupt_gzip"
    assert "the file is damaged here or some way before" in last.detail
    try:
        gzip.decompress(bytes(packed))
    except Exception:
        return
    pytest.fail("the flip does not matter")
