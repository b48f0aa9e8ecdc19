"""Tables larger than memory, through training and prediction: what a process of its own grows by.

Small tables and small limits; `benchmarks/reliability.py` measures R15 with large ones and the limits as they are.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
MEASURE = """
import json, sys
from pathlib import Path

from textlattice.app.main import main
from textlattice.data import spool
from textlattice.training import fitting, keys, wide

spool.MOST_IN_MEMORY, keys._MOST_TOKENS, keys._RUN = 100_000, 5_000, 20_000
wide.MOST_ONES, fitting.MOST_TOKENS = 20_000, 20_000

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))

for source in sys.argv[3:]:
    before = memory("VmRSS:")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    assert main([word.replace("SOURCE", source) for word in json.loads(sys.argv[1])]) == 0
print("GREW", memory("VmHWM:") - before)
"""
SMALL, LARGE = 1_000_000, 3_000_000
"""Bytes of text."""
GROWTH_MB = 10
"""A process that held the texts, cut, with their keys would grow by some thirty."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


def write(path, num_bytes):
    """A table of texts of 300 words; one row in a hundred is no JSON."""
    draw = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(3_000)])
    with path.open("w") as file:
        for row in range(num_bytes // 1_600):
            text = " ".join(words[draw.integers(0, 3_000, 300)])
            line = json.dumps({"text": text, "label": "ab"[row % 2]})
            file.write("{\n" if row % 100 == 99 else f"{line}\n")
    return num_bytes // 1_600


def grew(tmp_path, *words):
    """Rows of the larger table, and MB that the process grew by with it after the smaller one."""
    sources = [tmp_path / "small.jsonl", tmp_path / "large.jsonl"]
    rows = [write(path, size) for path, size in zip(sources, (SMALL, LARGE), strict=True)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps([str(word) for word in words]), "--", *map(str, sources)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return rows[1], float(done.stdout.rpartition("GREW")[2]), done.stderr


def test_training(tmp_path):
    model = tmp_path / "model"
    words = ["--preset", "tiny", "--steps", 2, "--threads", 1, "--task", "single"]
    rows, growth, said = grew(tmp_path, "train", "SOURCE", "-o", model, *words)
    record = json.loads((model / "training.json").read_text())
    assert record["source"]["num_rows"] == record["num_rows"] == rows - rows // 100
    assert record["source"]["num_rejected"] == rows // 100
    assert 0 < record["wide"]["num_rows"] < sum(record["slices"].values()) / 2
    assert f"memory: the wide branch is fitted on {record['wide']['num_rows']:,} of" in said
    assert "memory: word vectors begin with the company of" in said
    assert growth < GROWTH_MB


def test_prediction(tmp_path):
    answers = tmp_path / "answers.jsonl"
    rows, growth, said = grew(tmp_path, "predict", ROOT / "golden" / "tiny-format-1", "SOURCE", "-o", answers)
    found = [json.loads(line) for line in answers.read_text().splitlines()]
    assert len(found) == rows
    assert [row for row, answer in enumerate(found) if "error" in answer] == list(range(99, rows, 100))
    assert f"{rows // 100} not answered ({rows // 100} invalid_json)" in said
    assert growth < GROWTH_MB
