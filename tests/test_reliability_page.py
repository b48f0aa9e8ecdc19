"""The generated parts of `docs/reliability.md`."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location(
        "reliability_tables", ROOT / "scripts" / "reliability_tables.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["reliability_tables.py", "--check"])
    assert script.main() == 0
    stale = tmp_path / "reliability.md"
    stale.write_text(
        script.PAGE.read_text(encoding="utf-8").replace("`ragged_row`", "`lost`"), encoding="utf-8"
    )
    monkeypatch.setattr(script, "PAGE", stale)
    assert script.main() == 1
    assert "docs/reliability.md differs from its tables; run: make docs" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["reliability_tables.py"])
    assert script.main() == 0
    assert stale.read_text(encoding="utf-8") == (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_a_page_without_the_marks_is_refused(script):
    with pytest.raises(ValueError, match="expected <!-- begin faults --> and <!-- end faults -->"):
        script.filled("# Reliability\n")


def test_every_cell_names_an_outcome(script):
    rows = [line for line in script.faults().splitlines() if line.startswith("| ")]
    assert len(rows) == len(script.FAULTS) + 1
    assert {row.count("|") for row in rows} == {len(script.COLUMNS) + 3}
