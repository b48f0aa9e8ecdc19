"""Pages that scripts write: written, or with `--check` compared with what stands there."""

import sys
from pathlib import Path


def write_or_check(page: Path, text: str, differs: str) -> int:
    """Writes a page; with `--check` on the command line says on stderr where it differs instead. The exit status.

    Args:
        page: The file.
        text: What it should hold.
        differs: What to say, and do, where it holds something else.
    """
    if "--check" not in sys.argv[1:]:
        page.write_text(text, encoding="utf-8")
        return 0
    if page.exists() and page.read_text(encoding="utf-8") == text:
        return 0
    print(differs, file=sys.stderr)
    return 1
