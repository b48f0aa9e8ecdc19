"""Accuracy and cost of one variant on one data set: ours with or without graph attention, or a baseline."""

import sys
import time
from typing import Any

import numpy as np
import torch

from records import pack, pack_places
from sets import Dataset
from textlattice.baselines.compare import LabelledTexts, selection_slices, tuned_baseline
from textlattice.baselines.linear import LinearBaseline
from textlattice.baselines.one_vs_rest import OneVsRest
from textlattice.baselines.outcome import Outcome
from textlattice.config import Config
from textlattice.config_json import to_dict
from textlattice.evaluation.metrics import evaluate
from textlattice.evaluation.multi_label import evaluate_multi
from textlattice.models.registry import cost_of
from textlattice.progress import Progress
from textlattice.task import Label, Task, TaskKind, softmax
from textlattice.text.document import Document
from textlattice.training.fit import Trained, fit
from textlattice.training.labels import task_of
from textlattice.training.save import predictor_of
from textlattice.training.wide import KeyedDocuments, read_keys

VARIANTS = {"full": {}, "no_graph": {"model.graph_attention": False}, "plain": {}}
"""Settings that make a variant of ours out of the preset; `plain` takes labels in an order for labels without one."""
MARGINS = ("tfidf_svm", "char_svm", "tfidf_ridge")
"""Linear models whose scores are margins or distances."""
NO_PROBABILITIES = {"log_loss": None, "ece": None}
"""Figures that such scores do not have."""
_OTHERS = ("macro_precision", "macro_recall", "macro_auc")
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


def run_ours(data: Dataset, config: Config, *, plain: bool = False, **inputs: Any) -> dict[str, Any]:
    """Figures of our classifier, trained once: the sum, and of single labels each of its two branches alone.

    Args:
        data: Rows.
        config: Settings.
        plain: Take labels in an order for labels without one.
        inputs: What else `fit` takes: a token table, a tokenizer.
    """
    return judge_ours(*train_ours(data, config, plain=plain, **inputs), data)


def train_ours(data: Dataset, config: Config, *, plain: bool = False, **inputs: Any) -> tuple[Trained, float]:
    """Our classifier, and the seconds that its training took; as `run_ours`."""
    kind: TaskKind = "single" if plain else data.task
    order = data.label_order if kind == "ordinal" else None
    start = time.perf_counter()
    trained = fit(
        data.train.texts,
        data.train.labels,
        config,
        task=kind,
        label_order=order,
        progress=Telling(),
        **inputs,
    )
    return trained, time.perf_counter() - start


def judge_ours(trained: Trained, train_seconds: float, data: Dataset) -> dict[str, Any]:
    """Figures of a classifier of `train_ours` on the test rows of the data it was trained on, or of others."""
    print("  testing", file=sys.stderr, flush=True)
    predictor = predictor_of(trained)
    start = time.perf_counter()
    total = predictor.logits(data.test.texts)
    predict_seconds = time.perf_counter() - start

    config = trained.config  # a token table sets a width of it
    documents = [trained.reader.read(text) for text in data.test.texts]
    task = task_of(data.train.labels, data.task, data.label_order)
    probabilities = trained.task.probabilities(total)
    answers = trained.task.names(trained.task.decide(probabilities))
    places = [trained.task.labels.index(name) for name in task.labels]
    models = {"ours": judge(task, probabilities[:, places], data.test.labels, task.targets(answers))}
    if data.task == "single" and config.train.wide != "none":
        ngrams = read_keys(documents, config.text, Progress())[1]
        wide, deep = branches(trained, total, documents, ngrams)
        models["wide"] = judge(task, softmax(wide), data.test.labels)
        models["deep"] = None if deep is None else judge(task, softmax(deep), data.test.labels)
    network = trained.record["network"]
    slices = trained.record["slices"]
    docs_per_step = slices["fit"] / -(-slices["fit"] // config.train.batch_size_for(slices["fit"]))
    num_outputs = trained.task.num_outputs
    return {
        **_answers_to(task, data),
        "config": to_dict(config),
        "threads": torch.get_num_threads(),
        "train_seconds": round(train_seconds, 2),
        "predict_seconds": round(predict_seconds, 2),
        "trained_docs_per_second": round(network["steps"] * docs_per_step / max(network["seconds"], 0.1), 1),
        "predicted_docs_per_second": round(len(data.test.texts) / predict_seconds, 1),
        **cost_of(config, trained.collator, num_outputs, documents[:_COUNTED]),
        "record": trained.record,
        "models": models,
    }


def run_linear(name: str, data: Dataset, config: Config) -> dict[str, Any]:
    """Figures of one baseline, trained on the fit rows and on all rows, C chosen on our selection slice."""
    texts, labels = data.train.texts, data.train.labels
    slices = selection_slices(texts, labels, config)
    parts = (data.train.take(rows) for rows in slices)
    task = task_of(labels, data.task, data.label_order)
    tuned = tuned_baseline(name, task, *(LabelledTexts(part.texts, part.labels) for part in parts))
    start = time.perf_counter()
    models = {"all_rows": judge_baseline(name, tuned.on_all_rows, task, data)}
    predict_seconds = time.perf_counter() - start
    models["fit_rows"] = judge_baseline(name, tuned.on_fit_rows, task, data)
    return {
        **_answers_to(task, data),
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


def _answers_to(task: Task, data: Dataset) -> dict[str, Any]:
    """Sizes of the set, and what is right where later figures need more than which rows were."""
    sizes = {"num_train": len(data.train.texts), "num_test": len(data.test.texts)}
    if task.kind == "single":
        return sizes
    targets = pack_places(task.targets(data.test.labels))
    return {**sizes, "task": task.kind, "labels": list(task.labels), "targets": targets}


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


def judge(
    task: Task, probabilities: np.ndarray, labels: list[Label], decisions: np.ndarray | None = None
) -> dict[str, Any]:
    """The figures of a test, log loss and calibration error, and which rows are right; decisions of other kinds.

    Args:
        task: Kind and labels.
        probabilities: In the order of its labels.
        labels: What is right.
        decisions: Places of the answers, or which labels each row is given; None takes the most probable.
    """
    if decisions is None:
        decisions = probabilities.argmax(axis=1)
    outcome = Outcome(task, decisions, labels)
    if task.kind == "multi":
        found = evaluate_multi(probabilities, outcome.targets, decisions, task.labels, num_bootstrap=0)
    else:
        found = evaluate(probabilities, outcome.targets, task.labels, predictions=decisions, num_bootstrap=0)
    others = {name: found[name] for name in _OTHERS if name in found}
    figures = {**outcome.figures, "log_loss": found["log_loss"], "ece": found["ece"], **others}
    if task.kind != "single":
        figures["decisions"] = pack_places(decisions)
    return {**figures, "correct": pack(outcome.correct)}


def judge_baseline(
    name: str, baseline: LinearBaseline | OneVsRest, task: Task, data: Dataset
) -> dict[str, Any]:
    """The same of a baseline; margins and distances are no probabilities, so they have no log loss."""
    texts = data.test.texts
    if isinstance(baseline, OneVsRest):
        probabilities = baseline.probabilities(texts)
        return judge(task, probabilities, data.test.labels, probabilities >= np.array(baseline.thresholds))
    probabilities = np.zeros((len(texts), len(task.labels)))
    probabilities[:, [int(label) for label in baseline.labels]] = softmax(
        baseline.scores(texts).astype(np.float64)
    )
    figures = judge(task, probabilities, data.test.labels)
    return figures | NO_PROBABILITIES if name in MARGINS else figures
