"""Looks up known vulnerabilities of the pinned packages with pip-audit: `make audit`.

Exit status: 0 if every pin was looked up and none is vulnerable, 1 if one is, 2 if some could not be looked up.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SERVICES = ("pypi", "osv")
"""Databases that are asked in turn, until one knows the packages."""
SECONDS = 300


def looked_up(command: Sequence[str], service: str) -> tuple[list[dict[str, Any]], str]:
    """What one database says of each pin, and why it says nothing, if so."""
    words = [*command, "--vulnerability-service", service, "--requirement", str(ROOT / "constraints.txt")]
    words += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return [], f"no answer within {SECONDS} seconds"
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], (done.stderr.strip().splitlines() or ["no answer"])[-1]
    return packages, ""


def report(packages: Sequence[dict[str, Any]]) -> tuple[list[str], int]:
    """Lines for a person and the exit status."""
    lines, unknown, status = [], 0, 0
    for package in packages:
        if "skip_reason" in package:
            unknown += 1
        for fault in package.get("vulns", []):
            status = 1
            fixed = ", ".join(fault["fix_versions"]) or "no version yet"
            lines.append(f"{package['name']} {package['version']}: {fault['id']}, fixed in {fixed}")
    known = len(packages) - unknown
    lines.append(f"{known} of {len(packages)} pins looked up, {len(lines)} known vulnerabilities.")
    if unknown:
        lines.append(f"{unknown} pins could not be looked up: nothing is known about them.")
    return lines, status or (2 if unknown else 0)


def main(command: Sequence[str]) -> int:
    """Asks the databases and prints the report; the exit status."""
    status = 2
    for service in SERVICES:
        packages, reason = looked_up(command, service)
        if not packages:
            print(f"{service}: not reached: {reason}")
            continue
        lines, status = report(packages)
        print(f"{service}:", *lines, sep="\n  ")
        if status != 2:
            return status
    print(
        "The audit is not complete; run it again where a database of vulnerabilities can be reached.",
        file=sys.stderr,
    )
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
