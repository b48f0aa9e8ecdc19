"""Tries forged language models and tokenizers: all cases of a kind in one child process.

It limits its address space and the time of each case, and watches its sockets and processes, so that a hang, a panic or
a request shows as a failure.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from encoders.models import write_bert

KINDS = {
    "tokenizers": "tokenizer files",
    "settings": "settings of a language model",
    "weights": "weights of a language model",
    "folders": "folders of a language model",
}
"""What is forged, and how a figure calls it."""
SECONDS = 20
"""For one case; most take some milliseconds, and other processes may keep the machine busy."""
KILOBYTES = 400_000
"""By which memory may grow in one case."""

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


def outcomes(kind: str, place: Path) -> list[dict[str, Any]]:
    """What becomes of each case of a kind; the honest model is written into `place`."""
    write_bert(place / "bert")
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, str(tests), kind, str(place), str(SECONDS)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def is_refused(case: dict[str, Any]) -> bool:
    """Whether a case was refused in one line of ours, within memory, and asked nobody outside."""
    said = case["said"]
    in_one_line = said is not None and not said.startswith("not ours") and "\n" not in said
    return in_one_line and case["outside"] == [] and case["kilobytes"] < KILOBYTES
