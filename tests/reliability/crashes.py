"""Commands of textlattice in processes that are killed: a server that has loaded everything and forks one a command.

    with Server() as server:
        ended = server.run(["train", "rows.csv", "-o", "model"], root=folder, kill_at=17)

Loading PyTorch takes seconds, a fork some milliseconds. The server computes on one thread.
"""

import contextlib
import hashlib
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reliability.file_layer import FileLayer

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended.

    Args:
        killed: By SIGKILL.
        code: Its exit code, 0 where it was killed.
        operations: File operations that it made; 0 where it was killed.
        seconds: Time it took.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    killed: bool
    code: int
    operations: int
    seconds: float
    out: str
    err: str


class Server:
    """A process that runs commands in forks of itself, one at a time.

    Args:
        saves: The commands are `save PATH NUMBER` and `end PATH NUMBER` of `saves.py`; nothing heavy is loaded.
    """

    def __init__(self, *, saves: bool = False) -> None:
        self.saves = saves

    def __enter__(self) -> "Server":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reliability.crashes", *(["saves"] if self.saves else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=TESTS,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"},
        )
        assert self._answer() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("")

    def run(
        self,
        arguments: Sequence[object],
        *,
        root: Path,
        kill_at: int | None = None,
        kill_after: float | None = None,
        full_from: int | None = None,
        most_bytes: int | None = None,
    ) -> Ended:
        """Runs one command to its end or to its death.

        Args:
            arguments: Words after the program name.
            root: Folder whose file operations count.
            kill_at: File operation at which it is killed, from 1.
            kill_after: Seconds after which it is killed.
            full_from: File operation from which on the disk is full, from 1.
            most_bytes: Length that no file may exceed (`RLIMIT_FSIZE`).
        """
        job = {
            "arguments": list(map(str, arguments)),
            "root": str(root),
            "kill_at": kill_at,
            "kill_after": kill_after,
            "full_from": full_from,
            "most_bytes": most_bytes,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return Ended(**self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def write_rows(path: Path, num_rows: int = 150, seed: int = 0) -> Path:
    """A table of made-up rows of two labels: one word tells them often, the spelling of another always."""
    draw = random.Random(seed)
    lines = ["text,label"]
    for row in range(num_rows):
        label, other = ("good", "bad") if row % 2 else ("bad", "good")
        told = label if draw.random() < 0.75 else other
        stem = "".join(draw.choices("bdfgklmnprstv", k=3))
        words = [*draw.choices("abcdefgh", k=draw.randint(2, 6))]
        words += [{"good": "fine", "bad": "dull"}[told], stem + {"good": "oo", "bad": "ii"}[label]]
        draw.shuffle(words)
        lines.append(f"{' '.join(words)},{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


def digest_of_model(folder: Path) -> str:
    """SHA-256 of all that a trained folder computes with, and of the history of its choices."""
    digest = hashlib.sha256()
    for name in ("config.json", "vocabulary.safetensors", "model.safetensors"):
        digest.update((folder / name).read_bytes())
    record = json.loads((folder / "training.json").read_text())
    chosen = {name: record[name] for name in ("slices", "wide", "sum", "history")}
    digest.update(json.dumps([chosen, record["network"]["steps"], record["network"]["total_steps"]]).encode())
    return digest.hexdigest()


def _save(arguments: Sequence[str]) -> int:
    from reliability import saves

    work, path, number = arguments
    if work == "end":
        saves.end(Path(path))
    else:
        sys.stdout.write("".join(saves.save(Path(path), int(number))))
    return 0


def _loaded_main() -> Any:
    """The command line, with all that a training loads."""
    import torch

    from textlattice.app.main import main
    from textlattice.presets import preset
    from textlattice.training import fit, save  # noqa: F401

    torch.set_num_threads(1)
    texts = ["one good thing", "two bad things", "a third thing"] * 4
    fit.fit(texts, ["a", "b", "a"] * 4, preset("tiny").with_settings({"train.steps": 1, "train.threads": 1}))
    return main


def _serve(main: Any) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks where there are threads: there is one
    answers = os.fdopen(os.dup(1), "w")
    answers.write('"ready"\n')
    answers.flush()
    for line in sys.stdin:
        job = json.loads(line)
        reading, writing = os.pipe()
        started = time.monotonic()
        child = os.fork()
        if not child:
            os.close(reading)
            _work(job, main, writing)
        os.close(writing)
        if job["kill_after"] is not None:
            while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if time.monotonic() - started >= job["kill_after"]:
                    os.kill(child, signal.SIGKILL)
                    break
                time.sleep(0.0005)
        with os.fdopen(reading, encoding="utf-8") as stream:
            told = stream.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = {"killed": killed, "code": 0, "operations": 0, "out": "", "err": ""}
        if not killed:
            answer |= json.loads(told or '{"code": -1}')
        answers.write(json.dumps(answer | {"seconds": time.monotonic() - started}) + "\n")
        answers.flush()


def _work(job: dict[str, Any], main: Any, writing: int) -> None:
    """One command, in a fork; never returns."""
    told: dict[str, Any] = {}
    out, err = io.StringIO(), io.StringIO()
    try:
        layer = FileLayer(Path(job["root"]), job["kill_at"], job["full_from"])
        if job["most_bytes"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["most_bytes"], job["most_bytes"]))
        layer.install()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            told["code"] = main(job["arguments"])
        told["operations"] = len(layer.operations)
    except BaseException:
        told["code"] = -1
        err.write(traceback.format_exc())
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        json.dump(told | {"out": out.getvalue(), "err": err.getvalue()}, stream)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:] == ["saves"]:
        from reliability import saves  # noqa: F401  here, so that no fork has to

        _serve(_save)
    else:
        _serve(_loaded_main())
