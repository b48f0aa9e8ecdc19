"""Choices by three-fold cross-fitting, for tables too small to hold rows out: then one training on all rows."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from textlattice.batch.collators import BatchMaker
from textlattice.data.splits import stratified_folds
from textlattice.models.classifier import Classifier
from textlattice.training.corpus import Corpus
from textlattice.training.fitting import Fitted, Fitting, snapshot
from textlattice.training.network import NetworkRecord, network_logits
from textlattice.training.selection import Candidate, Judge
from textlattice.training.wide import GRID, FittedWide

NUM_FOLDS = 3


@dataclass
class OutOfFold:
    """Logits of each row by networks and wide branches that have not seen it.

    Args:
        epochs: Length of the schedule, in epochs; a time budget may have cut it.
        wide: By penalty, [num_rows, num_outputs].
        deep: By epoch; NaN where a fold did not reach it.
        runs: What happened in each fold.
    """

    epochs: float
    wide: dict[float, np.ndarray] = field(default_factory=dict)
    deep: dict[int, np.ndarray] = field(default_factory=dict)
    runs: list[NetworkRecord] = field(default_factory=list)


def fit_with_folds(fitting: Fitting, corpus: Corpus, groups: list[str] | None) -> Fitted:
    """The classifier of all rows; out-of-fold logits choose and calibrate.

    Args:
        fitting: Settings and task.
        corpus: All training rows, at least three.
        groups: Rows of one group stay in one fold.
    """
    num_rows = len(corpus.documents)
    fitting.progress.note(f"{num_rows} rows: choices by {NUM_FOLDS}-fold cross-fitting")
    folds = stratified_folds(fitting.strata(corpus), NUM_FOLDS, seed=fitting.config.train.seed, groups=groups)
    out = _out_of_fold(fitting, corpus, folds)
    judge = fitting.judge(corpus)
    alone = {penalty: judge.alone(logits) for penalty, logits in out.wide.items()}
    losses = {penalty: loss for penalty, (_, loss) in alone.items()}
    penalty = min(losses, key=lambda c: losses[c])
    best, history = _choose(fitting, judge, out, penalty, Candidate(mixture=alone[penalty][0]))

    kept = fitting.checkpoint.stage("final")
    if "wide" not in kept:
        (wide,) = fitting.fit_wides(corpus, (penalty,))
        kept["wide"] = {**vars(wide)}
        fitting.keep()
    wide = FittedWide(**kept["wide"])
    model, collator = fitting.build(corpus, wide)
    network = _train_to(fitting, corpus, model, collator, best, out) if best.epoch else out.runs[-1]
    collator = fitting.join(model, collator, best, wide)
    a, b = best.mixture.a, best.mixture.b
    logits = a * out.wide[penalty] + (b * out.deep[best.epoch] if b else 0.0)
    record = fitting.record({"fit": num_rows, "folds": NUM_FOLDS}, wide, losses, best, history, network)
    record["cross_fitting"] = {
        "steps": sum(run.steps for run in out.runs),
        "seconds": round(sum(run.seconds for run in out.runs), 1),
    }
    record["duplicates"] = {"across_folds": _across(corpus, folds)}
    if record["duplicates"]["across_folds"]:
        fitting.progress.note(
            f"duplicates: {record['duplicates']['across_folds']} rows have a text that stands in another fold too, "
            "so they say less of new texts"
        )
    return Fitted(
        model=model, collator=collator, task=fitting.calibrated(best.mixture, logits, corpus), record=record
    )


def _out_of_fold(fitting: Fitting, corpus: Corpus, folds: list[np.ndarray]) -> OutOfFold:
    num_rows = len(corpus.documents)
    shape = (num_rows, fitting.task.num_outputs)
    out = OutOfFold(epochs=fitting.total_steps(num_rows) / fitting.steps_per_epoch(num_rows))
    for number, fold in enumerate(folds, 1):
        rest = np.setdiff1d(np.arange(num_rows), fold)
        planned = max(1, round(out.epochs * fitting.steps_per_epoch(len(rest))))
        kept = _run_fold(fitting, corpus.take(rest), corpus.take(fold), out, f"fold {number}", planned)
        for penalty, logits in kept["wide"].items():
            out.wide.setdefault(float(penalty), np.zeros(shape))[fold] = logits
        for epoch, logits in enumerate(kept["deep"], 1):
            out.deep.setdefault(epoch, np.full(shape, np.nan))[fold] = logits
        run = NetworkRecord(**kept["run"])
        out.runs.append(run)
        if run.stopped:
            fitting.progress.note(run.stopped)
            break
        if run.total_steps < planned:  # the budget cut the schedule of the first; the others follow
            out.epochs = run.total_steps / fitting.steps_per_epoch(len(rest))
    return out


def _run_fold(
    fitting: Fitting, fit_rows: Corpus, held_out: Corpus, out: OutOfFold, name: str, total_steps: int
) -> dict[str, Any]:
    """The stage of a fold: logits of its held-out rows by each penalty and after each epoch, and the run."""
    kept = fitting.checkpoint.stage(name)
    if "run" in kept:
        return kept
    if "wide" not in kept:
        wides = list(fitting.fit_wides(fit_rows, tuple(out.wide) or GRID, 1 / NUM_FOLDS))
        kept["wide"] = {str(wide.penalty): wide.logits(held_out.ngrams) for wide in wides}
        kept["branch"] = {**vars(wides[-1])}
        kept["deep"] = []
        fitting.keep()
    model, collator = fitting.build(fit_rows, FittedWide(**kept["branch"]))

    def on_epoch(epoch: int, train_loss: float) -> bool:
        kept["deep"].append(network_logits(model, collator, held_out.documents))
        return True

    run = fitting.train(
        model,
        collator,
        fit_rows,
        on_epoch,
        name=name,
        total_steps=total_steps,
        budget_shares=None if out.runs else NUM_FOLDS + NUM_FOLDS / (NUM_FOLDS - 1),
        held_out_share=len(held_out.documents) / len(fit_rows.documents),
    )
    kept["run"] = dataclasses.asdict(run) | {"step_losses": []}
    del kept["branch"]
    fitting.keep()
    return kept


def _choose(
    fitting: Fitting, judge: Judge, out: OutOfFold, penalty: float, best: Candidate
) -> tuple[Candidate, list[dict[str, Any]]]:
    """The epoch that every fold reached and that has the least log loss, and the figures of all of them."""
    history = []
    for epoch, deep in sorted(out.deep.items()):
        if np.isfinite(deep).all():
            mixture, figures = judge.sum_of(out.wide[penalty], deep)
            history.append(fitting.entry(epoch, float("nan"), figures))
            fitting.progress.epoch(history[-1])
            if figures["log_loss"] < best.loss:
                best = Candidate(loss=figures["log_loss"], epoch=epoch, mixture=mixture)
    return best, history


def _train_to(
    fitting: Fitting,
    corpus: Corpus,
    model: Classifier,
    collator: BatchMaker,
    best: Candidate,
    out: OutOfFold,
) -> NetworkRecord:
    """Trains on all rows to the chosen epoch of the same schedule; `best` takes the weights."""

    kept = fitting.checkpoint.stage("final")

    def keep(epoch: int, train_loss: float) -> bool:
        kept["state"] = {name: value.numpy() for name, value in snapshot(model).items()}
        return epoch < best.epoch

    num_rows = len(corpus.documents)
    run = fitting.train(
        model,
        collator,
        corpus,
        keep,
        name="final",
        total_steps=max(1, round(out.epochs * fitting.steps_per_epoch(num_rows))),
        budget_shares=None,
        stop_epoch=best.epoch,
    )
    best.state = {name: torch.from_numpy(value) for name, value in kept.get("state", {}).items()}
    if not best.state:
        best.mixture = dataclasses.replace(best.mixture, b=0.0)
    return run


def _across(corpus: Corpus, folds: list[np.ndarray]) -> int:
    """Rows whose text stands in another fold too."""
    fold_of_row = np.zeros(len(corpus.documents), np.int64)
    for number, fold in enumerate(folds):
        fold_of_row[fold] = number
    _, text = np.unique(corpus.digests, return_inverse=True)
    pairs = np.unique(np.stack([text, fold_of_row]), axis=1)
    return int((np.bincount(pairs[0])[text] > 1).sum())
