import io
import json
import sys

import numpy as np
import pytest

from reliability.cells import STEERING, steering_cases
from textlattice.app import terminal
from textlattice.data.rows import Reject


class Screen(io.StringIO):
    def isatty(self):
        return True


def work(listener):
    listener.begin("training", 4)
    for step in range(3):
        listener.advance(1, loss=1.0 / (step + 1), total=3)
    listener.note("a [note] with brackets")
    listener.epoch(
        {
            "epoch": 1,
            "train_loss": 0.5,
            "log_loss": 0.25,
            "accuracy": 0.5,
            "wide_accuracy": 0.4,
            "deep_accuracy": 0.3,
        }
    )
    listener.end()
    listener.begin("reading")
    listener.advance(2)
    listener.end()


def test_outside_a_terminal_progress_is_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", 0.0)
    with terminal.progress() as listener:
        work(listener)
    out, err = capsys.readouterr()
    assert out == ""
    assert "training: 1 of 3, loss 1.0000, " in err
    assert "training: 3 of 3, loss 0.3333, " in err
    assert "s left" in err
    assert "reading: 2" in err
    assert "\x1b" not in err


def test_short_work_is_silent_but_for_notes_and_epochs(capsys):
    with terminal.progress() as listener:
        work(listener)
    assert capsys.readouterr().err.splitlines() == [
        "a [note] with brackets",
        "epoch 1: loss 0.5000, held-out log loss 0.2500, accuracy 50.0 % "
        "(n-grams alone 40.0 %, network alone 30.0 %)",
    ]


def test_a_terminal_gets_a_bar_that_ends_with_an_error_too(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)

    def fails():
        with terminal.progress() as listener:
            work(listener)
            listener.begin("training", 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    shown = screen.getvalue()
    assert "3/3" in shown
    assert "a [note] with brackets" in shown
    assert shown.endswith("\x1b[2K") or "\x1b[?25h" in shown  # the cursor is shown again


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("a\x1b[31m\nb", "a\\x1b[31m\\nb"),
        ("日本 é", "日本 é"),
        ("\u202e", "\\u202e"),
        (3, "3"),
    ],
)
def test_printable(value, expected):
    assert terminal.printable(value) == expected


def test_numbers():
    assert [terminal.number(1234567), terminal.number(None), terminal.number(0.12345)] == [
        "1,234,567",
        "-",
        "0.1235",
    ]
    assert [terminal.percent(0.1234), terminal.percent(None)] == ["12.3 %", "-"]
    assert [terminal.count(1, "row"), terminal.count(2000, "row")] == ["1 row", "2,000 rows"]


def test_tables_are_plain_lines_without_trailing_spaces(capsys):
    terminal.print_table(["a [b]", "n"], [("x" * 200, 1), ("\x1b[0m", 22)], title="title")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "title"
    assert lines[1].split() == ["a", "[b]", "n"]
    assert lines[3] == "x" * 200 + "    1"
    assert lines[4].startswith("\\x1b[0m ")
    assert all(line == line.rstrip() for line in lines)


def test_json_holds_arrays_and_refuses_what_it_cannot(capsys):
    terminal.print_json(
        {
            "a": np.array([1, 2]),
            "b": np.float32(0.5),
            "c": Reject(number=1, line=None, reason="r", detail="d"),
        }
    )
    assert json.loads(capsys.readouterr().out)["a"] == [1, 2]
    with pytest.raises(TypeError, match="set is no JSON value"):
        terminal.print_json({1})


@pytest.mark.parametrize(("name", "text"), list(steering_cases()))
def test_json_and_lines_hold_no_character_that_steers_a_terminal(name, text):
    shown = terminal.json_text({text: [text]}, indent=2)
    assert not set(STEERING) & set(shown)
    assert json.loads(shown) == {text: [text]}
    assert not set(STEERING) & set(terminal.printable(text))


def test_json_keeps_letters_of_all_scripts_readable():
    text = "日本 é ⚽ שלום مرحبا a\u0301 🎉\u3000x"
    assert terminal.json_text(text) == f'"{text}"'
    assert json.loads(terminal.json_text("\ud800")) == "\ud800"


def test_rejects_are_counted_and_the_first_shown(capsys):
    terminal.report_rejects([], "x.csv")
    rejects = [Reject(number=n, line=n + 1, reason="ragged_row", detail="short") for n in range(1, 8)]
    terminal.report_rejects(rejects, "x.csv")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "x.csv: 7 rows rejected: 7 ragged_row"
    assert lines[1] == "  row 1 (line 2): ragged_row: short"
    assert lines[-1] == "  and 2 more"
