"""The ONNX engine: what it accepts, what it refuses, and that threads do not disturb one another."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from textlattice.batch.text_batch import Documents, Forms, Graph, Ngrams, TextBatch, Tokens
from textlattice.errors import ArtefactError
from textlattice.presets import preset
from textlattice.runtime import onnx_backend
from textlattice.runtime.onnx_backend import CLASSIFY, ENCODE_FORMS, OnnxBackend
from textlattice.runtime.onnx_graph import OnnxGraph

WIDTH = 3
CONFIG = preset("tiny").with_settings({"model.channels": WIDTH, "model.num_heads": 1})


def backend(files):
    """The engine of a model whose vectors and logits are equally wide."""
    return OnnxBackend(files, CONFIG, WIDTH)


def graph_bytes(nodes, inputs, output, *, initializer=(), shape=("m", WIDTH)):
    """A graph that turns some of our inputs into one output of fixed width."""
    types = {"vectors": TensorProto.FLOAT}
    graph = helper.make_graph(
        nodes,
        "graph",
        [
            helper.make_tensor_value_info(
                name, types.get(name, TensorProto.INT32), ["n", WIDTH] if name in types else ["n"]
            )
            for name in inputs
        ],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        initializer=list(initializer),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def spelling_graph():
    """Vectors are rows of the identity, by character: one character a form."""
    table = numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "table")
    node = helper.make_node("Gather", ["table", "characters"], ["vectors"])
    return graph_bytes([node], ["characters"], "vectors", initializer=[table])


def classify_graph():
    """The logits of a document are the sum of its tokens' vectors, and of nothing else."""
    nodes = [
        helper.make_node("Gather", ["vectors", "form"], ["rows"]),
        helper.make_node("Shape", ["doc_ptr"], ["bounds"]),
        helper.make_node("Sub", ["bounds", "one"], ["num_docs"]),
        helper.make_node("Concat", ["num_docs", "width"], ["shape"], axis=0),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Cast", ["doc_index"], ["owner"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["owner", "one"], ["places"]),
        helper.make_node("ScatterND", ["zeros", "places", "rows"], ["logits"], reduction="add"),
    ]
    numbers = [
        numpy_helper.from_array(np.array([value], np.int64), name)
        for name, value in (("one", 1), ("width", WIDTH))
    ]
    return graph_bytes(nodes, ["vectors", "form", "doc_ptr", "doc_index"], "logits", initializer=numbers)


FILES = {ENCODE_FORMS: spelling_graph(), CLASSIFY: classify_graph(), "config.json": b"{}"}


FLAT = graph_bytes(
    [helper.make_node("Cast", ["characters"], ["vectors"], to=TensorProto.FLOAT)],
    ["characters"],
    "vectors",
    shape=["n"],
)


def int32(values):
    return np.array(values, np.int32)


def forms(characters):
    bounds = np.arange(len(characters) + 1, dtype=np.int32)
    none = int32([])
    return Forms(
        characters=int32(characters),
        form_index=bounds[:-1],
        form_ptr=bounds,
        subwords=none,
        subword_index=none,
        subword_ptr=np.zeros_like(bounds),
    )


def batch(form, doc_ptr):
    doc_index = np.repeat(np.arange(len(doc_ptr) - 1, dtype=np.int32), np.diff(doc_ptr))
    table = Graph(neighbours=np.zeros((len(form), 2), np.int32), mask=np.ones((len(form), 2), bool))
    return TextBatch(
        forms=None,
        tokens=Tokens(form=int32(form), word=np.zeros(len(form), np.int32)),
        documents=Documents(doc_ptr=int32(doc_ptr), doc_index=doc_index),
        graph1=table,
        graph2=table,
        ngrams=Ngrams(row=int32([]), doc_index=int32([])),
    )


def test_two_steps_of_any_size():
    engine = backend(FILES)
    assert engine.form_channels == WIDTH
    vectors = engine.encode_forms(forms([2, 0]))
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(
        engine.classify(batch([0, 1, 1], [0, 1, 3]), vectors), [[0, 0, 1], [2, 0, 0]]
    )
    np.testing.assert_array_equal(engine.classify(batch([1], [0, 1]), vectors), [[1, 0, 0]])


def test_many_rows_are_all_counted(monkeypatch):
    """On several threads ONNX Runtime would lose some of these."""
    engine = backend(FILES)
    many = batch(np.zeros(300_000, np.int32), [0, 300_000])
    vectors = np.ones((1, WIDTH), np.float32)
    for limit in (onnx_backend.MANY_ROWS, 10**9):  # with memory given back and without
        monkeypatch.setattr(onnx_backend, "MANY_ROWS", limit)
        for _ in range(5):
            np.testing.assert_array_equal(engine.classify(many, vectors), np.full((1, WIDTH), 300_000))


def test_threads_do_not_disturb_one_another():
    engine = backend(FILES)
    vectors = np.eye(WIDTH, dtype=np.float32)
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda n: engine.classify(batch([n % 3] * n, [0, n]), vectors)[0], range(1, 60))
        )
    for n, result in enumerate(results, 1):
        np.testing.assert_array_equal(result, n * vectors[n % 3])


def external_graph(location):
    table = numpy_helper.from_array(np.zeros((64, WIDTH), np.float32), "table")
    table.ClearField("raw_data")
    table.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(64 * WIDTH * 4))):
        table.external_data.add(key=key, value=value)
    node = helper.make_node("Gather", ["table", "characters"], ["vectors"])
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("characters", TensorProto.INT32, ["n"])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", WIDTH])],
        initializer=[table],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    ).SerializeToString()


@pytest.mark.parametrize("is_read", [True, False], ids=["our reading", "the empty folder alone"])
@pytest.mark.parametrize("place", ["weights.bin", "{here}/weights.bin", "../{name}/weights.bin"])
def test_weights_in_another_file_are_refused(tmp_path, monkeypatch, place, is_read):
    (tmp_path / "weights.bin").write_bytes(bytes(64 * WIDTH * 4))
    monkeypatch.chdir(tmp_path)
    content = external_graph(place.format(here=tmp_path, name=tmp_path.name))
    reason = "expected a graph as 'textlattice export' writes it"
    if not is_read:
        unread = OnnxGraph(inputs={}, outputs={}, constants={}, nodes=[], content=content)
        monkeypatch.setattr(onnx_backend, "_read_checked", lambda *_: unread)
        reason = "expected a graph for ONNX Runtime, got"
    with pytest.raises(ArtefactError, match=reason):
        backend(FILES | {ENCODE_FORMS: content})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"has no encode_forms\.onnx"),
        ({ENCODE_FORMS: FILES[ENCODE_FORMS]}, r"has no classify\.onnx"),
        (FILES | {CLASSIFY: b"no graph"}, r"classify\.onnx: expected a graph as .* writes it"),
        (FILES | {CLASSIFY: b""}, r"classify\.onnx: expected a graph as .*, got operators of another"),
        (FILES | {CLASSIFY: FILES[ENCODE_FORMS]}, "got an input 'characters' of type 6"),
        (FILES | {ENCODE_FORMS: FLAT}, "got other outputs than 'vectors' alone with 3 numbers a row"),
    ],
)
def test_a_folder_that_is_not_ours_is_refused(files, message):
    with pytest.raises(ArtefactError, match=message):
        backend(files)


def test_an_answer_of_another_shape_is_refused():
    """ONNX Runtime believes the shape that a graph says of itself: here it gives a row a token, not a document."""
    node = helper.make_node("Gather", ["vectors", "form"], ["logits"])
    engine = backend(FILES | {CLASSIFY: graph_bytes([node], ["vectors", "form"], "logits")})
    vectors = np.eye(WIDTH, dtype=np.float32)
    engine.classify(batch([0], [0, 1]), vectors)
    with pytest.raises(
        ArtefactError, match=r"classify\.onnx: expected 1 rows of 3 numbers, float32, got float32 \[2, 3\]"
    ):
        engine.classify(batch([0, 1], [0, 2]), vectors)


def test_a_graph_that_asks_for_a_token_table_the_settings_have_not_is_refused():
    node = helper.make_node("Gather", ["vectors", "injected"], ["logits"])
    with pytest.raises(ArtefactError, match="got an input 'injected'"):
        backend(FILES | {CLASSIFY: graph_bytes([node], ["vectors", "injected"], "logits")})


def test_nothing_heavy_is_imported():
    code = (
        "import sys; import textlattice.runtime.onnx_backend; "
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
