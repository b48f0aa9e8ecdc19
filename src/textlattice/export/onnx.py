"""A trained folder to an exported one: the two steps of the model as ONNX graphs, compared with PyTorch."""

import dataclasses
import logging
import platform
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from textlattice.artefact.folder import check_target
from textlattice.batch.collate import Collator
from textlattice.batch.text_batch import Documents, Forms, Graph, Ngrams, TextBatch, Tokens, map_arrays
from textlattice.errors import ArtefactError, MissingExtraError, TextlatticeError
from textlattice.runtime.model_folder import ModelFolder, read_model_folder, write_model_folder
from textlattice.runtime.onnx_backend import (
    CLASSIFY,
    ENCODE_FORMS,
    OUTPUT,
    OnnxBackend,
    batch_inputs,
    form_inputs,
)
from textlattice.runtime.training_texts import TRAINING_TEXTS
from textlattice.text.document import read_document
from textlattice.text.hf_tokenizer import TOKENIZER

try:
    import onnx as _onnx  # noqa: F401
    import onnxscript as _onnxscript  # noqa: F401
    import torch
    from onnxscript import opset18
    from torch import Tensor, nn

    from textlattice.models.cnn_gnn import CnnGnnClassifier
    from textlattice.models.torch_backend import TorchBackend
    from textlattice.models.weights import load_model
    from textlattice.nn.compiler_cache import no_compiler_cache
except ImportError as error:
    raise MissingExtraError("export to ONNX", "train,export") from error

op: Any = opset18
MAX_DIFFERENCE = 1e-4
"""Largest difference of a logit between PyTorch and ONNX Runtime that an export may show."""
_PACKAGES = ("textlattice", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")
_SIZES = {
    **dict.fromkeys(("characters", "form_index"), "num_characters"),
    **dict.fromkeys(("form_ptr", "subword_ptr"), "form_bounds"),
    **dict.fromkeys(("subwords", "subword_index"), "num_subwords"),
    "vectors": "num_forms",
    **dict.fromkeys(
        ("form", "word", "injected", "doc_index", "neighbours1", "mask1", "neighbours2", "mask2"),
        "num_tokens",
    ),
    "doc_ptr": "doc_bounds",
    **dict.fromkeys(("ngram_row", "ngram_doc"), "num_ngrams"),
}
_LOWEST = float(np.finfo(np.float32).min)
_TEXTS = (
    "One short text.",
    "?",
    "A text that goes on for longer, so that its graph has a lattice and random edges, " * 9,
    "Größe, 日本語, שלום and a 👍🏽, twice: 日本語, 👍🏽!!!",
)


def export_folder(source: Path, target: Path) -> None:
    """Writes the exported form of a trained folder: the same answers, without PyTorch.

    The graphs are compared with PyTorch on a few texts before anything is written; `export.json` says how far
    they differ and which versions made them.

    Args:
        source: A trained folder.
        target: The exported one; what `write_model_folder` may replace is replaced.

    Raises:
        ArtefactError: The source is no trained folder, or the target cannot be written or is the source.
        TextlatticeError: The graphs differ from PyTorch by more than 1e-4 in a logit.
    """
    if source.resolve() == target.resolve():
        raise ArtefactError(f"{target}: expected another folder than the source; choose another name.")
    check_target(target, ("config.json",))
    saved = read_model_folder(source)
    if saved.engine != "torch":
        raise ArtefactError(
            f"{source}: expected a trained folder, got one that is exported; use it as it is."
        )
    model = load_model(saved.folder.files, saved.config, saved.task.num_outputs, saved.vocabulary)
    collator = saved.collator
    if not (isinstance(model, CnnGnnClassifier) and isinstance(collator, Collator)):
        raise ArtefactError(
            f"{source}: expected a model of the family cnn_gnn, got {saved.config.model.family}, which is not "
            "exported; use it as it is."
        )
    batches = list(_check_batches(collator))
    files = export_model(model, batches[-1])
    difference = largest_difference(saved, model, files, batches)
    if not difference <= MAX_DIFFERENCE:
        raise TextlatticeError(
            f"export of {source}: expected logits within {MAX_DIFFERENCE:g} of PyTorch's, got a "
            f"difference of {difference:.3g}; nothing was written: try another version of torch, onnxscript "
            "or onnxruntime."
        )
    record = {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "parity": {
            "num_texts": sum(len(batch.documents.doc_ptr) - 1 for batch in batches),
            "max_difference": difference,
            "allowed": MAX_DIFFERENCE,
        },
    }
    kept = {
        name: saved.folder.files[name]
        for name in (TRAINING_TEXTS, TOKENIZER, "training.json")
        if name in saved.folder.files
    }
    write_model_folder(
        target,
        engine="onnx",
        config=saved.config,
        task=saved.task,
        vocabulary=saved.vocabulary,
        engine_files=files | kept,
        records={"export.json": record},
        card=saved.folder.files.get("README.md", b"# A textlattice model\n").decode("utf-8", "replace")
        + "\nExported to ONNX: it runs without PyTorch. How far its logits differ stands in `export.json`.\n",
    )


def export_model(model: CnnGnnClassifier, example: TextBatch[np.ndarray]) -> dict[str, bytes]:
    """The graphs of both steps, by file name; all sizes but widths and degrees are free.

    Args:
        model: In evaluation mode.
        example: A batch of two documents or more, to trace with; its values do not matter.
    """
    with no_compiler_cache():
        return {
            name: _to_onnx(program, OUTPUT[name]) for name, program in traced_steps(model, example).items()
        }


def traced_steps(
    model: CnnGnnClassifier, example: TextBatch[np.ndarray]
) -> dict[str, torch.export.ExportedProgram]:
    """Both steps as programs of plain tensors, by the name of the file they are for; arguments as there."""
    batch = map_arrays(example, torch.from_numpy)
    vectors = torch.zeros(len(batch.forms.form_ptr) - 1, model.spelling.output.out_features)
    programs = {}
    for name, step, inputs in (
        (ENCODE_FORMS, _EncodeForms(model), form_inputs(batch.forms)),
        (CLASSIFY, _Classify(model), batch_inputs(batch, vectors)),
    ):
        rows = {  # a size of 0 or 1 would be taken for fixed
            key: value if len(value) > 1 else value.new_zeros(2, *value.shape[1:])
            for key, value in inputs.items()
        }
        programs[name] = torch.export.export(
            step.eval(), (), kwargs=rows, dynamic_shapes=_dynamic_shapes(rows), strict=False
        )
    return programs


def _dynamic_shapes(inputs: dict[str, Tensor]) -> dict[str, dict[int, Any]]:
    """The free size of each input: its first, shared by those of one size in every batch."""
    sizes = {name: _SIZES[name] for name in inputs}
    dims = {
        size: torch.export.Dim(size, min=3 if size.endswith("_bounds") else 2) for size in set(sizes.values())
    }
    return {name: {0: dims[size]} for name, size in sizes.items()}


def largest_difference(
    saved: ModelFolder,
    model: CnnGnnClassifier,
    files: dict[str, bytes],
    batches: Sequence[TextBatch[np.ndarray]],
) -> float:
    """Largest difference of a logit between the model of a folder and its exported graphs."""
    trained, exported = TorchBackend(model), OnnxBackend(files, saved.config, saved.task.num_outputs)
    differences = []
    for batch in batches:
        assert batch.forms is not None
        expected = trained.classify(batch, trained.encode_forms(batch.forms))
        got = exported.classify(batch, exported.encode_forms(batch.forms))
        differences.append(np.abs(got - expected).max())
    return float(np.max(differences))


class _EncodeForms(nn.Module):
    """`encode_forms` of plain tensors."""

    def __init__(self, model: CnnGnnClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        characters: Tensor,
        form_index: Tensor,
        form_ptr: Tensor,
        subwords: Tensor,
        subword_index: Tensor,
        subword_ptr: Tensor,
    ) -> Tensor:
        return self.model.encode_forms(
            Forms(
                characters=characters,
                form_index=form_index,
                form_ptr=form_ptr,
                subwords=subwords,
                subword_index=subword_index,
                subword_ptr=subword_ptr,
            )
        )


class _Classify(nn.Module):
    """`classify` of plain tensors."""

    def __init__(self, model: CnnGnnClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        vectors: Tensor,
        form: Tensor,
        word: Tensor,
        doc_ptr: Tensor,
        doc_index: Tensor,
        neighbours1: Tensor,
        mask1: Tensor,
        neighbours2: Tensor,
        mask2: Tensor,
        ngram_row: Tensor,
        ngram_doc: Tensor,
        injected: Tensor | None = None,
    ) -> Tensor:
        batch = TextBatch(
            forms=None,
            tokens=Tokens(form=form, word=word, injected=injected),
            documents=Documents(doc_ptr=doc_ptr, doc_index=doc_index),
            graph1=Graph(neighbours=neighbours1, mask=mask1),
            graph2=Graph(neighbours=neighbours2, mask=mask2),
            ngrams=Ngrams(row=ngram_row, doc_index=ngram_doc),
        )
        return self.model.classify(batch, vectors)


def _to_onnx(traced: torch.export.ExportedProgram, output: str) -> bytes:
    with _quiet():
        program = torch.onnx.export(
            traced,
            dynamo=True,
            output_names=[output],
            opset_version=18,
            custom_translation_table={
                torch.ops.aten.index_add.default: _index_add,
                torch.ops.aten.scatter_reduce.two: _segment_max,
            },
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.output):
        part.ClearField("metadata_props")  # names of files and lines of this machine
        part.ClearField("doc_string")
    proto.graph.ClearField("value_info")
    content: bytes = proto.SerializeToString()
    return content


def _index_add(total: Any, dim: int, index: Any, rows: Any, alpha: float = 1.0) -> Any:
    """`index_add` along the first dimension; exact on one thread only, so `OnnxBackend` uses one."""
    assert (dim, alpha) == (0, 1)
    return op.ScatterND(total, _as_places(index), rows, reduction="add")


def _segment_max(zeros: Any, dim: int, index: Any, rows: Any, reduce: str, include_self: bool = True) -> Any:
    """`scatter_reduce` as `segment_max` calls it: all columns of a row go to the same place.

    Whole rows are scattered; element by element, as the exporter would have it, takes fifty times as long.
    """
    assert (dim, reduce, include_self) == (0, "amax", False)
    owner = op.Slice(
        index, op.Constant(value_ints=[0]), op.Constant(value_ints=[1]), op.Constant(value_ints=[1])
    )
    lowest = op.Constant(value_float=_LOWEST)
    highest = op.ScatterND(op.Add(zeros, lowest), owner, rows, reduction="max")
    return op.Where(op.Equal(highest, lowest), zeros, highest)


def _as_places(index: Any) -> Any:
    return op.Unsqueeze(op.Cast(index, to=7), op.Constant(value_ints=[1]))  # 7: int64


def _check_batches(collator: Collator) -> Iterator[TextBatch[np.ndarray]]:
    """Each text alone, then all of them; known rows of every table are put in, whatever the texts say."""
    draw, vocabulary = np.random.default_rng(0), collator.vocabulary
    documents = [read_document(text, collator.text) for text in _TEXTS]
    for chosen in [*([document] for document in documents), documents]:
        batch = collator.collate(chosen)
        num_tokens, num_docs = len(batch.tokens.form), len(chosen)
        num_ngrams = 3 * num_tokens if len(vocabulary.ngrams) else 0
        yield dataclasses.replace(
            batch,
            tokens=Tokens(
                form=batch.tokens.form,
                word=draw.integers(0, len(vocabulary.words) + 1, num_tokens, np.int32),
                injected=None
                if batch.tokens.injected is None
                else draw.integers(0, len(vocabulary.injected) + 1, num_tokens, np.int32),
            ),
            ngrams=Ngrams(
                row=draw.integers(0, max(1, len(vocabulary.ngrams)), num_ngrams, np.int32),
                doc_index=np.sort(draw.integers(0, num_docs, num_ngrams, np.int32)),
            ),
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings, which tell a user nothing to act on."""
    logger = logging.getLogger("torch.onnx._internal.exporter")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
