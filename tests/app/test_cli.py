import os
import re
import subprocess
import sys

import pytest

import textlattice
from textlattice.errors import ArtefactError

VERBS = ["train", "evaluate", "predict", "explain", "compare", "info", "export", "graph"]
HEAVY = ("torch", "sklearn", "scipy", "pyarrow", "pandas", "onnx", "onnxscript")


MAIN = "import sys; from textlattice.app.main import main; sys.exit(main())"


def run_python(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_help_names_every_verb_and_shows_a_first_round(cli):
    ran = cli("--help")
    assert ran.code == 0
    for verb in VERBS:
        assert re.search(rf"^  {verb} +\S.*[^.]\.$", ran.out, re.MULTILINE), verb  # not cut off by "..."
    assert "textlattice train builtin:docstrings:train -o model" in ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_an_example_of_its_own_options(cli, verb):
    ran = cli(verb, "--help")
    assert ran.code == 0
    examples = re.findall(rf"^ +(?:\S.*\| )?textlattice {verb} .*$", ran.out, re.MULTILINE)
    assert examples
    for option in re.findall(r"(?<= )--?[a-z][a-z-]*", " ".join(examples)):
        assert re.search(rf"^  (-\w, )?{option}\b|^  {option},", ran.out, re.MULTILINE), option


def test_version(cli):
    assert cli("--version").out == f"textlattice {textlattice.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["no-such-verb"],
        ["predict"],
        ["predict", "model"],
        ["graph", "--tokens", "many"],
        ["graph", "--random", "none"],
        ["train", "table.csv"],
        ["train", "table.csv", "-o", "model", "--set", "model.channels"],
        ["train", "table.csv", "-o", "model", "--task", "regression"],
        ["info"],
        ["info", "model", "--preset", "tiny"],
        ["info", "model", "--set", "model.channels=8"],
        ["explain", "model"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_how(cli, words):
    ran = cli(*words)
    assert ran.code == 2
    assert "Usage: textlattice" in ran.err + ran.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", "nowhere", "-"], "expected a model folder, got nothing"),
        (["train", "nowhere.csv", "-o", "{tmp}/m"], "nowhere.csv does not exist"),
        (["train", "table.xml", "-o", "{tmp}/m"], "cannot tell the format from the suffix '.xml'"),
        (
            ["train", "t.csv", "-o", "{tmp}/m", "--device", "cuda"],
            "--device must be cpu in this release, got",
        ),
        (["train", "t.csv", "-o", "{tmp}/m", "--set", "model.width=8"], "unknown setting model.width"),
        (["train", "t.csv", "-o", "{tmp}/m", "--epochs", "0"], "train.epochs must be positive, got 0"),
        (["train", "t.csv", "-o", "{tmp}/m", "--preset", "huge"], "unknown preset 'huge': expected one of"),
        (["info", "--preset", "huge"], "unknown preset 'huge'"),
    ],
)
def test_what_fails_ends_with_1_and_one_plain_line(cli, tmp_path, words, message):
    ran = cli(*(word.format(tmp=tmp_path) for word in words))
    assert ran.code == 1
    assert ran.out == ""
    assert message in ran.err
    assert ran.err.startswith("textlattice: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt(), "interrupted."),
        (MemoryError(), "out of memory"),
        (
            PermissionError(13, "Permission denied", "a\x1b[31m.csv"),
            "a\\x1b[31m.csv: Permission denied; check",
        ),
        (ArtefactError("one\nline"), "textlattice: one line\n"),
        (
            ZeroDivisionError("division by zero"),
            "unexpected ZeroDivisionError: division by zero; please report",
        ),
    ],
)
def test_any_error_is_one_line(cli, monkeypatch, error, message):
    def fails(folder):
        raise error

    monkeypatch.setattr("textlattice.app.commands.predict.load", fails)
    ran = cli("predict", "model", "-")
    assert ran.code == 1
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_debug_shows_where(monkeypatch, capsys):
    from textlattice.app.main import main

    monkeypatch.setenv("TEXTLATTICE_DEBUG", "1")
    assert main(["predict", "nowhere", "-"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_light_commands_run_without_the_heavy_packages():
    blocked = (
        f"import sys; sys.modules.update(dict.fromkeys({HEAVY})); from textlattice.app.main import main; "
    )
    for words in (["--help"], ["graph", "--tokens", "40"], ["info", "--preset", "tiny"], ["train", "--help"]):
        ran = run_python(f"{blocked} sys.exit(main({words}))")
        assert (ran.returncode, ran.stderr) == (0, "")
    ran = run_python(f"{blocked} sys.exit(main(['train', 'builtin:docstrings', '-o', 'no-model']))")
    assert ran.returncode == 1
    assert ran.stderr.startswith(
        "textlattice: training needs the extra [train]; install it with: pip install"
    )
    assert ran.stderr.count("\n") == 1


def test_the_help_loads_nothing_heavy():
    loaded = "import sys; from textlattice.app.main import main; main(['--help']); "
    ran = run_python(f"{loaded} print('loaded', [name for name in {HEAVY} if name in sys.modules])")
    assert ran.stdout.endswith("loaded []\n")


def test_the_installed_command_answers_and_writes_no_colour_into_a_pipe():
    script = os.path.join(os.path.dirname(sys.executable), "textlattice")
    ran = subprocess.run([script, "graph", "--tokens", "20"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0
    assert "density" in ran.stdout
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(tiny_folder, tmp_path):
    table = tmp_path / "many.csv"
    table.write_text("text\n" + "we stayed: a film so hopeful\n" * 3000)
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "predict", str(tiny_folder), str(table)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith('{"label"')
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert errors.count("\n") <= 1
    assert "Traceback" not in errors
    assert "Exception" not in errors
