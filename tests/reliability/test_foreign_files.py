"""What a user has beside a model, under names that textlattice uses, is there afterwards as it was."""

import os
import shutil
import subprocess
import sys

import pytest

from reliability.crashes import write_rows
from reliability.foreign_files import TRAIN, attempt, foreign_files, snapshot

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes are made as on POSIX")


@pytest.fixture
def run(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        if words[0] == "export":  # whose tracer and the check of shapes in tests do not go together
            code = "from textlattice.app.main import main; raise SystemExit(main())"
            done = subprocess.run(
                [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
            )
            return done.returncode, done.stderr
        ran = cli(*words)
        return ran.code, ran.err

    return call


@pytest.mark.parametrize("command", ["train", "export", "info", "predict"])
def test_every_foreign_file_stays(run, tiny_folder, tmp_path, monkeypatch, command):
    cases = [case for case in foreign_files(tiny_folder) if case.words[0] == command]
    assert len(cases) >= {"train": 110, "export": 14, "info": 40, "predict": 40}[command]
    failures = {}
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_rows(folder / "rows.csv", 40)
        if case.with_model:
            shutil.copytree(tiny_folder, folder / "model")
        monkeypatch.chdir(folder)
        if fault := attempt(case, folder, run):
            failures[case.name] = fault
    assert failures == {}


def test_a_table_keeps_the_permissions_of_the_file_it_replaces(run, tmp_path):
    write_rows(tmp_path / "rows.csv", 40)
    path = tmp_path / "words.safetensors"
    path.write_text("mine")
    path.chmod(0o640)
    assert run("token-table", "--from-text", "rows.csv", "-o", path, "--dim", "4") == (0, "")
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes() != b"mine"


def test_what_was_refused_goes_on_once_the_file_is_moved(run, tmp_path):
    """What the message proposes works."""
    write_rows(tmp_path / "rows.csv", 40)
    (tmp_path / "model.lock").write_text("mine")
    code, said = run(*TRAIN)
    assert code == 1
    assert "move what is there away" in said
    assert "epoch" not in said
    (tmp_path / "model.lock").rename(tmp_path / "mine")
    assert run(*TRAIN)[0] == 0
    assert set(snapshot(tmp_path)) >= {"model/manifest.json", "mine"}
    assert not (tmp_path / "model.lock").exists()
