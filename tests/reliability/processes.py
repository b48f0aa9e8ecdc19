"""Commands in processes of their own, started by a shell, so that streams can be closed and redirected."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MAIN = "import sys; from textlattice.app.main import main; sys.exit(main())"
SECONDS = 120
UNWELCOME = ("Traceback", "Exception ignored", "unexpected ")
"""What no command ever says."""


def command(words: Sequence[object]) -> list[str]:
    """The words that start `textlattice` in a process of its own."""
    return [sys.executable, "-c", MAIN, *map(str, words)]


def run(words: Sequence[object], redirections: str = "", *, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder; what it writes to streams that are not redirected comes back.

    Args:
        words: Those of the command line.
        redirections: In the language of bash, such as `>&- 2>/dev/full` or `| head -c 1`.
        folder: Where it runs.
    """
    line = f"set -o pipefail; {shlex.join(command(words))} {redirections}"
    ran = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    for words_of_a_fault in UNWELCOME:
        assert words_of_a_fault not in ran.stderr, ran.stderr
    return ran
