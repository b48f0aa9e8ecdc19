"""Reads a hostile table in a process of its own, which counts its rows and measures its memory."""

import json
import subprocess
import sys
from pathlib import Path

from reliability.hostile_tables import HostileTable

GROWTH_MB = 600
"""A page of 320 MB, which the library unpacks whole, and half as much again; without a bound it is gigabytes."""
SECONDS = 120
MEASURE = """
import json, resource, sys
from collections import Counter
from textlattice.data.readers import read_rows

import pyarrow.parquet

resource.setrlimit(resource.RLIMIT_AS, (4_000_000_000, 4_000_000_000))
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))

before = peak()
items = read_rows(sys.argv[1], require_label=False, keep_columns=True)
found = Counter(getattr(item, "reason", "row") for item in items)
print(json.dumps([found, peak() - before]))
"""


def fault_of(case: HostileTable, folder: Path) -> str | None:
    """What goes wrong when a table is read that is written into a folder: lost rows, memory, time or an error."""
    try:
        ran = subprocess.run(
            [sys.executable, "-c", MEASURE, str(case.write(folder))],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"not read after {SECONDS} seconds"
    if ran.returncode:
        return f"ended with {ran.returncode}: {ran.stderr[-300:]}"
    found, growth = json.loads(ran.stdout)
    return None if found == case.outcome and growth < GROWTH_MB else f"{found}, {growth} MB"
