"""Export: the exported folder answers as the trained one does, and says so itself."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from textlattice.app.loading import load
from textlattice.errors import ArtefactError, MissingExtraError
from textlattice.runtime.onnx_sizes import OPERATORS
from textlattice.runtime.training_texts import read_training_texts

pytestmark = pytest.mark.slow  # the exporter alone takes ten seconds

EXPORT = """
import json, sys
from pathlib import Path
import numpy as np, torch
from textlattice.app.loading import load
from textlattice.export import onnx
from textlattice.runtime.onnx_backend import CLASSIFY, ENCODE_FORMS, batch_inputs, form_inputs
from textlattice.batch.text_batch import map_arrays
from textlattice.text.document import read_document

source, target = map(Path, sys.argv[1:])
onnx.export_folder(source, target)

predictor = load(source)
model = predictor.engine.backend.model
documents = [predictor.reader.read(text) for text in ("we left", "so, so")]
batch = predictor.engine.collator.collate(documents)
programs = onnx.traced_steps(model, batch)
tensors = map_arrays(batch, torch.from_numpy)
vectors = programs[ENCODE_FORMS].module()(**form_inputs(tensors.forms))
logits = programs[CLASSIFY].module()(**batch_inputs(tensors, vectors))
with torch.inference_mode():
    print(json.dumps(float((logits - model(tensors)).abs().max())))
"""  # a child process: the hook that checks shapes in tests stands in the way of the tracer

TEXTS = [
    "we stayed: a film",
    "?",
    "never again: " * 90,
    "日本語 👍🏽 שלום",
    "unbekannt",
    "",
    "the the the the the the the",
]


@pytest.fixture(scope="module")
def exported(tiny_folder, tmp_path_factory):
    """The exported folder, and how far `torch.export` alone is from the model."""
    return export(tiny_folder, tmp_path_factory.mktemp("exported") / "tiny")


def export(source, target):
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, str(source), str(target)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target, done


def test_both_steps_pass_torch_export(exported):
    assert json.loads(exported[1].stdout) < 1e-6


def test_an_export_says_nothing(exported):
    assert len(exported[1].stdout.splitlines()) == 1  # our own print
    assert exported[1].stderr == ""


@pytest.mark.parametrize("texts", [TEXTS, *([text] for text in TEXTS)], ids=lambda texts: repr(texts)[:20])
def test_answers_are_those_of_the_trained_folder(tiny_folder, exported, texts):
    trained, light = load(tiny_folder), load(exported[0])
    np.testing.assert_allclose(light.probabilities(texts), trained.probabilities(texts), rtol=0, atol=1e-5)
    assert light.predict(texts) == trained.predict(texts)


def test_a_folder_with_a_token_table(injected_folder, kindred, tmp_path):
    target, done = export(injected_folder, tmp_path / "exported")
    assert json.loads(done.stdout) < 1e-6
    trained, light = load(injected_folder), load(target)
    assert "injected" in {item.name for item in light.engine.backend._classify.get_inputs()}
    texts = [*kindred.test_texts, "nothing known", ""]
    np.testing.assert_allclose(light.probabilities(texts), trained.probabilities(texts), rtol=0, atol=1e-5)
    assert light.predict(kindred.test_texts) == kindred.test_labels
    assert (target / "README.md").read_text().count("words that were not learned here") == 1


def test_a_batch_without_ngrams_or_subwords_runs(tiny_folder, exported):
    predictor = load(tiny_folder)
    trained, light = predictor.engine.backend, load(exported[0]).engine.backend
    batch = predictor.engine.collator.collate([predictor.reader.read("q")])
    assert len(batch.ngrams.row) == 0
    assert len(batch.forms.subwords) == 1  # `<q>`
    forms = type(batch.forms)(
        characters=batch.forms.characters,
        form_index=batch.forms.form_index,
        form_ptr=batch.forms.form_ptr,
        subwords=batch.forms.subwords[:0],
        subword_index=batch.forms.subword_index[:0],
        subword_ptr=np.zeros(2, np.int32),
    )
    vectors = light.encode_forms(forms)
    np.testing.assert_allclose(vectors, trained.encode_forms(forms), atol=1e-6)
    np.testing.assert_allclose(light.classify(batch, vectors), trained.classify(batch, vectors), atol=1e-5)


def test_the_folder_keeps_its_records_and_holds_no_paths(tiny_folder, exported):
    folder = exported[0]
    assert (folder / "training.json").read_bytes() == (tiny_folder / "training.json").read_bytes()
    record = json.loads((folder / "export.json").read_text())
    assert set(record["versions"]) >= {"textlattice", "torch", "onnx", "onnxruntime"}
    assert record["parity"]["max_difference"] <= record["parity"]["allowed"] == 1e-4
    assert record["parity"]["num_texts"] == 8
    for name in ("encode_forms.onnx", "classify.onnx"):
        assert b"site-packages" not in (folder / name).read_bytes()
    assert "ONNX" in (folder / "README.md").read_text()


def test_what_cannot_be_exported_is_refused(tiny_folder, exported, tmp_path):
    from textlattice.export.onnx import export_folder

    with pytest.raises(ArtefactError, match="expected another folder than the source"):
        export_folder(tiny_folder, tiny_folder / ".." / tiny_folder.name)
    with pytest.raises(ArtefactError, match="expected a trained folder, got one that is exported"):
        export_folder(exported[0], tmp_path / "again")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(ArtefactError, match=r"letter\.txt"):
        export_folder(tiny_folder, tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_graphs_that_differ_are_not_written(tiny_folder, tmp_path, monkeypatch):
    from textlattice.errors import TextlatticeError
    from textlattice.export import onnx

    monkeypatch.setattr(onnx, "export_model", lambda model, example: {})
    for difference in (2e-4, float("nan")):
        monkeypatch.setattr(onnx, "largest_difference", lambda *_, value=difference: value)
        with pytest.raises(
            TextlatticeError, match=r"within 0\.0001 of PyTorch's, got a difference of .*nothing"
        ):
            onnx.export_folder(tiny_folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.delitem(sys.modules, "textlattice.export.onnx", raising=False)
    with pytest.raises(MissingExtraError, match=r"export to ONNX needs the extra \[train,export\]"):
        import textlattice.export.onnx  # noqa: F401


@pytest.mark.parametrize("kind", ["topics", "stars"])
def test_other_kinds_of_task_are_exported_whole(request, tmp_path, kind):
    source = request.getfixturevalue(f"{kind}_folder")
    export(source, tmp_path / "exported")
    trained, exported = load(source), load(tmp_path / "exported")
    assert exported.task == trained.task
    texts = [*TEXTS, "page 3 tells of waves and cannon", "evening 3: superb and radiant"]
    np.testing.assert_allclose(exported.probabilities(texts), trained.probabilities(texts), atol=1e-5)
    assert exported.predict(texts) == trained.predict(texts)
    digests = read_training_texts(tmp_path / "exported")
    assert digests.tolist() == read_training_texts(source).tolist()


VARIANTS = """
import json, sys
import numpy as np, torch
from textlattice.batch.collate import Collator
from textlattice.export import onnx
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.presets import preset
from textlattice.runtime.onnx_backend import OnnxBackend, graph_bounds
from textlattice.runtime.onnx_graph import read_graph
from textlattice.text.vocabulary import Vocabulary

base, tiny = preset("base"), preset("tiny")
table, wide = {"model.injected_channels": 24}, {"model.channels": 128, "model.char_channels": 96}
variants = [  # settings, outputs, known words and n-grams, whether weights are drawn or as they begin
    (base, 2, 50, True),
    (base.with_settings({"model.graph_attention": False, **wide, **table}), 3, 50, True),
    (tiny, 2, 50, False),
    (tiny.with_settings({"graph.num_kept_edges": 0, "text.subword_lengths": ()}), 1, 0, False),
    (tiny.with_settings({"model.num_heads": 1, "graph.num_random_edges": (0, 5), **table}), 500, 50, True),
]
seen = []
for config, num_outputs, num_known, are_drawn in variants:
    num_injected = 11 if config.model.injected_channels else 0
    torch.manual_seed(0)
    model = CnnGnnClassifier(
        config, num_outputs=num_outputs, num_words=num_known, num_ngrams=num_known, num_injected=num_injected
    ).eval()
    if are_drawn:  # biases of zeros are left out of a graph
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data.copy_(0.1 * torch.randn_like(tensor))
    words, injected = (np.arange(number, dtype=np.uint64) for number in (num_known, num_injected))
    vocabulary = Vocabulary(words=words, ngrams=words, injected=injected)
    batches = list(onnx._check_batches(Collator(text=config.text, graph=config.graph, vocabulary=vocabulary)))
    files = onnx.export_model(model, batches[-1])
    OnnxBackend(files, config, num_outputs)
    for content in files.values():
        nodes = read_graph(content, 10**6).nodes
        assert 1.25 * len(nodes) < graph_bounds(config, num_outputs).nodes
        seen += [[n.operator, len(n.inputs), sorted(n.attributes.items())] for n in nodes]
print(json.dumps(seen))
"""


def test_every_variant_is_accepted_and_every_operator_in_the_list_is_written():
    done = subprocess.run(
        [sys.executable, "-c", VARIANTS],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = {}
    for name, num_inputs, attributes in json.loads(done.stdout):
        takes, values = written.setdefault(name, (set(), {}))
        takes.add(num_inputs)
        for key, value in attributes:
            values.setdefault(key, set()).add(value)
    assert written.keys() == OPERATORS.keys()
    for name, operator in OPERATORS.items():
        takes, values = written[name]
        assert takes == set(operator.takes) or name == "Concat"  # as many as a token has slots
        assert values.keys() == operator.attributes.keys(), name
        for key, allowed in operator.attributes.items():
            assert values[key] == set(allowed) or not allowed, (name, key)
