"""Choices on held-out slices: from 2,000 rows on, or with validation rows."""

import numpy as np

from textlattice.data.splits import slice_sizes, stratified_slices
from textlattice.training.corpus import Corpus
from textlattice.training.fitting import Fitted, Fitting, snapshot
from textlattice.training.network import network_logits
from textlattice.training.selection import Candidate, Judge
from textlattice.training.wide import GRID, FittedWide


def fit_with_slices(
    fitting: Fitting, corpus: Corpus, held_out: Corpus | None, groups: list[str] | None
) -> Fitted:
    """The classifier of the fit rows; the selection rows choose, the calibration rows calibrate.

    Args:
        fitting: Settings and task.
        corpus: All training rows.
        held_out: In place of the selection slice.
        groups: Rows of one group stay in one slice.
    """
    num_rows = len(corpus.documents)
    size = min(slice_sizes(num_rows), max(1, num_rows // 5))  # small with validation: a fifth
    sizes = [size] if held_out is not None else [size, size]
    slices = stratified_slices(fitting.strata(corpus), sizes, seed=fitting.config.train.seed, groups=groups)
    fit_rows, calibration = corpus.take(slices[-1]), corpus.take(slices[-2])
    selection = held_out if held_out is not None else corpus.take(slices[0])
    judge = fitting.judge(selection)

    wide, wide_losses = _select_wide(fitting, fit_rows, selection, judge)
    wide_logits = wide.logits(selection.ngrams)
    model, collator = fitting.build(fit_rows, wide)
    kept = fitting.checkpoint.stage("choices")
    best = Candidate(mixture=judge.alone(wide_logits)[0])
    if "best" in kept:
        best = Candidate.from_stage(kept["best"])
    history = kept.setdefault("history", [])
    num_fit = len(fit_rows.documents)
    half = (
        fitting.total_steps(num_fit) / fitting.steps_per_epoch(num_fit) / 2
    )  # epochs while the rate is high

    def on_epoch(epoch: int, train_loss: float) -> bool:
        deep = network_logits(model, collator, selection.documents)
        mixture, figures = judge.sum_of(wide_logits, deep)
        history.append(fitting.entry(epoch, train_loss, figures))
        fitting.progress.epoch(history[-1])
        if figures["log_loss"] < best.loss:
            best.loss, best.epoch, best.mixture = figures["log_loss"], epoch, mixture
            best.state = snapshot(model)
            kept["best"] = best.to_stage()
        return epoch - max(best.epoch, half) < fitting.config.train.patience

    network = fitting.train(
        model,
        collator,
        fit_rows,
        on_epoch,
        name="network",
        held_out_share=len(selection.documents) / len(fit_rows.documents),
    )
    collator = fitting.join(model, collator, best, wide)
    logits = best.mixture.a * wide.logits(calibration.ngrams)
    logits = logits + network_logits(model, collator, calibration.documents)
    parts = {"fit": fit_rows, "selection": selection, "calibration": calibration}
    record = fitting.record(
        {name: len(part.documents) for name, part in parts.items()}, wide, wide_losses, best, history, network
    )
    record["duplicates"] = {
        f"{name}_in_fit": int(np.isin(part.digests, fit_rows.digests).sum())
        for name, part in parts.items()
        if name != "fit"
    }
    _tell_duplicates(fitting, record["duplicates"], held_out is not None)
    return Fitted(
        model=model,
        collator=collator,
        task=fitting.calibrated(best.mixture, logits, calibration),
        record=record,
    )


def _select_wide(
    fitting: Fitting, fit_rows: Corpus, selection: Corpus, judge: Judge
) -> tuple[FittedWide, dict[float, float]]:
    """The branch with the penalty of least log loss on the selection rows, after one common scale."""
    kept = fitting.checkpoint.stage("wide")
    losses: dict[str, float] = kept.setdefault("losses", {})
    todo = () if kept.get("done") else tuple(penalty for penalty in GRID if str(penalty) not in losses)
    for wide in fitting.fit_wides(fit_rows, todo):
        losses[str(wide.penalty)] = judge.alone(wide.logits(selection.ngrams))[1]
        if losses[str(wide.penalty)] == min(losses.values()):
            kept["best"] = {**vars(wide)}
        fitting.keep()
    kept["done"] = True  # a time budget may have cut the grid
    return FittedWide(**kept["best"]), {float(penalty): loss for penalty, loss in losses.items()}


def _tell_duplicates(fitting: Fitting, counts: dict[str, int], validation: bool) -> None:
    if not any(counts.values()):
        return
    selection = "validation" if validation else "selection"
    fitting.progress.note(
        f"duplicates: {counts['selection_in_fit']} {selection} rows and {counts['calibration_in_fit']} calibration "
        "rows have a text that stands in the fit rows too, so they say less of new texts"
    )
