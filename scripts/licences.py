"""Writes `docs/licences.md`: the licence of every package that an installation may bring; `--check` compares instead.

A licence that is not in `ACCEPTED` ends with an error, so that a new one is looked at before it comes in.
"""

import re
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from generated import write_or_check

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "licences.md"
CONSTRAINTS = ROOT / "constraints.txt"
EXTRAS = ("", "train", "parquet", "export", "hf", "tables", "dev")
"""From the smallest installation to the largest; a package stands under the first that brings it."""

SPDX = {
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD",
    "BSD": "BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names that packages use, and their short forms; a bare BSD does not say how many clauses."""
ACCEPTED = {
    *(
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
    ),
    *("CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-CMU", "PSF-2.0", "Zlib"),
    "MPL-2.0",  # asks that changes to its own files be published; we change none
}

HEAD = """# Licences

textlattice is under the [Apache License 2.0](../LICENSE). What it stands on, as pinned in `constraints.txt`, is
under these licences, by the packages' own metadata. A package is listed where it is first needed: an extra brings
what is listed under it beside the packages of a plain installation. `python scripts/licences.py` writes this page.
"""


def licence(package: Distribution) -> str:
    """The licence of an installed package by its metadata, in SPDX terms.

    Raises:
        ValueError: It names none, or one that is not accepted.
    """
    fields = package.metadata
    classifiers = [
        name.split(" :: ")[-1] for name in fields.get_all("Classifier", []) if name.startswith("License")
    ]
    known = [SPDX[name] for name in classifiers if name in SPDX]
    free = (fields["License"] or "").strip().partition("\n")[0]
    found = fields["License-Expression"] or (known[0] if known else SPDX.get(free, free))
    parts = re.split(r" (?:AND|OR) ", found)
    if strange := [part for part in parts if part not in ACCEPTED]:
        raise ValueError(
            f"{fields['Name']}: expected a licence among {', '.join(sorted(ACCEPTED))}, got {strange[0] or 'none'!r}; "
            "read it, then add it to scripts/licences.py or leave the package out."
        )
    return found


def packages(extra: str) -> set[str]:
    """Names of all packages that an installation with this extra brings here, textlattice aside."""
    found: set[str] = set()
    todo = [("textlattice", frozenset({extra}))]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found.add(name)
        for text in distribution(name).requires or []:
            needed = Requirement(text)
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
                todo.append((canonicalize_name(needed.name), frozenset(needed.extras or {""})))
    return found - {"textlattice"}


def page() -> str:
    """The page.

    Raises:
        ValueError: A licence is missing or not accepted, or a pinned package is listed nowhere.
    """
    pins = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(pin.partition("==")[0]) for pin in pins if "==" in pin}
    lines, listed = [HEAD], set[str]()
    for extra in EXTRAS:
        names = sorted((packages(extra) & pinned) - listed)  # a build of PyTorch may bring more
        listed |= set(names)
        title = f"The extra `{extra}`" if extra else "A plain installation"
        lines += [f"## {title}", ""]
        if names:
            lines += ["| package | licence |", "|---|---|"]
            lines += [f"| {name} | {licence(distribution(name))} |" for name in names]
        else:
            lines.append("Nothing more.")
        lines.append("")
    if missing := sorted(pinned - listed):
        raise ValueError(
            f"constraints.txt: pins {', '.join(missing)}, which nothing needs any more; run make pins, or remove them."
        )
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Writes the page, or checks it; the exit status."""
    try:
        text = page()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return write_or_check(PAGE, text, "docs/licences.md differs from the installed packages; run: make docs")


if __name__ == "__main__":
    sys.exit(main())
