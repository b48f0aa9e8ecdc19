"""Sources larger than memory: what a process of its own grows by while it reads them."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fault_table import FORMATS
from textlattice.data import lines

MEASURE = """
import sys
from textlattice.data import lines
from textlattice.data.readers import read_rows

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))

lines.MAX_LINE_BYTES = int(sys.argv[2])
before = memory("VmRSS:")
num_rows = sum(1 for _ in read_rows(sys.argv[1], require_label=False))
print(num_rows, memory("VmHWM:") - before)
"""
GROWTH_MB = 16

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


def measured(path: Path, max_line_bytes: int = lines.MAX_LINE_BYTES) -> tuple[int, float]:
    """Rows of a source, and MB that memory grew by while they were read."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), str(max_line_bytes)],
        capture_output=True,
        text=True,
        check=True,
    )
    num_rows, growth = done.stdout.split()
    return int(num_rows), float(growth)


@pytest.mark.parametrize(("form", "megabytes"), [("csv", 100), ("jsonl", 40), ("fastText", 40)])
def test_a_large_gzip_file_is_streamed(tmp_path, form, megabytes):
    text = "a text of a few words " * 50
    line = {"csv": f"{text},x\n", "jsonl": json.dumps({"text": text}) + "\n", "fastText": text + "\n"}[form]
    member = gzip.compress(line.encode() * (1_000_000 // len(line)))
    path = tmp_path / f"table{FORMATS[form]}.gz"
    with path.open("wb") as file:
        file.write(gzip.compress(b"text,label\n" if form == "csv" else b""))
        for _ in range(megabytes):
            file.write(member)
    num_rows, growth = measured(path)
    assert num_rows == 1_000_000 // len(line) * megabytes
    assert growth < GROWTH_MB


def test_a_gzip_bomb_is_one_rejected_line(tmp_path):
    path = tmp_path / "table.jsonl.gz"
    path.write_bytes(gzip.compress(bytes(10_000_000)) * 30)
    assert path.stat().st_size < 400_000
    num_rows, growth = measured(path, 1_000_000)
    assert num_rows == 1
    assert growth < GROWTH_MB
