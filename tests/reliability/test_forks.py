"""Forks while threads predict: every child answers, for both engines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]
SCRIPT = Path(__file__).parent / "forks.py"


@pytest.mark.parametrize("engine", ["tiny_folder", "exported_folder"])
@pytest.mark.parametrize(
    ("kind", "number", "words", "threads"),
    [("fork", 50, [], 1), ("fork", 10, [3000], 2), ("pool", 5, [], 1)],
    ids=["short texts", "long texts on two threads", "pools"],
)
def test_every_child_answers(request, engine, kind, number, words, threads):
    folder = request.getfixturevalue(engine)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, kind, folder, str(number), *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "none failed\n"), ran.stderr
