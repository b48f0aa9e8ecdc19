"""ONNX Runtime as an engine: an exported model on a plain CPU, without PyTorch."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from textlattice.batch.text_batch import Forms, TextBatch
from textlattice.config import CnnGnnConfig, Config
from textlattice.errors import ArtefactError
from textlattice.runtime.onnx_graph import BOOL, FLOAT, INT32, LARGE, GraphFault, OnnxGraph, Value, read_graph
from textlattice.runtime.onnx_sizes import Bounds, check_sizes

ENCODE_FORMS = "encode_forms.onnx"
CLASSIFY = "classify.onnx"
OUTPUT = {ENCODE_FORMS: "vectors", CLASSIFY: "logits"}
"""The one output of each graph."""
MANY_ROWS = 131_072
"""After a batch of more characters or tokens than this, memory is given back."""

_INPUTS = {
    ENCODE_FORMS: ("characters", "form_index", "form_ptr", "subwords", "subword_index", "subword_ptr"),
    CLASSIFY: (
        *("vectors", "form", "word", "doc_ptr", "doc_index"),
        *("neighbours1", "mask1", "neighbours2", "mask2", "ngram_row", "ngram_doc"),
        "injected",
    ),
}


class OnnxBackend:
    """Runs the two graphs of an exported folder. Safe for use by several threads.

    A run takes one thread: with more, ONNX Runtime adds rows to the same place at once and loses some.
    Batches in threads of their own use more cores.

    Args:
        files: Bytes of `encode_forms.onnx` and `classify.onnx`, by name; others are ignored. A graph that does not
            look like what `export` writes for these settings never reaches ONNX Runtime.
        config: Settings of a CNN-GNN.
        num_outputs: Logits a document.

    Raises:
        ArtefactError: A graph is missing or not one of ours.
    """

    def __init__(self, files: Mapping[str, bytes], config: Config, num_outputs: int) -> None:
        self._widths = {ENCODE_FORMS: config.model.channels, CLASSIFY: num_outputs}
        inputs, bounds = _expected_inputs(config), graph_bounds(config, num_outputs)
        self._encode, self._classify = (
            _session(files, name, inputs[name], self._widths[name], bounds)
            for name in (ENCODE_FORMS, CLASSIFY)
        )

    @property
    def form_channels(self) -> int:
        """Width of a form's vector."""
        return self._widths[ENCODE_FORMS]

    def encode_forms(self, forms: Forms[np.ndarray]) -> Float[np.ndarray, "num_forms channels"]:
        """One vector a distinct token, float32."""
        shape = (len(forms.form_ptr) - 1, self._widths[ENCODE_FORMS])
        return _run(self._encode, ENCODE_FORMS, form_inputs(forms), shape)

    def classify(
        self, batch: TextBatch[np.ndarray], vectors: Float[np.ndarray, "num_forms channels"]
    ) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of each document, float32."""
        shape = (len(batch.documents.doc_ptr) - 1, self._widths[CLASSIFY])
        return _run(self._classify, CLASSIFY, batch_inputs(batch, vectors), shape)


def form_inputs(forms: Forms[Any]) -> dict[str, Any]:
    """The inputs of `encode_forms.onnx`, by name."""
    return {name: getattr(forms, name) for name in _INPUTS[ENCODE_FORMS]}


def batch_inputs(batch: TextBatch[Any], vectors: Any) -> dict[str, Any]:
    """The inputs of `classify.onnx`, by name; `injected` only where there is a token table."""
    assert batch.ngrams is not None
    values = (
        *(vectors, batch.tokens.form, batch.tokens.word, batch.documents.doc_ptr, batch.documents.doc_index),
        *(batch.graph1.neighbours, batch.graph1.mask, batch.graph2.neighbours, batch.graph2.mask),
        *(batch.ngrams.row, batch.ngrams.doc_index, batch.tokens.injected),
    )
    inputs = dict(zip(_INPUTS[CLASSIFY], values, strict=True))
    return {name: value for name, value in inputs.items() if value is not None}


def graph_bounds(config: Config, num_outputs: int) -> Bounds:
    """What an exported graph may take: about twice what `export` writes for these settings."""
    model, graph = config.model, config.graph
    assert isinstance(model, CnnGnnConfig)
    degrees = graph.degree(0), graph.degree(1) + graph.num_kept_edges
    slots = sum(degrees)
    widest = max(
        *(3 * model.channels, 2 * model.char_channels, model.injected_channels, model.head_channels),
        *(num_outputs, max(degrees) * model.num_heads, graph.num_kept_edges * graph.degree(1)),
    )
    nodes = 256 + 32 * slots
    return Bounds(
        nodes=nodes,
        per_row=widest,
        per_row_together=nodes + 16 * slots * model.channels + 64 * widest,
        cut_weights=64 * max(model.channels, model.char_channels) ** 2,
    )


def _expected_inputs(config: Config) -> dict[str, dict[str, Value]]:
    """The inputs of each graph, by its name and theirs."""
    inputs = {graph: dict.fromkeys(names, Value(INT32, (None,))) for graph, names in _INPUTS.items()}
    inputs[CLASSIFY]["vectors"] = Value(FLOAT, (None, config.model.channels))
    for block in (1, 2):
        degree = config.graph.degree(block - 1)
        inputs[CLASSIFY][f"neighbours{block}"] = Value(INT32, (None, degree))
        inputs[CLASSIFY][f"mask{block}"] = Value(BOOL, (None, degree))
    if not config.model.table_channels:
        del inputs[CLASSIFY]["injected"]
    return inputs


def _read_checked(
    data: bytes, output: str, inputs: Mapping[str, Value], width: int, bounds: Bounds
) -> OnnxGraph:
    """The graph of a file; raises `GraphFault` where it does not lead from these inputs to this output."""
    graph = read_graph(data, 4_096 + 16 * bounds.nodes)
    for name, value in graph.inputs.items():
        if value != inputs.get(name):
            raise GraphFault(f"an input {name!r} of type {value.type} and shape {value.dims}")
    if graph.outputs != {output: Value(FLOAT, (None, width))}:
        raise GraphFault(f"other outputs than {output!r} alone with {width} numbers a row")
    if check_sizes(graph, bounds) != {output: (None, width)}:
        raise GraphFault(f"an output {output!r} of another shape than it says")
    return graph


def _session(
    files: Mapping[str, bytes], name: str, inputs: Mapping[str, Value], width: int, bounds: Bounds
) -> Any:
    import onnxruntime

    if name not in files:
        raise ArtefactError(f"the model folder has no {name}; copy or export the model again.")
    try:
        graph = _read_checked(files[name], OUTPUT[name], inputs, width, bounds)
    except GraphFault as fault:
        raise ArtefactError(
            f"{name}: expected a graph as 'textlattice export' writes it for config.json, got {fault}; export the "
            "model again, and do not trust this folder unless you know who wrote it."
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a pattern would be kept for every size of batch
    options.log_severity_level = 4
    large = {name: array for name, array in graph.constants.items() if array.nbytes >= LARGE}
    # Nothing lies in this folder, should a way of naming a file ever get past the check above.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        if large:
            numbers = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in large.values()]
            options.add_external_initializers(list(large), numbers)
        return onnxruntime.InferenceSession(
            graph.content,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # there is none, and it would print
        )
    except Exception as error:  # ONNX Runtime's errors share no base of their own
        reason = _first_line(error)
        raise ArtefactError(
            f"{name}: expected a graph for ONNX Runtime, got: {reason}; export the model again."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _run(session: Any, name: str, inputs: Mapping[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.RunOptions()
    if max(map(len, inputs.values())) > MANY_ROWS:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    used = {item.name: inputs[item.name] for item in session.get_inputs()}
    try:
        result: np.ndarray = session.run([OUTPUT[name]], used, options)[0]
    except Exception as error:  # rows that the graph has not, for one
        reason = _first_line(error)
        raise ArtefactError(
            f"{name}: expected a graph that fits config.json and the vocabulary, got: {reason}; export the "
            "model again."
        ) from error
    if result.dtype != np.float32 or result.shape != shape:
        raise ArtefactError(
            f"{name}: expected {shape[0]} rows of {shape[1]} numbers, float32, got {result.dtype} "
            f"{list(result.shape)}; export the model again."
        )
    return result
