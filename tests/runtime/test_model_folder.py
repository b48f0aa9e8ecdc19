import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

from textlattice.artefact.folder import read_folder, write_folder
from textlattice.artefact.tensors import pack_tensors
from textlattice.errors import ArtefactError
from textlattice.presets import preset
from textlattice.runtime.model_folder import read_model_folder, write_model_folder
from textlattice.task import Task
from textlattice.text.vocabulary import Vocabulary

TASK = Task(labels=("a", "b"), priors=(0.25, 0.75), temperature=1.5)
VOCABULARY = Vocabulary(words=np.array([3, 9], np.uint64), ngrams=np.array([1, 2**64 - 1], np.uint64))


@pytest.fixture
def folder(tmp_path):
    write_model_folder(
        tmp_path / "model",
        engine="torch",
        config=preset("tiny"),
        task=TASK,
        vocabulary=VOCABULARY,
        engine_files={"model.safetensors": b"weights"},
        records={"training.json": {"name": "größer"}},
        card="# A card",
    )
    return tmp_path / "model"


def test_round_trip(folder):
    saved = read_model_folder(folder)
    assert saved.engine == "torch"
    assert saved.config == preset("tiny")
    assert saved.task == TASK
    assert np.array_equal(saved.vocabulary.words, VOCABULARY.words)
    assert np.array_equal(saved.vocabulary.ngrams, VOCABULARY.ngrams)
    assert saved.folder.read("model.safetensors") == b"weights"
    assert saved.collator.text == preset("tiny").text
    assert json.loads((folder / "training.json").read_text(encoding="utf-8")) == {"name": "größer"}
    assert (folder / "README.md").read_text() == "# A card"


def test_a_token_table_is_kept_and_an_older_folder_has_none(folder, tmp_path):
    assert b"injected" not in (folder / "vocabulary.safetensors").read_bytes()
    assert read_model_folder(folder).vocabulary.injected.tolist() == []
    write_model_folder(
        tmp_path / "model",
        engine="torch",
        config=preset("tiny").with_settings({"model.injected_channels": 4}),
        task=TASK,
        vocabulary=dataclasses.replace(VOCABULARY, injected=np.array([7, 8], np.uint64)),
        engine_files={},
        records={},
        card="",
    )
    assert read_model_folder(folder).vocabulary.injected.tolist() == [7, 8]


@pytest.mark.parametrize("wrong", ["config", "vocabulary"])
def test_a_token_table_without_a_width_or_the_other_way_round(folder, wrong):
    if wrong == "config":
        content = config_with(folder, lambda v: v["config"]["model"].update(injected_channels=4))
        rewrite(folder, "config.json", content)
        message = r"0 keys under 'injected' and model\.injected_channels=4; save the model again"
    else:
        arrays = {"words": VOCABULARY.words, "ngrams": VOCABULARY.ngrams, "injected": VOCABULARY.words}
        rewrite(folder, "vocabulary.safetensors", pack_tensors(arrays))
        message = r"2 keys under 'injected' and model\.injected_channels=0; save the model again"
    with pytest.raises(ArtefactError, match=message):
        read_model_folder(folder)


def rewrite(folder, name, content):
    """The folder with another file in it, its manifest made anew, so that only the content is wrong."""
    files = {item.name: item.read_bytes() for item in folder.iterdir() if item.name != "manifest.json"}
    shutil.rmtree(folder)
    write_folder(folder, files | {name: content})
    assert hashlib.sha256(read_folder(folder).read(name)).digest() == hashlib.sha256(content).digest()


def config_with(folder, change):
    values = json.loads((folder / "config.json").read_text())
    change(values)
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("task"), "expected the keys config, engine, task"),
        (lambda v: v.update(extra=1), "expected the keys config, engine, task"),
        (lambda v: v.update(engine="pickle"), "the engine torch or onnx"),
        (
            lambda v: v["config"]["model"].update(depth=3),
            r"config\.json: unknown setting config\.model\.depth",
        ),
        (lambda v: v["config"]["model"].update(channels="64"), "channels must be int, got '64'"),
        (lambda v: v["task"].update(temperature=0), "temperature must be positive"),
        (lambda v: v["task"].update(temperature="hot"), r"task\.temperature must be float, got 'hot'"),
        (lambda v: v["task"].update(labels=["a", 1]), r"task\.labels must be str, got 1"),
        (lambda v: v["task"].pop("labels"), "task must have the keys"),
    ],
)
def test_settings_that_cannot_be_used(folder, change, message):
    rewrite(folder, "config.json", config_with(folder, change))
    with pytest.raises(ArtefactError, match=message):
        read_model_folder(folder)


@pytest.mark.parametrize(
    "arrays",
    [
        {"words": VOCABULARY.words},
        {"words": VOCABULARY.words, "ngrams": np.array([2, 1], np.uint64)},
        {"words": VOCABULARY.words, "ngrams": np.array([2, 2], np.uint64)},
        {"words": VOCABULARY.words, "ngrams": np.array([1.0, 2.0])},
        {"words": VOCABULARY.words[None], "ngrams": VOCABULARY.ngrams},
        {"words": VOCABULARY.words, "ngrams": VOCABULARY.ngrams, "injected": VOCABULARY.ngrams[::-1]},
    ],
    ids=["missing", "not sorted", "repeated", "no integers", "two dimensions", "injected"],
)
def test_keys_that_cannot_be_searched(folder, arrays):
    rewrite(folder, "vocabulary.safetensors", pack_tensors(arrays))
    with pytest.raises(
        ArtefactError, match=r"expected ascending 64-bit keys under '(words|ngrams|injected)'"
    ):
        read_model_folder(folder)


def test_a_changed_file_is_refused(folder):
    (folder / "model.safetensors").write_bytes(b"weightz")
    with pytest.raises(ArtefactError, match=r"model\.safetensors"):
        read_model_folder(folder)


def test_no_folder(tmp_path):
    with pytest.raises(ArtefactError):
        read_model_folder(tmp_path / "nothing")


def test_labels_that_need_too_many_bytes_are_refused_before_they_are_written(tmp_path):
    with pytest.raises(
        ArtefactError, match=r"of at most 4194304 bytes, got \d+; use fewer labels or shorter"
    ):
        write_model_folder(
            tmp_path / "model",
            engine="torch",
            config=preset("tiny"),
            task=Task(labels=("a" * 5_000_000, "b"), priors=(0.5, 0.5)),
            vocabulary=VOCABULARY,
            engine_files={},
            records={},
            card="",
        )
    assert not (tmp_path / "model").exists()
