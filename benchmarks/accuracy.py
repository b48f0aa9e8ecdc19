"""Accuracy and cost of one variant on one data set: ours with or without graph attention, or a baseline."""

import sys
import time
from typing import Any

import numpy as np
import torch

from datasets import Dataset
from records import pack
from textlattice.baselines.compare import selection_slices, softmax
from textlattice.baselines.linear import LinearBaseline, train_baseline
from textlattice.config import Config, to_dict
from textlattice.evaluation.metrics import evaluate
from textlattice.progress import Progress
from textlattice.runtime.cost import document_cost, model_cost
from textlattice.text.document import Document, read_document
from textlattice.training.fit import Trained, fit
from textlattice.training.save import predictor_of
from textlattice.training.wide import KeyedDocuments, read_keys

VARIANTS = {"full": {}, "no_graph": {"model.graph_attention": False}}
"""Settings that make a variant of ours out of the preset."""
_COUNTED = 2_000  # test documents that say what a mean document costs


class Telling(Progress):
    """Tells on stderr what training does."""

    def begin(self, stage: str, total: int | None = None) -> None:
        """A stage starts."""
        print(f"  {stage}", file=sys.stderr, flush=True)

    def note(self, message: str) -> None:
        """Something a person should know."""
        print(f"  {message}", file=sys.stderr, flush=True)

    def epoch(self, record: dict[str, Any]) -> None:
        """A selection pass was made."""
        print(f"  {record}", file=sys.stderr, flush=True)


def run_ours(data: Dataset, config: Config) -> dict[str, Any]:
    """Figures of our classifier, trained once: the sum, and each of its two branches alone."""
    start = time.perf_counter()
    trained = fit(data.train.texts, data.train.labels, config, progress=Telling())
    train_seconds = time.perf_counter() - start

    print("  testing", file=sys.stderr, flush=True)
    predictor = predictor_of(trained)
    start = time.perf_counter()
    total = predictor.logits(data.test.texts)
    predict_seconds = time.perf_counter() - start

    documents = [read_document(text, config.text) for text in data.test.texts]
    ngrams = read_keys(documents, config.text, Progress())[1]
    wide, deep = branches(trained, total, documents, ngrams)
    labels = trained.task.labels
    models = {
        "ours": judge(predictor.task.probabilities(total), data.test.labels, labels),
        "wide": judge(softmax(wide), data.test.labels, labels),
        "deep": None if deep is None else judge(softmax(deep), data.test.labels, labels),
    }
    network = trained.record["network"]
    slices = trained.record["slices"]
    docs_per_step = slices["fit"] / -(-slices["fit"] // config.train.batch_size)
    return {
        "num_train": len(data.train.texts),
        "num_test": len(data.test.texts),
        "config": to_dict(config),
        "threads": torch.get_num_threads(),
        "train_seconds": round(train_seconds, 2),
        "predict_seconds": round(predict_seconds, 2),
        "trained_docs_per_second": round(network["steps"] * docs_per_step / max(network["seconds"], 0.1), 1),
        "predicted_docs_per_second": round(len(data.test.texts) / predict_seconds, 1),
        **model_cost(config, trained.collator.vocabulary, trained.task.num_outputs),
        **document_cost(trained.collator, config, trained.task.num_outputs, documents[:_COUNTED]),
        "record": trained.record,
        "models": models,
    }


def run_linear(name: str, data: Dataset, config: Config) -> dict[str, Any]:
    """Figures of one baseline, trained on the fit rows and on all rows, C chosen on our selection slice."""
    texts, labels = data.train.texts, data.train.labels
    slices = selection_slices(texts, labels, config)
    fit_rows, selection, more = (data.train.take(rows) for rows in slices)
    tuned = train_baseline(
        name,
        fit_rows.texts,
        fit_rows.labels,
        selection.texts,
        selection.labels,
        more_texts=more.texts,
        more_labels=more.labels,
    )
    start = time.perf_counter()
    models = {"all_rows": judge_baseline(tuned.on_all_rows, data)}
    predict_seconds = time.perf_counter() - start
    models["fit_rows"] = judge_baseline(tuned.on_fit_rows, data)
    return {
        "num_train": len(texts),
        "num_test": len(data.test.texts),
        "slices": {"fit": len(slices[0]), "selection": len(slices[1]), "more": len(slices[2])},
        "threads": torch.get_num_threads(),
        "C": tuned.C,
        "table": {str(C): figures for C, figures in tuned.table.items()},
        "tune_seconds": round(tuned.tune_seconds, 2),
        "train_seconds": round(tuned.fit_seconds, 2),
        "predict_seconds": round(predict_seconds, 2),
        "predicted_docs_per_second": round(len(data.test.texts) / predict_seconds, 1),
        "parameters": tuned.on_all_rows.num_parameters,
        "models": models,
    }


def branches(
    trained: Trained, total: np.ndarray, documents: list[Document], ngrams: KeyedDocuments
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits of each branch alone, wide and deep; None where the sum leaves the latter out.

    Args:
        trained: The classifier.
        total: Its logits.
        documents: The documents; an empty one has the answer of the sum in both.
        ngrams: Their n-grams.
    """
    model = trained.model
    rows = ngrams.matrix(trained.collator.vocabulary.ngrams)
    wide = rows @ model.wide.weight.numpy().astype(np.float64) + model.wide.bias.numpy()
    empty = np.array([document.num_tokens == 0 for document in documents], bool)
    wide[empty] = total[empty]
    if trained.record["sum"]["b"] == 0:
        return wide, None
    deep = np.where(empty[:, None], total, total - wide)
    return wide, deep


def judge(probabilities: np.ndarray, labels: list[str], names: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy, macro F1, log loss, calibration error, and which rows are right."""
    place = {name: target for target, name in enumerate(names)}
    targets = np.array([place.get(label, -1) for label in labels], np.int64)
    figures = evaluate(probabilities, targets, names, num_bootstrap=0)
    kept = {name: figures[name] for name in ("accuracy", "macro_f1", "log_loss", "ece")}
    return {**kept, "correct": pack(probabilities.argmax(axis=1) == targets)}


def judge_baseline(baseline: LinearBaseline, data: Dataset) -> dict[str, Any]:
    """The same of a baseline; margins are no probabilities, so they have no log loss."""
    figures = judge(softmax(baseline.scores(data.test.texts)), data.test.labels, tuple(baseline.labels))
    if type(baseline).__name__ == "TfidfSvm":
        figures |= {"log_loss": None, "ece": None}
    return figures
