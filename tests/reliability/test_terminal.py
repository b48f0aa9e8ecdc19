"""What commands write to a real terminal: no character of a text, a label or a name steers it."""

import json
import os
import pty
import re
import subprocess
import threading

import pytest

from reliability.cells import STEERING, steering_cases
from reliability.processes import command

pytestmark = pytest.mark.slow
OURS = re.compile(r"\x1b\[([0-9;]*m|\?25[lh]|2K|1A)")
"""What rich writes for colours and for a line that moves; texts hold other escapes too, so a leak shows."""


def on_terminal(words, folder, stdin=b""):
    """Exit code, and all that a command writes to a terminal that is both its stdout and its stderr."""
    ours, theirs = pty.openpty()
    parts = []

    def read():
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side was closed
                return
            if not part:
                return
            parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    ran = subprocess.run(
        command(words), cwd=folder, input=stdin, stdout=theirs, stderr=theirs, timeout=120, check=False
    )
    os.close(theirs)
    reader.join(30)
    os.close(ours)
    return ran.returncode, b"".join(parts).decode().replace("\r\n", "\n")


def assert_steers_nothing(shown):
    found = [sign for sign in STEERING if sign in OURS.sub("", shown)]
    assert found == [], [f"U+{ord(sign):04X}" for sign in found]


@pytest.fixture(scope="module")
def steering_text():
    return " ".join(text for _, text in steering_cases())


def test_answers_of_predict(exported_folder, tmp_path, steering_text):
    rows = "".join(json.dumps({"text": text}) + "\n" for _, text in steering_cases())
    code, shown = on_terminal(("predict", exported_folder, "-"), tmp_path, rows.encode())
    assert code == 0
    assert_steers_nothing(shown)
    code, shown = on_terminal(("predict", exported_folder, "-", "-o", "/dev/stdout"), tmp_path, rows.encode())
    assert code == 0
    assert_steers_nothing(shown)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_explanations(exported_folder, tmp_path, steering_text, more):
    code, shown = on_terminal(("explain", exported_folder, "--text", steering_text, *more), tmp_path)
    assert code == 0
    assert_steers_nothing(shown)
    if more:
        assert json.loads(shown)["text"] == steering_text


def test_names_of_files_and_wrong_words(tmp_path, steering_text):
    name = "".join(STEERING)[:60] + "".join(STEERING)[-30:]
    for words in (
        ("info", name),
        ("predict", name, "-"),
        ("train", f"{name}.csv", "-o", "m"),
        ("graph", name),
        (name,),
        ("graph", f"--{name}"),
        ("train", "a.csv", "-o", "m", "--task", name),
        ("train", "a.csv", "-o", "m", "--set", name),
        ("info", "--preset", name),
        ("explain", "m", "--text", "x", "--html", f"no/{name}"),
    ):
        code, shown = on_terminal(words, tmp_path)
        assert code in (1, 2), shown
        assert_steers_nothing(shown)


def test_labels_and_columns(tmp_path):
    """Labels that steer, through every command that shows them."""
    signs = "\x1b]0;x\x07\u202e\u200b\x9b31m\u2066"
    lines = [
        {"text": f"{word} day {place}", "label": f"{word}{signs}"}
        for place in range(40)
        for word in ("good", "bad")
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ("train", "rows.jsonl", "-o", "model", "--preset", "tiny", "--set", "train.epochs=1")
    code, shown = on_terminal(words, tmp_path)
    assert code == 0, shown
    assert_steers_nothing(shown)
    text = ("--text", "a good day")
    for words in (
        ("info", "model"),
        ("info", "model", "--json"),
        ("evaluate", "model", "rows.jsonl"),
        ("evaluate", "model", "rows.jsonl", "--json"),
        ("predict", "model", "rows.jsonl"),
        ("explain", "model", *text),
        ("explain", "model", *text, "--label", f"good{signs}", "--html", "a.html"),
        ("explain", "model", *text, "--label", f"no{signs}"),
        ("evaluate", "model", "rows.jsonl", "--label", f"no{signs}"),
        ("train", "rows.jsonl", "-o", "new", "--label", f"no{signs}"),
    ):
        code, shown = on_terminal(words, tmp_path)
        assert code in (0, 1), shown
        assert_steers_nothing(shown)
    page = (tmp_path / "a.html").read_text()
    assert "<h1><bdi>good\ufffd]0;x\ufffd\u202e\u200b\ufffd31m\u2066</bdi>" in page
    assert "<title>Explanation: good\\x1b]0;x\\x07\\u202e\\u200b\\x9b31m\\u2066</title>" in page
