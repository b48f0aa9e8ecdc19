"""Closed and full streams: one plain line and exit code 1 where output was lost; where none was, the work is done."""

from pathlib import Path

import pytest

from reliability.processes import run
from reliability.streams import stream_cases

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full"),
]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "we stayed: a film so hopeful\n" * 3000)
    return path


def test_every_stream_of_every_verb(exported_folder, source, tmp_path):
    failed = []
    cases = list(stream_cases(exported_folder, source))
    for name, case in cases:
        ran = run(case.words, case.redirections, folder=tmp_path)
        lines = ran.stderr.splitlines()
        if ran.returncode != case.code or (
            case.says is not None and (len(lines) != 1 or case.says not in lines[0])
        ):
            failed.append((name, ran.returncode, ran.stderr))
    assert failed == []
    assert len(cases) > 60
