"""Writes the generated parts of `docs/reliability.md`; `--check` says whether they are up to date instead.

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; what is around it is written by hand.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
sys.path.insert(0, str(ROOT / "tests"))  # the tables that the tests hold the code to

sys.path.insert(0, str(ROOT / "benchmarks"))

from fault_table import FAULTS, FORMATS, by_format  # noqa: E402
from generated import write_or_check  # noqa: E402
from records import RESULTS, entries  # noqa: E402

COLUMNS = [form for form in FORMATS if form != "tsv"]  # tsv is as csv


def faults() -> str:
    """The table of faults and outcomes, and how many there are."""
    rows = []
    for fault in FAULTS:
        cases = by_format(fault)
        cells = [_outcome(cases[form][1]) if form in cases else "–" for form in COLUMNS]
        rows.append(f"| {fault.name} | {' | '.join(cells)} | {fault.outcome} |")
    pairs = [(form, fault.packed) for fault in FAULTS for form in by_format(fault)]
    again = sum(form != "parquet" and not packed for form, packed in pairs)
    heads = ["csv, tsv" if form == "csv" else form for form in COLUMNS]
    return "\n".join(
        [
            f"| fault | {' | '.join(heads)} | what becomes of it |",
            f"|{'---|' * (len(heads) + 2)}",
            *rows,
            "",
            f"{len(FAULTS)} faults, {len(pairs)} pairs of fault and format; {again} of them, those of the text "
            "formats, a second time packed by gzip.",
        ]
    )


def _outcome(expected: Sequence[str] | str) -> str:
    """What becomes of a source, in a word or by the reasons of its rejects."""
    if isinstance(expected, str):
        return "refused"
    reasons = [f"`{item.split()[1]}`" for item in expected if "|" not in item]
    if reasons:
        return ", ".join(dict.fromkeys(reasons))
    return "read" if expected else "no rows"


REMARKS = {
    "worst_time_ratio": "a doubling takes at most {:.2f} times as long",
    "worst_memory_ratio": "and {:.2f} times the memory",
    "largest_change": "largest change {:.1e}",
    "mib": "{:.0f} MiB more than with 1 MB of text",
}
"""What a part may say beside its counts, where it is not 0."""


def figures(folder: Path = RESULTS) -> str:
    """How often each promise was tried and failed, and what that says of the rate."""
    found = [entry for entry in entries("reliability", folder) if entry["key"]["number"] is None]
    if not found:
        return "The measurements are being made."
    lines = ["| figure | what | tried | failed | rate at 95 % | remark |", "|---|---|---:|---:|---|---|"]
    counted = []
    for entry in sorted(found, key=lambda entry: int(entry["key"]["figure"][1:])):
        name = entry["key"]["figure"]
        counted.append(f"- {name}: {entry['counts']}")
        for part in entry["parts"]:
            rate = "–" if part["bound"] is None else f"below {part['bound']:.2g}"
            said = ", ".join(text.format(part[key]) for key, text in REMARKS.items() if part.get(key))
            lines.append(
                f"| {name} | {part['part']} | {part['tried']:,} | {part['failed']:,} | {rate} | {said or '–'} |"
            )
    machines = {f"{entry['machine']['cpu']}, {entry['machine']['cores']} cores" for entry in found}
    return "\n".join([*lines, "", *counted, "", f"Measured on {'; '.join(sorted(machines))}."])


PARTS: Mapping[str, Callable[[], str]] = {"faults": faults, "figures": figures}
"""What writes each part."""


def filled(page: str) -> str:
    """The page with its parts written anew."""
    for name, write in PARTS.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        if not rest or not after:
            raise ValueError(f"{PAGE.name}: expected {begin.strip()} and {end} on lines of their own")
        page = f"{before}{begin}{write()}\n{end}{after}"
    return page


def main() -> int:
    """Writes the page, or checks it; the exit status."""
    text = filled(PAGE.read_text(encoding="utf-8"))
    return write_or_check(PAGE, text, "docs/reliability.md differs from its tables; run: make docs")


if __name__ == "__main__":
    sys.exit(main())
