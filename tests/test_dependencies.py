"""What we stand on: pins, licences, and what the audit says of them."""

import importlib.util
import sys
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def script(name):
    """A module of `scripts`."""
    specification = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


audit, licences, pins = (script(name) for name in ("audit", "licences", "pins"))


def test_pins_are_sorted_without_local_parts_and_without_what_has_no_release():
    frozen = [
        "torch==2.13.0+cpu",
        "pip==23.2",
        "Jinja2==3.1.6",
        "-e git+https://x@1#egg=y",
        "a @ file:///a",
        "# c",
        "",
    ]
    assert pins.pins(frozen) == ["Jinja2==3.1.6", "torch==2.13.0"]


def test_every_pin_has_an_accepted_licence_and_a_place_on_the_page():
    page = licences.page()
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line:
            name = line.partition("==")[0].lower().replace("_", "-")
            assert page.count(f"| {name} | ") == 1


def test_plain_installation_brings_no_pytorch():
    assert "torch" in licences.packages("train") - licences.packages("")
    assert "onnxruntime" in licences.packages("")


class Package:
    """Metadata of a package."""

    def __init__(self, **fields):
        self.metadata = Message()
        for name, value in fields.items():
            self.metadata[name.replace("_", "-")] = value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License_Expression": "MIT AND BSD-3-Clause"}, "MIT AND BSD-3-Clause"),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "BSD"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
    ],
)
def test_licences_are_read_from_any_field(fields, expected):
    assert licences.licence(Package(Name="some", **fields)) == expected


@pytest.mark.parametrize("fields", [{"License_Expression": "MIT AND GPL-3.0-only"}, {"License": "Ours"}, {}])
def test_other_licences_are_refused_by_name(fields):
    with pytest.raises(
        ValueError, match=r"^some: expected a licence among 0BSD, .*add it to scripts/licences\.py"
    ):
        licences.licence(Package(Name="some", **fields))


CLEAN = {"name": "numpy", "version": "2.4.6", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}
FAULTY = CLEAN | {"vulns": [{"id": "CVE-1", "fix_versions": ["2.5"]}, {"id": "CVE-2", "fix_versions": []}]}


@pytest.mark.parametrize(
    ("packages", "status", "lines"),
    [
        ([CLEAN, CLEAN], 0, ["2 of 2 pins looked up, 0 known vulnerabilities."]),
        (
            [CLEAN, SKIPPED],
            2,
            [
                "1 of 2 pins looked up, 0 known vulnerabilities.",
                "1 pins could not be looked up: nothing is known about them.",
            ],
        ),
        (
            [FAULTY],
            1,
            [
                "numpy 2.4.6: CVE-1, fixed in 2.5",
                "numpy 2.4.6: CVE-2, fixed in no version yet",
                "1 of 1 pins looked up, 2 known vulnerabilities.",
            ],
        ),
    ],
)
def test_an_audit_that_did_not_look_is_no_success(packages, status, lines):
    assert audit.report(packages) == (lines, status)


FAKE = """
import sys
if "pypi" in sys.argv:
    print("Traceback\\nConnectionError: no route", file=sys.stderr); sys.exit(1)
print({answer!r})
"""


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', 0),
        ("No known vulnerabilities found", 2),
    ],
)
def test_the_next_database_is_asked_where_one_is_not_reached(tmp_path, capsys, answer, status):
    (tmp_path / "fake.py").write_text(FAKE.format(answer=answer), encoding="utf-8")
    assert audit.main([sys.executable, str(tmp_path / "fake.py")]) == status
    shown = capsys.readouterr()
    assert "pypi: not reached: ConnectionError: no route" in shown.out
    assert ("The audit is not complete" in shown.err) == (status == 2)
