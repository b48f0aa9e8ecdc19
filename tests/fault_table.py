"""Every fault of a table that readers know, by format, with what becomes of it.

`tests/data/test_faults.py` holds the readers to it, `scripts/reliability_tables.py` prints it in
`docs/reliability.md`. Content of csv stands for tsv as well, with tabs for commas.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textlattice.data.rows import Reject, Row

FORMATS = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "fastText": ".txt", "parquet": ".parquet"}
"""Suffix of each format."""
LONG = "a" * 131_073

Content = bytes | pa.Table


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    Args:
        name: The fault, in words.
        outcome: What becomes of it, in words.
        cases: Content of a source by format, with what each row becomes: `text|label` (labels of a list joined by
            +), or `line reason` of a reject; a text beginning with ! is the message of a DataError instead.
        packed: Whether the content is a gzip file.
    """

    name: str
    outcome: str
    cases: Mapping[str, tuple[Content, Sequence[str] | str]]
    packed: bool = False


def brief(item: Row | Reject) -> str:
    """What a reader gave, as the cases say it."""
    if isinstance(item, Reject):
        return f"{item.line} {item.reason}"
    label = item.label
    return f"{item.text}|[{'+'.join(label)}]" if isinstance(label, tuple) else f"{item.text}|{label}"


def by_format(fault: Fault) -> dict[str, tuple[Content, Sequence[str] | str]]:
    """The cases of a fault, with those of tsv."""
    cases = dict(fault.cases)
    if "csv" in cases and not fault.packed:
        content, expected = cases["csv"]
        assert isinstance(content, bytes)
        cases["tsv"] = content.replace(b",", b"\t"), expected
    return cases


def write(folder: Path, form: str, content: Content, *, packed: bool = False) -> Path:
    """A file with this content and the suffix of its format; `packed` adds .gz to its name."""
    path = folder / f"table{FORMATS[form]}{'.gz' if packed else ''}"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(content, path)
    return path


def lines(*objects: object, ensure_ascii: bool = False) -> bytes:
    """JSON lines; bytes stand as they are."""
    parts = [
        item if isinstance(item, bytes) else json.dumps(item, ensure_ascii=ensure_ascii).encode()
        for item in objects
    ]
    return b"\n".join(parts) + b"\n"


def row(text: object, label: object = "x") -> dict[str, object]:
    """A row of JSON."""
    return {"text": text, "label": label}


def columns(text: object, label: object) -> pa.Table:
    """A parquet table."""
    return pa.table({"text": text, "label": label})


def raw_text(*texts: bytes) -> pa.Array:
    """A column of text whose bytes are not checked."""
    return pa.Array.from_buffers(pa.string(), len(texts), pa.array(texts, pa.binary()).buffers())


def pack(content: bytes) -> bytes:
    """A gzip member, the same each time."""
    return gzip.compress(content, mtime=0)


HEAD = b"text,label\n"
_CSV, _JSON, _FAST = HEAD + b"a,x\nb,y\n", lines(row("a"), row("b", "y")), b"__label__x a\n__label__y b\n"
_MORE = {"csv": b"c,z\n", "jsonl": lines(row("c", "z")), "fastText": b"__label__z c\n"}
_WHOLE = {"csv": _CSV, "jsonl": _JSON, "fastText": _FAST}
_GOOD = ("a|x", "b|y")


def _after(
    first: Mapping[str, bytes], second: Mapping[str, bytes], reject: Mapping[str, str]
) -> dict[str, tuple[bytes, list[str]]]:
    """Packed cases of a good first member and a broken second one."""
    return {form: (first[form] + second[form], [*_GOOD, reject[form]]) for form in first}


_LAST = {"csv": "4 corrupt_gzip", "jsonl": "3 corrupt_gzip", "fastText": "3 corrupt_gzip"}
_FIRST_MEMBER = {form: pack(content) for form, content in _WHOLE.items()}


def _flipped(packed: bytes, place: int, bits: int) -> bytes:
    changed = bytearray(packed)
    changed[place] ^= bits
    return bytes(changed)


FAULTS = [
    Fault(
        name="empty file",
        outcome="A table without rows; parquet has an end that must be there.",
        cases={
            "csv": (b"", []),
            "jsonl": (b"", []),
            "fastText": (b"", []),
            "parquet": (b"", "!cannot be read as parquet"),
        },
    ),
    Fault(
        name="header alone",
        outcome="A table without rows.",
        cases={
            "csv": (HEAD, []),
            "parquet": (columns(pa.array([], pa.string()), pa.array([], pa.string())), []),
        },
    ),
    Fault(
        name="blank lines",
        outcome="They are no rows; line numbers count them.",
        cases={
            "csv": (HEAD + b"\na,x\n\r\n\nb,y\n", _GOOD),
            "jsonl": (lines(b"", row("a"), b" ", row("b", "y")), _GOOD),
            "fastText": (b"\n__label__x a\n \t\n__label__y b\n", _GOOD),
        },
    ),
    Fault(
        name="byte order mark",
        outcome="It is dropped.",
        cases={
            "csv": (b"\xef\xbb\xbf" + _CSV, _GOOD),
            "jsonl": (b"\xef\xbb\xbf" + _JSON, _GOOD),
            "fastText": (b"\xef\xbb\xbf" + _FAST, _GOOD),
        },
    ),
    Fault(
        name="UTF-16 or UTF-32 with a byte order mark",
        outcome="The file is refused, with the command that converts it.",
        cases={
            "csv": (_CSV.decode().encode("utf-16"), "!got UTF-16.*iconv -f UTF-16 -t UTF-8"),
            "jsonl": (_JSON.decode().encode("utf-16"), "!got UTF-16.*iconv -f UTF-16 -t UTF-8"),
            "fastText": (
                b"\xfe\xff" + _FAST.decode().encode("utf-16-be"),
                "!got UTF-16.*iconv -f UTF-16 -t UTF-8",
            ),
        },
    ),
    Fault(
        name="mixed ends of lines",
        outcome="Line feed, carriage return and both together end a line.",
        cases={
            "csv": (b"text,label\r\na,x\rb,y\nc,z\r\n", [*_GOOD, "c|z"]),
            "jsonl": (
                _JSON.replace(b"\n", b"\r\n", 1).replace(b"}\n", b"}\r") + lines(row("c", "z")),
                [*_GOOD, "c|z"],
            ),
            "fastText": (b"__label__x a\r\n__label__y b\r__label__z c\n", [*_GOOD, "c|z"]),
        },
    ),
    Fault(
        name="no end of the last line",
        outcome="It is a row like the others.",
        cases={
            "csv": (_CSV[:-1], _GOOD),
            "jsonl": (_JSON[:-1], _GOOD),
            "fastText": (_FAST[:-1], _GOOD),
        },
    ),
    Fault(
        name="U+2028, U+0085, U+000B or U+001C in a text",
        outcome="They are text and end no line.",
        cases={
            "csv": (HEAD + "a\u2028b\x85c\x0bd\x1ce,x\n".encode(), ["a\u2028b\x85c\x0bd\x1ce|x"]),
            "jsonl": (lines(row("a\u2028b\x85c\x0bd\x1ce")), ["a\u2028b\x85c\x0bd\x1ce|x"]),
            "fastText": ("__label__x a\u2028b\x85c\x0bd\x1ce\n".encode(), ["a\u2028b\x85c\x0bd\x1ce|x"]),
            "parquet": (columns(["a\u2028b\x85c\x0bd\x1ce"], ["x"]), ["a\u2028b\x85c\x0bd\x1ce|x"]),
        },
    ),
    Fault(
        name="line feed in a text",
        outcome="It is text where the format can hold it: in quotes, escaped, in parquet. In fastText it ends the row.",
        cases={
            "csv": (HEAD + b'"a\n\nb\r\n""c""",x\nd,y\n', ['a\n\nb\r\n"c"|x', "d|y"]),
            "jsonl": (lines(row("a\n\nb")), ["a\n\nb|x"]),
            "fastText": (b"__label__x a\nb\n__label__y c\n", ["a|x", "2 missing_label", "c|y"]),
            "parquet": (columns(["a\n\nb"], ["x"]), ["a\n\nb|x"]),
        },
    ),
    Fault(
        name="NUL in a text",
        outcome="It is text; bare in JSON it is not JSON, escaped it is text.",
        cases={
            "csv": (HEAD + b"a\0b,x\n", ["a\0b|x"]),
            "jsonl": (lines(row("a\0b")) + b'{"text": "a\0b", "label": "x"}\n', ["a\0b|x", "2 invalid_json"]),
            "fastText": (b"__label__x a\0b\n", ["a\0b|x"]),
            "parquet": (columns(["a\0b"], ["x"]), ["a\0b|x"]),
        },
    ),
    Fault(
        name="invalid UTF-8",
        outcome="The row is rejected, the others are read.",
        cases={
            "csv": (
                HEAD + b'a,x\n\xff,x\n"\n\xe9",x\nb,y\n',
                ["a|x", "3 invalid_utf8", "5 invalid_utf8", "b|y"],
            ),
            "jsonl": (lines(row("a"), b'{"text": "\xff"}', row("b", "y")), ["a|x", "2 invalid_utf8", "b|y"]),
            "fastText": (b"__label__x a\n__label__x \xff\n__label__y b\n", ["a|x", "2 invalid_utf8", "b|y"]),
            "parquet": (
                columns(raw_text(b"a", b"\xff", b"b"), ["x", "x", "y"]),
                ["a|x", "None invalid_utf8", "b|y"],
            ),
        },
    ),
    Fault(
        name="invalid UTF-8 in a label",
        outcome="The same.",
        cases={
            "csv": (HEAD + b"a,\xff\nb,y\n", ["2 invalid_utf8", "b|y"]),
            "jsonl": (lines(b'{"text": "a", "label": "\xff"}', row("b", "y")), ["1 invalid_utf8", "b|y"]),
            "fastText": (b"__label__\xff a\n__label__y b\n", ["1 invalid_utf8", "b|y"]),
            "parquet": (columns(["a", "b"], raw_text(b"\xff", b"y")), ["None invalid_utf8", "b|y"]),
        },
    ),
    Fault(
        name="lone surrogate",
        outcome="As bytes it is invalid UTF-8; escaped in JSON it is text, and read as an unknown character.",
        cases={
            "csv": (HEAD + b"\xed\xa0\x80,x\nb,y\n", ["2 invalid_utf8", "b|y"]),
            "jsonl": (
                b'{"text": "\xed\xa0\x80", "label": "x"}\n{"text": "\\ud800", "label": "x"}\n',
                ["1 invalid_utf8", "\ud800|x"],
            ),
            "fastText": (b"__label__x \xed\xa0\x80\n", ["1 invalid_utf8"]),
            "parquet": (columns(raw_text(b"\xed\xa0\x80", b"b"), ["x", "y"]), ["None invalid_utf8", "b|y"]),
        },
    ),
    Fault(
        name="text of 131,073 characters",
        outcome="It is read. Limits are 10 MB for a field of csv and 100 MB for a line of any format.",
        cases={
            "csv": (HEAD + f"{LONG},x\nb,y\n".encode(), [f"{LONG}|x", "b|y"]),
            "jsonl": (lines(row(LONG), row("b", "y")), [f"{LONG}|x", "b|y"]),
            "fastText": (f"__label__x {LONG}\n__label__y b\n".encode(), [f"{LONG}|x", "b|y"]),
            "parquet": (columns([LONG, "b"], ["x", "y"]), [f"{LONG}|x", "b|y"]),
        },
    ),
    Fault(
        name="empty text",
        outcome="It is a row; its answer has the status `empty`.",
        cases={
            "csv": (HEAD + b',x\n"",y\n', ["|x", "|y"]),
            "jsonl": (lines(row("")), ["|x"]),
            "fastText": (b"__label__x\n__label__y \n", ["|x", "|y"]),
            "parquet": (columns([""], ["x"]), ["|x"]),
        },
    ),
    Fault(
        name="missing text",
        outcome="The row is rejected.",
        cases={
            "jsonl": (
                lines({"label": "x"}, row(None), row("b", "y")),
                ["1 missing_text", "2 missing_text", "b|y"],
            ),
            "parquet": (columns([None, "b"], ["x", "y"]), ["None missing_text", "b|y"]),
        },
    ),
    Fault(
        name="missing label",
        outcome="The row is rejected in training and evaluation; prediction needs none.",
        cases={
            "csv": (HEAD + b"a,\nb, \nc,z\n", ["2 missing_label", "3 missing_label", "c|z"]),
            "jsonl": (
                lines({"text": "a"}, row("b", None), row("c", ""), row("d", "z")),
                ["1 missing_label", "2 missing_label", "3 missing_label", "d|z"],
            ),
            "fastText": (b"a\n__label__ b\n__label__z c\n", ["1 missing_label", "2 missing_label", "c|z"]),
            "parquet": (columns(["a", "b", "c"], [None, "", "z"]), ["None missing_label"] * 2 + ["c|z"]),
        },
    ),
    Fault(
        name="text that is no string",
        outcome="The row is rejected.",
        cases={
            "jsonl": (
                lines(row(3), row(["a"]), row("b", "y")),
                ["1 text_not_string", "2 text_not_string", "b|y"],
            ),
            "parquet": (columns([3, 4], ["x", "y"]), ["None text_not_string"] * 2),
        },
    ),
    Fault(
        name="whole numbers and booleans as labels",
        outcome="They become text; in csv and fastText they are text.",
        cases={
            "csv": (HEAD + b"a,1\nb,1.0\n", ["a|1", "b|1.0"]),
            "jsonl": (lines(row("a", 1), row("b", 1.0), row("c", True)), ["a|1", "b|1", "c|True"]),
            "fastText": (b"__label__1 a\n__label__1.0 b\n", ["a|1", "b|1.0"]),
            "parquet": (columns(["a", "b"], [1.0, 2.0]), ["a|1", "b|2"]),
        },
    ),
    Fault(
        name="fractions as labels",
        outcome="The row is rejected where they are numbers.",
        cases={
            "csv": (HEAD + b"a,0.5\n", ["a|0.5"]),
            "jsonl": (lines(row("a", 0.5), row("b", 1)), ["1 invalid_label", "b|1"]),
            "fastText": (b"__label__0.5 a\n", ["a|0.5"]),
            "parquet": (columns(["a", "b"], [0.5, 1.0]), ["None invalid_label", "b|1"]),
        },
    ),
    Fault(
        name="NaN as a label",
        outcome="It is a missing label in parquet, not JSON in JSON, and text elsewhere.",
        cases={
            "csv": (HEAD + b"a,NaN\n", ["a|NaN"]),
            "jsonl": (b'{"text": "a", "label": NaN}\n', ["1 invalid_json"]),
            "fastText": (b"__label__NaN a\n", ["a|NaN"]),
            "parquet": (columns(["a", "b"], [float("nan"), 1.0]), ["None missing_label", "b|1"]),
        },
    ),
    Fault(
        name="full-width digits as labels",
        outcome="They are text: １ and 1 are two labels.",
        cases={
            "csv": (HEAD + "a,１\nb,1\n".encode(), ["a|１", "b|1"]),
            "jsonl": (lines(row("a", "１"), row("b", 1)), ["a|１", "b|1"]),
            "fastText": ("__label__１ a\n__label__1 b\n".encode(), ["a|１", "b|1"]),
            "parquet": (columns(["a", "b"], ["１", "1"]), ["a|１", "b|1"]),
        },
    ),
    Fault(
        name="list of labels",
        outcome="Each label counts once; an empty list means that none applies. Training on one label a text refuses "
        "the table.",
        cases={
            "jsonl": (
                lines(row("a", ["x", "y", "x"]), row("b", []), row("c", [1])),
                ["a|[x+y]", "b|[]", "c|[1]"],
            ),
            "fastText": (b"__label__x __label__y __label__x a\n__label__y b\n", ["a|[x+y]", "b|y"]),
            "parquet": (columns(["a", "b"], [["x", "y", "x"], []]), ["a|[x+y]", "b|[]"]),
        },
    ),
    Fault(
        name="list that holds an empty label, or a list",
        outcome="The row is rejected. In fastText nothing behind the prefix is no label.",
        cases={
            "jsonl": (
                lines(row("a", ["x", None]), row("b", [" "]), row("c", [["x"]]), row("d", ["y"])),
                ["1 invalid_label", "2 invalid_label", "3 invalid_label", "d|[y]"],
            ),
            "fastText": (b"__label__x __label__ a\n", ["a|x"]),
            "parquet": (columns(["a", "b"], [["x", None], [""]]), ["None invalid_label"] * 2),
        },
    ),
    Fault(
        name="object as a label",
        outcome="The row is rejected.",
        cases={
            "jsonl": (lines(row("a", {"x": 1}), row("b", "y")), ["1 invalid_label", "b|y"]),
            "parquet": (columns(["a"], [{"x": 1}]), ["None invalid_label"]),
        },
    ),
    Fault(
        name="column named twice",
        outcome="The file is refused; a key that stands twice in a JSON object rejects its row.",
        cases={
            "csv": (b"text,label,text\na,x,b\n", "!'text' stands twice in the header"),
            "jsonl": (b'{"text": "a", "text": "b", "label": "x"}\n', ["1 duplicate_key"]),
            "parquet": (
                pa.Table.from_arrays([pa.array(["a"])] * 3, names=["text", "label", "text"]),
                "!'text' stands twice in the header",
            ),
        },
    ),
    Fault(
        name="column that is not there",
        outcome="The file is refused, with the names that it has; JSON lines may differ, so there it is a missing "
        "value.",
        cases={
            "csv": (b"body,label\na,x\n", "!expected a column 'text', found body, label"),
            "jsonl": (lines({"body": "a", "label": "x"}), ["1 missing_text"]),
            "parquet": (pa.table({"text": ["a"]}), "!expected a column 'label', found text"),
        },
    ),
    Fault(
        name="row with a field too few or too many",
        outcome="The row is rejected.",
        cases={"csv": (HEAD + b"a\nb,y\nc,z,\nd,w\n", ["2 ragged_row", "b|y", "4 ragged_row", "d|w"])},
    ),
    Fault(
        name="quote that is never closed",
        outcome="In csv the line that opened it is rejected, the lines after it are read again. In JSON the line is "
        "rejected. Elsewhere a quote is text.",
        cases={
            "csv": (HEAD + b'a,x\n"b,y\nc,z\nd,w\n', ["a|x", "3 unclosed_quote", "c|z", "d|w"]),
            "jsonl": (lines(b'{"text": "a, "label": "x"}', row("b", "y")), ["1 invalid_json", "b|y"]),
            "fastText": (b'__label__x "a\n__label__y b\n', ['"a|x', "b|y"]),
            "parquet": (columns(['"a', "b"], ["x", "y"]), ['"a|x', "b|y"]),
        },
    ),
    Fault(
        name="text behind a closing quote",
        outcome="In csv the row is rejected.",
        cases={"csv": (HEAD + b'"a"b,x\n"c",y\n', ["2 broken_quote", "c|y"])},
    ),
    Fault(
        name="quote inside a field without quotes",
        outcome="It is text.",
        cases={
            "csv": (HEAD + b'a "b" c,x\n', ['a "b" c|x']),
            "fastText": (b'__label__x a "b" c\n', ['a "b" c|x']),
        },
    ),
    Fault(
        name="line that is no JSON object",
        outcome="The row is rejected; so are NaN and Infinity, nesting without end and numbers of thousands of digits.",
        cases={
            "jsonl": (
                lines(b"a", b"[1]", b'{"text": NaN}', b"[" * 100_000, b"1" * 5_000, row("b", "y")),
                ["1 invalid_json", "2 not_an_object", *(f"{n} invalid_json" for n in (3, 4, 5)), "b|y"],
            ),
        },
    ),
    Fault(
        name="file that is cut off",
        outcome="What is whole is read; of parquet nothing is, since its index stands at the end.",
        cases={
            "csv": (_CSV + b"c", [*_GOOD, "4 ragged_row"]),
            "jsonl": (_JSON + b'{"text": "c', [*_GOOD, "3 invalid_json"]),
            "fastText": (_FAST + b"__lab", [*_GOOD, "3 missing_label"]),
            "parquet": (b"PAR1" + b"\0" * 100, "!cannot be read as parquet.*write the file again"),
        },
    ),
    Fault(
        name="gzip file that is cut off",
        outcome="The rows before the cut are read; one reject stands for the rest, a row that was cut with it.",
        cases={
            "csv": (
                pack(_CSV + b'"c\nd,z') + pack(b'",z\n')[:8],
                [*_GOOD, "4 corrupt_gzip"],
            ),
            "jsonl": (
                pack(_JSON + b'{"text": "c') + pack(b'", "label": 1}\n')[:12],
                [*_GOOD, "3 corrupt_gzip"],
            ),
            "fastText": (pack(_FAST + b"__label__z c") + pack(b" and d\n")[:4], [*_GOOD, "3 corrupt_gzip"]),
        },
        packed=True,
    ),
    Fault(
        name="gzip file that is damaged",
        outcome="The same; some rows before the place where the damage shows may be wrong.",
        cases=_after(
            _FIRST_MEMBER, {form: _flipped(pack(more), 10, 0x06) for form, more in _MORE.items()}, _LAST
        ),
        packed=True,
    ),
    Fault(
        name="gzip file with a wrong checksum",
        outcome="All rows are read; a reject says that the checksum is wrong.",
        cases={
            form: (_flipped(packed, -8, 1), [*_GOOD, _LAST[form]]) for form, packed in _FIRST_MEMBER.items()
        },
        packed=True,
    ),
    Fault(
        name="bytes behind the end of a gzip file",
        outcome="The rows are read; a reject stands for the bytes. Zeros are padding.",
        cases=_after(_FIRST_MEMBER, dict.fromkeys(_FIRST_MEMBER, b"\0\0more"), _LAST),
        packed=True,
    ),
    Fault(
        name="gzip file of several members",
        outcome="They are read as one.",
        cases={
            form: (_FIRST_MEMBER[form] + b"\0\0" + pack(more), [*_GOOD, "c|z"])
            for form, more in _MORE.items()
        },
        packed=True,
    ),
    Fault(
        name="file named .gz that is not gzip",
        outcome="The file is refused.",
        cases={form: (whole, "!expected a file packed by gzip") for form, whole in _WHOLE.items()},
        packed=True,
    ),
]
"""All of them, in the order of the page."""
