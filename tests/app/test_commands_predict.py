import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textlattice import load
from textlattice.app import answer_files


@pytest.fixture
def table(tmp_path, tiny_texts):
    """A csv of ten good rows, with a row that is not UTF-8 and an empty text among them."""
    path = tmp_path / "texts.csv"
    lines = ["id,text,label", *(f'{number},"{text}",x' for number, text in enumerate(tiny_texts[0][:10]))]
    lines[3:3] = ["bad,caf\udce9,x", 'empty,"",x']
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    return path


def test_answers_come_in_order_and_equal_python(cli, tiny_folder, tiny_texts, table):
    ran = cli("predict", tiny_folder, table)
    assert ran.code == 0
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert answers.pop(2) == {"row": 3, "error": "invalid_utf8"}
    assert answers.pop(2)["status"] == "empty"
    predictor = load(tiny_folder)
    expected = list(predictor.answers(tiny_texts[0][:10]))
    assert [answer["label"] for answer in answers] == [answer.label for answer in expected]
    assert all(answer.keys() == {"label", "probabilities"} for answer in answers)
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-5)
    assert ran.err == "12 rows, 1 empty, 1 not answered (1 invalid_utf8)\n"


def test_strict_fails_after_answering_all(cli, tiny_folder, table):
    ran = cli("predict", tiny_folder, table, "--strict")
    assert ran.code == 1
    assert len(ran.out.splitlines()) == 12


def test_json_lines_from_standard_input(cli, tiny_folder):
    lines = (
        b'{"text": "we left: a dull play"}\n\nplain words\n{"text": 3}\n{"other": 1}\n{"text": "\\ud800"}\n'
    )
    ran = cli("predict", tiny_folder, "-", "--strict", stdin=lines)
    assert ran.code == 1
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert answers[0]["label"] in ("good", "bad")
    assert answers[1:4] == [
        {"row": 2, "error": "invalid_json"},
        {"row": 3, "error": "text_not_string"},
        {"row": 4, "error": "missing_text"},
    ]
    assert sum(answers[4]["probabilities"].values()) == pytest.approx(1)


def test_no_rows_no_answers(cli, tiny_folder, tmp_path):
    ran = cli("predict", tiny_folder, "-", stdin=b"")
    assert (ran.code, ran.out, ran.err) == (0, "", "0 rows\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("text\n")
    assert cli("predict", tiny_folder, empty, "-o", tmp_path / "answers.csv").code == 0
    assert (tmp_path / "answers.csv").read_text() == "label,probability,status,error\n"


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_keeps_its_columns_and_gains_ours(cli, tiny_folder, table, tmp_path, suffix):
    target = tmp_path / f"answers{suffix}"
    ran = cli("predict", tiny_folder, table, "-o", target)
    assert ran.code == 0
    assert ran.out == ""
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t" if suffix == ".tsv" else ","))
    assert list(rows[0]) == ["id", "text", "label", "predicted_label", "probability", "status", "error"]
    assert [row["id"] for row in rows] == ["0", "1", "", "empty", *"23456789"]
    assert [row["label"] for row in rows] == ["x", "x", "", *"x" * 9]
    assert [row["error"] for row in rows] == ["", "", "invalid_utf8", *[""] * 9]
    assert [row["status"] for row in rows] == ["ok", "ok", "", "empty", *["ok"] * 8]
    answers = [json.loads(line) for line in cli("predict", tiny_folder, table).out.splitlines()]
    assert [row["predicted_label"] for row in rows] == [answer.get("label", "") for answer in answers]
    assert float(rows[0]["probability"]) == pytest.approx(answers[0]["probabilities"][answers[0]["label"]])
    assert [path.name for path in tmp_path.iterdir() if ".tmp-" in path.name] == []


def test_cells_with_ends_of_lines_and_quotes_survive(cli, tiny_folder, tmp_path):
    texts = ['a "quoted" film,\ntwo lines', "one\rtwo", "tab\there", "lone \ud83d", ""]
    source, target = tmp_path / "texts.jsonl", tmp_path / "answers.csv"
    source.write_text("".join(json.dumps({"text": text, "tags": ["x", 1]}) + "\n" for text in texts))
    assert cli("predict", tiny_folder, source, "-o", target).code == 0
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["text"] for row in rows] == [*texts[:3], "lone \\ud83d", ""]
    assert {row["tags"] for row in rows} == {'["x", 1]'}


def test_parquet_keeps_types_and_answers_rejects_in_place(cli, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(answer_files, "_ROW_GROUP", 2)
    source, target = tmp_path / "texts.parquet", tmp_path / "answers.parquet"
    columns = {
        "title": pa.array(["we stayed:", None, "we left:", "never again:", None]),
        "body": pa.array(["a film", None, "a play", None, "x"]),
        "number": pa.array([1, 2, None, 4, 5], pa.int16()),
        "tags": pa.array([["a"], [], None, ["b", "c"], []]),
        "kind": pa.array(["u", "v", "u", None, "v"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), source)
    assert cli("predict", tiny_folder, source, "--text", "title", "--text", "body", "-o", target).code == 0
    got = pq.read_table(target)
    assert got.schema.field("number").type == pa.int16()
    rows = got.to_pylist()
    assert [row["number"] for row in rows] == [1, None, None, 4, 5]
    assert rows[1] == dict.fromkeys(rows[1]) | {"error": "missing_text"}
    assert rows[3]["tags"] == ["b", "c"]
    assert rows[3]["kind"] is None
    labels = load(tiny_folder).predict(["we stayed: a film", "we left: a play", "never again:", "x"])
    assert [row["label"] for row in rows if row["error"] is None] == labels


def test_other_sources_become_text_in_parquet(cli, tiny_folder, table, tmp_path):
    target = tmp_path / "answers.parquet"
    assert cli("predict", tiny_folder, table, "-o", target).code == 0
    got = pq.read_table(target)
    assert got.column("id").to_pylist()[:4] == ["0", "1", None, "empty"]
    assert got.column("probability").type == pa.float64()


def test_rejects_alone_make_a_table_of_ours(cli, tiny_folder, tmp_path):
    source, target = tmp_path / "texts.jsonl", tmp_path / "answers.csv"
    source.write_text("no\n")
    assert cli("predict", tiny_folder, source, "-o", target).code == 0
    assert target.read_text() == "label,probability,status,error\n,,,invalid_json\n"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("answers.txt", "cannot tell the format from the suffix '.txt'"),
        ("answers", "cannot tell the format from the suffix ''"),
        ("missing/answers.csv", "lies in a folder that does not exist"),
        ("folder.csv", "is a folder"),
        ("texts.csv", "expected another file than the source"),
        ("texts.csv/answers.csv", "lies in a folder that does not exist"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_before_the_work(cli, table, tmp_path, target, message):
    (tmp_path / "folder.csv").mkdir()
    ran = cli("predict", "no-model", table, "-o", tmp_path / target)
    assert ran.code == 1
    assert message in ran.err


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_row_with_a_column_more_is_answered_in_place_by_an_error(cli, tiny_folder, tmp_path, suffix):
    source, target = tmp_path / "texts.jsonl", tmp_path / f"answers{suffix}"
    lines = [{"id": "1", "text": "a"}, {"id": "2", "text": "b", "more": 1}, {"text": "c"}]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = cli("predict", tiny_folder, source, "-o", target, "--strict")
    assert ran.code == 1
    assert ran.err == "3 rows, 1 not answered (1 extra_column)\n"
    if suffix == ".csv":
        with target.open(encoding="utf-8", newline="") as stream:
            rows = [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(stream)]
    else:
        rows = pq.read_table(target).to_pylist()
    assert [row["id"] for row in rows] == ["1", "2", None]
    assert [row["text"] for row in rows] == ["a", "b", "c"]
    assert [row["error"] for row in rows] == [None, "extra_column", None]
    assert [row["label"] is None for row in rows] == [False, True, False]
    assert cli("predict", tiny_folder, source, "-o", tmp_path / "answers.jsonl", "--strict").code == 0


def test_a_failure_leaves_the_old_answers(cli, tiny_folder, tmp_path):
    source, target = tmp_path / "texts.jsonl", tmp_path / "answers.csv"
    source.write_text('{"text": "a", "label": "x", "predicted_label": "y"}\n')
    target.write_text("old")
    ran = cli("predict", tiny_folder, source, "-o", target)
    assert ran.code == 1
    assert "the source has a column 'predicted_label' already; rename it" in ran.err
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv", "texts.jsonl"]


def test_a_missing_column_is_named_with_the_options_that_help(cli, tiny_folder, table):
    ran = cli("predict", tiny_folder, table, "--text", "body")
    assert ran.code == 1
    assert "expected a column 'body', found id, text, label" in ran.err
    assert "--text" in ran.err


def test_answers_are_held_a_few_hundred_at_a_time(tiny_folder):
    from textlattice.data.rows import Row

    taken = 0

    def rows():
        nonlocal taken
        for number in range(2_000):
            taken = number + 1
            yield Row(number=taken, text="a film" * (number % 3), label=None)

    answers = answer_files.answered(load(tiny_folder), rows())
    next(answers)
    assert taken <= answer_files.MAX_DOCUMENTS
    assert sum(answer is not None for _, answer in answers) == 1_999
    assert taken == 2_000


def test_probabilities_are_the_numbers_of_the_predictor(cli, tiny_folder, tiny_texts):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in tiny_texts[0])
    ran = cli("predict", tiny_folder, "-", stdin=lines.encode())
    got = np.array([list(json.loads(line)["probabilities"].values()) for line in ran.out.splitlines()])
    np.testing.assert_allclose(got, load(tiny_folder).probabilities(tiny_texts[0]), atol=1e-6)
