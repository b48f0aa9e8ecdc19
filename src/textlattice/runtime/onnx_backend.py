"""ONNX Runtime as an engine: an exported model on a plain CPU, without PyTorch."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from textlattice.batch.text_batch import Forms, TextBatch
from textlattice.errors import ArtefactError

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
        files: Bytes of `encode_forms.onnx` and `classify.onnx`, by name; others are passed over. They hold
            all weights themselves: a graph that points to another file is refused.

    Raises:
        ArtefactError: A graph is missing or not one of ours.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._encode = _session(files, ENCODE_FORMS)
        self._classify = _session(files, CLASSIFY)

    @property
    def form_channels(self) -> int:
        """Width of a form's vector."""
        return int(self._encode.get_outputs()[0].shape[1])

    def encode_forms(self, forms: Forms[np.ndarray]) -> Float[np.ndarray, "num_forms channels"]:
        """One vector a distinct token, float32."""
        return _run(self._encode, ENCODE_FORMS, form_inputs(forms))

    def classify(
        self, batch: TextBatch[np.ndarray], vectors: Float[np.ndarray, "num_forms channels"]
    ) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of each document, float32."""
        return _run(self._classify, CLASSIFY, batch_inputs(batch, vectors))


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


def _session(files: Mapping[str, bytes], name: str) -> Any:
    import onnxruntime

    if name not in files:
        raise ArtefactError(f"the model folder has no {name}; copy or export the model again.")
    if b"location" in files[name]:  # the key under which ONNX names a file of weights
        raise ArtefactError(
            f"{name}: expected all weights inside, got a graph that points to another file; do not trust "
            "this folder unless you know who wrote it."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a pattern would be kept for every size of batch
    options.log_severity_level = 4
    # Nothing lies in this folder, whatever way of naming a file the check above does not know.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        session = onnxruntime.InferenceSession(
            files[name],
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # there is none, and it would print
        )
        inputs = [item.name for item in session.get_inputs()]
        outputs = {item.name: item.shape for item in session.get_outputs()}
    except Exception as error:  # ONNX Runtime's errors share no base of their own
        reason = _first_line(error)
        raise ArtefactError(
            f"{name}: expected a graph for ONNX Runtime, got: {reason}; export the model again."
        ) from error
    shape = outputs.get(OUTPUT[name], ())
    if not set(inputs) <= set(_INPUTS[name]) or len(shape) != 2 or not isinstance(shape[1], int):
        raise ArtefactError(
            f"{name}: expected inputs among {', '.join(_INPUTS[name])} and an output {OUTPUT[name]!r} of "
            f"fixed width, got {', '.join(inputs)} and {outputs}; export the model again."
        )
    return session


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _run(session: Any, name: str, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
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
    return result
