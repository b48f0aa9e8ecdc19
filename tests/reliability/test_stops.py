"""Signals in the middle of `predict -o`: nothing of the user's rows stays beside the file, and the former file does."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reliability.processes import command, run
from reliability.stops import FORMER, start_and_stop, stop_cases
from textlattice.app.stopping import Stopped, stoppable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals as POSIX has them"),
]
ROWS = "text\nwe stayed: a film so hopeful\n"


@pytest.mark.parametrize(("name", "case"), list(stop_cases()))
def test_every_signal(exported_folder, tmp_path, name, case):
    (tmp_path / case.output).write_text(FORMER)
    code, said, beside = start_and_stop(case, exported_folder, tmp_path)
    assert len(beside) == 1
    if case.ignored:
        assert (code, said) == (0, "5,000 rows\n")
        assert os.listdir(tmp_path) == [case.output]
        return
    assert code == case.code
    assert (tmp_path / case.output).read_text() == FORMER
    if case.number == signal.SIGKILL:
        (left,) = (path for path in tmp_path.iterdir() if path.name in beside)
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
        (tmp_path / "rows.csv").write_text(ROWS)
        words = ("predict", exported_folder, "rows.csv", "-o", case.output)
        assert run(words, folder=tmp_path).returncode == 0
        (tmp_path / "rows.csv").unlink()
    else:
        assert said == f"textlattice: stopped by {case.number.name}.\n"
    assert os.listdir(tmp_path) == [case.output]


def test_a_pipe_that_nobody_reads_does_not_hold_a_command_up(exported_folder, tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS + "we left: a dull play\n" * 20000)
    os.mkfifo(tmp_path / "a.csv")
    reader = os.open(tmp_path / "a.csv", os.O_RDONLY | os.O_NONBLOCK)
    for words, out in (
        (("predict", exported_folder, "rows.csv", "-o", "a.csv"), subprocess.DEVNULL),
        (("predict", exported_folder, "rows.csv"), subprocess.PIPE),
    ):
        process = subprocess.Popen(
            command(words), cwd=tmp_path, stdout=out, stderr=subprocess.PIPE, text=True
        )
        _await_sleep(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert process.stderr.read() == "textlattice: stopped by SIGTERM.\n"
        process.stderr.close()
        if process.stdout is not None:
            process.stdout.close()
    os.close(reader)


def test_training_says_how_to_go_on(tmp_path):
    rows = [
        f"{text} {place},{label}" for place in range(200) for text, label in (("good day", "a"), ("bad", "b"))
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]))
    words = ("train", "rows.csv", "-o", "model", "--preset", "tiny", "--set", "train.epochs=5000")
    words += ("--set", "train.patience=5000", "--checkpoint-minutes", "0")
    process = subprocess.Popen(
        command(words), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    for _ in range(9000):
        if (tmp_path / "model.checkpoint" / "manifest.json").exists():
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert said.splitlines()[-1] == "textlattice: stopped by SIGTERM."
    assert "model.checkpoint keeps the training so far; the same command with --resume goes on" in said
    assert sorted(os.listdir(tmp_path)) == ["model.checkpoint", "rows.csv"]


def test_handlers_are_ours_only_where_nobody_elses_is():
    def own(number, frame):
        raise AssertionError

    former = signal.signal(signal.SIGTERM, own)
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGTERM) is own
            assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, former)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_a_second_signal_does_not_break_into_clearing_away():
    cleared = []

    def stop_twice():
        with stoppable():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)
                cleared.append(True)

    with pytest.raises(Stopped) as stopped:
        stop_twice()
    assert (stopped.value.name, stopped.value.exit_code) == ("SIGTERM", 143)
    assert cleared == [True]


def _await_sleep(process: int) -> None:
    """Waits until a process has written what a pipe holds and sleeps."""
    spent, still = -1, 0
    for _ in range(6000):
        ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        now = int(ticks[11]) + int(ticks[12])
        still = still + 1 if now == spent and ticks[0] == "S" and now > 20 else 0
        spent = now
        if still > 100:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {process} never waits, {sys.platform}")
