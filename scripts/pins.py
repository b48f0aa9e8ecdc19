"""Writes `constraints.txt` from `pip freeze` on standard input: `make pins`.

The comment at its head is kept. Local parts of versions (the +cpu of a PyTorch build) are cut off, so that any build of
that version fits.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^+\s]+)(?:\+\S+)?")
_SETUP = {"pip", "setuptools", "wheel"}


def pins(frozen: Iterable[str]) -> list[str]:
    """One line a package, in the order of their names; what is no release from an index is left out."""
    found = filter(None, map(_PIN.fullmatch, map(str.strip, frozen)))
    kept = [match for match in found if match["name"].lower() not in _SETUP]
    return [
        f"{match['name']}=={match['version']}"
        for match in sorted(kept, key=lambda match: match["name"].lower())
    ]


def main() -> int:
    """Writes the file; the exit status."""
    lines = pins(sys.stdin)
    if not any(line.startswith("torch==") for line in lines):
        print("expected the output of pip freeze with torch in it, got none; run: make pins", file=sys.stderr)
        return 1
    head = [line for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    CONSTRAINTS.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
