"""Forged language models, tokenizers and records: each is refused in one line, soon, and nobody outside is asked.

All cases of a kind run in one child process with limits on its address space and on the time of each case, its sockets
and processes watched, so that a hang, a panic or a request shows as a failure.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from encoders.models import write_bert
from reliability import forged_encoders, forged_tokenizers, forging

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny-format-1"
SECONDS = 20
"""For one case; most take some milliseconds, and other processes may keep the machine busy."""

CHILD = """
import faulthandler, json, os, resource, shutil, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
kind, place = sys.argv[2], Path(sys.argv[3])

import numpy as np
from textlattice.app.main import main
from textlattice.encoders.language_model import encoder_of_files, open_encoder
from textlattice.errors import TextlatticeError
from textlattice.tables.language_model import input_rows, open_language_model, output_rows
from textlattice.text.hf_tokenizer import FileTokenizer
from reliability import forged_encoders, forged_tokenizers, forging

SENTENCE = "An English sentence, " + "a" * 60 + " " * 60 + ", and 1,234 \\u6f22 \\ufdfa more!"
outside = []

def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "os.system",
                 "os.exec", "os.posix_spawn", "subprocess.Popen"):
        outside.append(event)

def cut(content):
    tokenizer = FileTokenizer(content)
    tokenizer(SENTENCE)
    tokenizer.pieces(SENTENCE)
    tokenizer.frame()

def read(files, tokenizer):
    encoder_of_files(files, tokenizer, num_layers=2).read(["a hopeless film " * 50])

def copied(name):
    shutil.rmtree(place / "case", ignore_errors=True)
    (place / "case").mkdir()
    return shutil.copytree(place / name, place / "case" / "model")

def table(folder):
    model = open_language_model(str(folder))
    output_rows(model, np.array([5]))
    input_rows(model, np.array([5]))

def cases():
    if kind == "tokenizers":
        for name, content in forged_tokenizers.crafted_tokenizers():
            yield name, lambda: cut(content)
        return
    encoder = open_encoder(place / "bert", "bert", num_layers=2)
    files, tokenizer = encoder.files(), encoder.tokenizer
    if kind == "settings":
        for name, change in forged_encoders.crafted_settings():
            saved = (place / "bert" / "config.json").read_bytes()
            for file, value in (("encoder.json", files["encoder.json"]), ("config.json", saved)):
                content = change if isinstance(change, bytes) else json.dumps(json.loads(value) | change).encode()
                if file == "encoder.json":
                    yield f"{name}, encoder.json", lambda: read(files | {file: content}, tokenizer)
                    continue
                folder = copied("bert")
                (folder / file).write_bytes(content)
                yield f"{name}, config.json", lambda: open_encoder(folder, "m", num_layers=2).read(["a film " * 50])
    if kind == "weights":
        for name, content in forged_encoders.crafted_encoder_weights(files["encoder.safetensors"]):
            yield name, lambda: read(files | {"encoder.safetensors": content}, tokenizer)
    if kind == "folders":
        for name, change in forged_encoders.crafted_folders():
            for use, what in ((lambda folder: open_encoder(folder, "m", num_layers=2), "encoder"), (table, "table")):
                folder = copied("bert")
                change(folder)
                yield f"{name}, {what}", lambda: use(folder)

resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
sys.addaudithook(hook)
for name, attempt in cases():
    faulthandler.dump_traceback_later(float(sys.argv[4]), exit=True)
    said, begin, before = None, time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        attempt()
    except TextlatticeError as error:
        said = str(error)
    except BaseException as error:
        said = f"not ours: {type(error).__name__}: {error}"
    seconds, grown = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"name": name, "said": said, "seconds": seconds, "kilobytes": grown, "outside": outside}))
    outside.clear()
faulthandler.cancel_dump_traceback_later()
"""


def outcomes(kind, place):
    """What became of each case, and what stood on stderr."""
    source = Path(forging.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, str(source), kind, str(place), str(SECONDS)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def is_refused(case):
    """Whether a case was refused in one line of ours, within memory, and asked nobody outside."""
    said = case["said"]
    in_one_line = said is not None and not said.startswith("not ours") and "\n" not in said
    return in_one_line and case["outside"] == [] and case["kilobytes"] < 400_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tokenizers", "settings", "weights", "folders"])
def test_what_is_forged_is_refused_in_one_line(kind, tmp_path):
    write_bert(tmp_path / "bert")
    found = outcomes(kind, tmp_path)
    assert len(found) > 40
    assert [case for case in found if not is_refused(case)] == []


@pytest.mark.slow
def test_records_are_shown_or_refused_in_one_line(tmp_path, capsys):
    import shutil

    from textlattice.app.main import main

    folder = shutil.copytree(GOLDEN, tmp_path / "model")
    for name, content in forging.crafted_records():
        forging.forge(folder, "training.json", content)
        for arguments in ([], ["--json"]):
            code = main(["info", str(folder), *arguments])
            ran = capsys.readouterr()
            assert "unexpected" not in ran.err, (name, ran.err)
            assert ran.err.count("\n") == (code != 0), (name, ran.err)
            assert len(ran.err) <= 500, name
            assert (code == 0) == bool(ran.out), name
            assert "\x1b" not in ran.out, name
            if arguments and not code:
                json.loads(ran.out)


def test_one_line_of_an_error_keeps_who_and_what_to_do(tmp_path, capsys):
    from textlattice.app.main import main

    folder = tmp_path / ("long" * 50) / ("path" * 50) / ("\u202e" * 50)
    folder.mkdir(parents=True)
    assert main(["info", str(folder / "none")]) == 1
    line = capsys.readouterr().err
    assert len(line) <= 500
    assert line.startswith("textlattice: ")
    assert line.endswith("or train one with 'textlattice train SOURCE -o DIR'.\n")
    assert " ... " in line


def test_pipes_are_not_waited_for(tmp_path):
    from textlattice.app.tokenizers import named_tokenizer
    from textlattice.errors import ArtefactError, DataError
    from textlattice.runtime.token_table import read_token_table

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ArtefactError, match="expected a plain file, got a pipe, a socket or a device; put"):
        read_token_table(pipe)
    with pytest.raises(DataError, match="expected a plain file, got a pipe, a socket or a device; put"):
        named_tokenizer(str(pipe))


def test_settings_on_the_command_line_of_any_length(capsys):
    from textlattice.app.main import main

    for value in ("9" * 5_000, "1e999", "[" * 50_000, "-" + "9" * 400, '{"a": 1}', "\x1b[2J"):
        assert main(["info", "--preset", "tiny", "--set", f"model.channels={value}"]) == 1
        line = capsys.readouterr().err
        assert line.startswith("textlattice: model.channels must be ")
        assert len(line) <= 500
        assert line.count("\n") == 1


def test_patterns():
    from textlattice.text.tokenizer_json import is_harmless

    assert not [pattern for pattern in forged_tokenizers.RUNAWAY if is_harmless(pattern)]
    assert not [pattern for pattern in forged_tokenizers.HARMLESS if not is_harmless(pattern)]


def test_generators_name_each_case_once():
    for crafted in (
        forged_tokenizers.crafted_tokenizers(),
        forged_encoders.crafted_settings(),
        forged_encoders.crafted_folders(),
        forging.crafted_settings(),
        forging.crafted_records(),
    ):
        names = [name for name, _ in crafted]
        assert len(names) == len(set(names))
