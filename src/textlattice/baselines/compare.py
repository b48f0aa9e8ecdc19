"""Ours against the baselines on the same rows, and a plain sentence: which to use."""

import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from textlattice.baselines.linear import (
    BASELINES,
    LinearBaseline,
    TunedBaseline,
    fitting_baselines,
    train_baseline,
)
from textlattice.baselines.one_vs_rest import OneVsRest, train_one_vs_rest
from textlattice.baselines.outcome import MEASURES, Outcome
from textlattice.config import Config
from textlattice.data.rows import Table
from textlattice.data.splits import slice_sizes, strata, stratified_slices
from textlattice.encoders.language_model import LanguageModelEncoder
from textlattice.errors import DataError
from textlattice.evaluation.significance import Interval
from textlattice.progress import Progress
from textlattice.runtime.training_texts import texts_seen
from textlattice.task import Label, Task, TaskKind, each_label
from textlattice.text.digest import text_digests
from textlattice.text.document import TextReader, read_document
from textlattice.training.fit import CROSS_FIT_BELOW, fit
from textlattice.training.labels import TaskChoice, check_num_labels, task_of
from textlattice.training.save import predictor_of

OURS = "textlattice"
"""Name of our own row."""
MOST_TEST_ROWS = 10_000
MAX_COMPARED_LABELS = 1_000
"""Labels that are compared on; a baseline keeps a weight of each n-gram for each."""
MAX_COMPARED_ORDERED_LABELS = 100
"""The same where labels have an order: agreement is counted over all pairs of them, of each row."""
_SURE_TOKEN = re.compile("[A-Za-z0-9]")
_WORDS = {"macro_f1": "macro F1", "quadratic_weighted_kappa": "quadratic weighted kappa"}


@dataclass(frozen=True)
class LabelledTexts:
    """Some rows: texts, and the label or labels of each."""

    texts: list[str]
    labels: list[Label]


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One classifier on the test rows.

    Args:
        name: `textlattice` or a key of `BASELINES`.
        accuracy: Share of the test rows it is right on, with all of their labels.
        macro_f1: Mean F1 of the classes.
        ours_minus_it: The measure of ours minus that of this one, in points, with its 95% interval by paired
            bootstrap; None in our own row.
        p_value: Of McNemar's test that ours and this one err equally often; None in our own row, and where the measure
            is not accuracy.
        train_seconds: Wall time until it could answer, choice of its settings included.
        predict_docs_per_second: Test texts answered per second.
        parameters: Numbers stored, those of a language model too.
        micro_f1: F1 over all pairs of row and label, where a text may have any number; else None.
        quadratic_weighted_kappa: Agreement, where labels have an order; else None.
    """

    name: str
    accuracy: float
    macro_f1: float
    ours_minus_it: Interval | None
    p_value: float | None
    train_seconds: float
    predict_docs_per_second: float
    parameters: int
    micro_f1: float | None = None
    quadratic_weighted_kappa: float | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All classifiers on the same rows, ours first.

    Args:
        source: Name of the table.
        num_train: Rows trained on.
        num_test: Rows tested on.
        rows: Ours, then the baselines in the order asked for.
        task: What a label is.
        num_seen: Test rows whose text stands in the training rows too.
    """

    source: str
    num_train: int
    num_test: int
    rows: tuple[ComparisonRow, ...]
    task: TaskKind = "single"
    num_seen: int = 0

    @property
    def measure(self) -> str:
        """The figure by which they are compared: `accuracy`, `macro_f1` or `quadratic_weighted_kappa`."""
        return MEASURES[self.task]

    @property
    def best_baseline(self) -> ComparisonRow:
        """The baseline with the best measure, the first of equals."""
        return max(self.rows[1:], key=self._measure_of)

    def _measure_of(self, row: ComparisonRow) -> float:
        return float(getattr(row, self.measure))

    @property
    def advice(self) -> str:
        """One sentence: which to use, and the figures that say so.

        Ours only where it is better than the best baseline beyond noise; the simpler one where the difference
        is inside noise.
        """
        ours, other = self.rows[0], self.best_baseline
        interval = other.ours_minus_it
        assert interval is not None
        figures = 100 * self._measure_of(ours), 100 * self._measure_of(other)
        if self.measure == "accuracy":
            words = f"is right on {figures[0]:.1f} % of", f"on {figures[1]:.1f} %"
        else:
            words = f"has a {_WORDS[self.measure]} of {figures[0]:.1f} % on", f"one of {figures[1]:.1f} %"
        shown = (
            f"{OURS} {words[0]} the {self.num_test:,} test rows and "
            f"{other.name}, the best baseline, {words[1]}: a difference of "
            f"{interval.difference:+.1f} points (95 % interval {interval.low:+.1f} to {interval.high:+.1f})"
        )
        if interval.low > 0:
            return f"Use {OURS}: {shown}, beyond noise."
        if interval.high < 0:
            return f"Use {other.name}: {shown}, beyond noise."
        return (
            f"Use {other.name}: {shown}, inside noise, and {other.name} is the simpler one and was "
            f"trained in {_seconds(other.train_seconds)} instead of {_seconds(ours.train_seconds)}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the advice included."""
        values = dataclasses.asdict(self)
        return values | {"rows": list(values["rows"]), "measure": self.measure, "advice": self.advice}


def compare(
    table: Table,
    config: Config,
    *,
    test: Table | None = None,
    task: TaskChoice = "auto",
    label_order: Sequence[str] | None = None,
    encoder: LanguageModelEncoder | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Ours and the baselines, trained on the same rows and tested on the same rows.

    Each baseline chooses its C on the selection slice that ours has, and with any number of labels its thresholds too.
    It is trained on the fit rows and on all training rows; the better of the two on the test rows is shown, so that a
    claim stands against the better.

    Args:
        table: Rows with labels.
        config: Settings of ours; `train.seed` draws the selection slice.
        test: Rows to test on; None takes a stratified fifth of `table`, at most 10,000 rows.
        task: What a label is, as in `fit`.
        label_order: Labels from lowest to highest, as in `fit`.
        encoder: The language model that ours reads, as in `fit`.
        seed: Draws that fifth, and the resamples of the intervals.
        names: Baselines, keys of `BASELINES`; None takes those that fit the task and the script.
        progress: Told of each stage.

    Raises:
        ConfigError: An order of labels is given for a task without one.
        DataError: A row has no label, there are too few rows or labels that do not fit the task (reported before
            anything is trained), or a baseline is unknown.
        TrainingError: Ours could not be trained.
    """
    progress = progress or Progress()
    unknown = [name for name in names or [] if name not in BASELINES]
    if unknown or names == []:
        raise DataError(
            f"compare: expected names of baselines out of {', '.join(BASELINES)}, "
            f"got {unknown[0] if unknown else 'none'!r}."
        )
    texts, labels, test_texts, test_labels = _parts(table, test, task, seed)
    check_num_labels(len({name for label in labels for name in each_label(label)}), MAX_COMPARED_LABELS)
    first_task = task_of(labels, task, label_order)
    if first_task.kind == "ordinal":
        check_num_labels(len(first_task.labels), MAX_COMPARED_ORDERED_LABELS)
    slices = selection_slices(texts, labels, config)
    fit_rows, selection, more = (
        LabelledTexts([texts[row] for row in chosen], [labels[row] for row in chosen]) for chosen in slices
    )
    found = len({name for label in fit_rows.labels for name in each_label(label)})
    if not selection.texts or found < 2:
        raise DataError(
            f"compare: expected at least 5 texts to train on, with two labels, got {len(texts)} rows in "
            f"{table.source}, of which {len(fit_rows.texts)} can be fitted, with {found} labels; "
            "give more rows."
        )
    num_seen = _num_seen(texts, test_texts, config)
    if num_seen:
        progress.note(
            f"duplicates: {num_seen:,} of {len(test_texts):,} test rows have a text that stands in the training rows "
            "too; they flatter every model"
        )

    start = time.perf_counter()
    trained = fit(
        texts, labels, config, task=task, label_order=label_order, encoder=encoder, progress=progress
    )
    train_seconds = time.perf_counter() - start
    predictor = predictor_of(trained)
    start = time.perf_counter()
    probabilities = predictor.probabilities(test_texts)
    speed = len(test_texts) / (time.perf_counter() - start)
    ours = Outcome(trained.task, trained.task.decide(probabilities), test_labels)
    rows = [
        ComparisonRow(
            name=OURS,
            **ours.figures,
            ours_minus_it=None,
            p_value=None,
            train_seconds=train_seconds,
            predict_docs_per_second=speed,
            parameters=sum(value.numel() for value in trained.model.state_dict().values())
            + trained.record["cost"].get("encoder_parameters", 0),
        )
    ]
    measure = MEASURES[first_task.kind]
    for name in names or fitting_baselines(first_task.kind, texts):
        progress.begin(f"training {name}")
        tuned = tuned_baseline(name, first_task, fit_rows, selection, more)
        trainings = [
            (tuned.on_all_rows, tuned.tune_seconds + tuned.fit_seconds),
            (tuned.on_fit_rows, tuned.tune_seconds),
        ]
        tested = [
            _test_baseline(name, model, first_task, test_texts, test_labels, ours, seconds, seed)
            for model, seconds in trainings
        ]
        rows.append(max(tested, key=lambda row: float(getattr(row, measure))))
        progress.end()
    return Comparison(
        source=table.source,
        num_train=len(texts),
        num_test=len(test_texts),
        rows=tuple(rows),
        task=first_task.kind,
        num_seen=num_seen,
    )


def selection_slices(
    texts: Sequence[str], labels: Sequence[Label], config: Config
) -> tuple[Int[np.ndarray, " fit"], Int[np.ndarray, " selection"], Int[np.ndarray, " more"]]:
    """Places of the rows to fit, of the rows that choose, and of further rows for the last training.

    From 2,000 rows on these are the fit, selection and calibration slices of `training.fit`, row for row.
    Below, where that one cross-fits, a fifth of the rows, at most 200, chooses and there are no further rows.
    A text without a token is in none of them.

    Args:
        texts: Training texts.
        labels: One each, or a tuple of any number.
        config: Its `train.seed` draws the slices.
    """
    rows = np.array([row for row, text in enumerate(texts) if _has_token(text, config)], np.int64)
    names = strata([labels[row] for row in rows])
    size = slice_sizes(len(rows))
    sizes = [size, size] if len(rows) >= CROSS_FIT_BELOW else [min(size, len(rows) // 5), 0]
    selection, more, fit_rows = stratified_slices(names, sizes, seed=config.train.seed)
    return rows[fit_rows], rows[selection], rows[more]


def tuned_baseline(
    name: str, task: Task, fit_rows: LabelledTexts, selection: LabelledTexts, more: LabelledTexts
) -> TunedBaseline[LinearBaseline] | TunedBaseline[OneVsRest]:
    """The baseline as the task wants it: one for each label where a text may have any number of them.

    Args:
        name: Key of `BASELINES`.
        task: Kind and labels.
        fit_rows: Rows to fit while C is chosen.
        selection: Rows that choose it, and the thresholds.
        more: Further rows that only the last training sees.
    """
    if task.kind == "multi":
        return train_one_vs_rest(
            name,
            fit_rows.texts,
            task.targets(fit_rows.labels),
            selection.texts,
            task.targets(selection.labels),
            more_texts=more.texts,
            more_targets=task.targets(more.labels),
        )
    return train_baseline(  # by places, so that names sort as the classes do
        name,
        fit_rows.texts,
        place_names(task, fit_rows.labels),
        selection.texts,
        place_names(task, selection.labels),
        more_texts=more.texts,
        more_labels=place_names(task, more.labels),
    )


def place_names(task: Task, labels: Sequence[Label]) -> list[str]:
    """The place of each label in the task as a name, so that names sort as the labels of the task do."""
    return [f"{place:06d}" for place in task.targets(labels)]


def baseline_decisions(
    model: LinearBaseline | OneVsRest, texts: Sequence[str]
) -> Int[np.ndarray, " num_rows"] | Bool[np.ndarray, "num_rows num_labels"]:
    """What a baseline that was trained on `place_names`, or on targets, answers: places, or which labels."""
    if isinstance(model, OneVsRest):
        return model.decide(texts)
    return np.array([int(name) for name in model.predict(texts)], np.int64)


def _test_baseline(
    name: str,
    model: LinearBaseline | OneVsRest,
    task: Task,
    texts: list[str],
    labels: list[Label],
    ours: Outcome,
    train_seconds: float,
    seed: int,
) -> ComparisonRow:
    start = time.perf_counter()
    decisions = baseline_decisions(model, texts)
    seconds = time.perf_counter() - start
    tested = Outcome(task, decisions, labels)
    return ComparisonRow(
        name=name,
        **tested.figures,
        ours_minus_it=ours.minus(tested, seed=seed),
        p_value=ours.p_value(tested),
        train_seconds=train_seconds,
        predict_docs_per_second=len(texts) / seconds,
        parameters=model.num_parameters,
    )


def _parts(
    table: Table, test: Table | None, task: TaskChoice, seed: int
) -> tuple[list[str], list[Label], list[str], list[Label]]:
    """Texts and labels to train on, and to test on."""
    labels = _labels(table, task)
    if test is not None:
        if not test.rows:
            raise DataError(f"compare: expected rows to test on, got none in {test.source}.")
        several = any(isinstance(label, tuple) for label in labels)
        return list(table.texts), labels, list(test.texts), _labels(test, "multi" if several else "single")
    num_test = min(len(labels) // 5, MOST_TEST_ROWS)
    if num_test == 0:
        raise DataError(f"compare: expected at least 5 rows, got {len(labels)} in {table.source}.")
    test_rows, rows = stratified_slices(strata(labels), [num_test], seed=seed)
    texts = table.texts
    return (
        [texts[row] for row in rows],
        [labels[row] for row in rows],
        [texts[row] for row in test_rows],
        [labels[row] for row in test_rows],
    )


def _labels(table: Table, task: TaskChoice) -> list[Label]:
    return [*(table.single_labels if task in ("single", "ordinal") else table.given_labels)]


def _num_seen(texts: Sequence[str], test_texts: Sequence[str], config: Config) -> int:
    digests = text_digests(read_document(text, config.text) for text in texts)
    return int(texts_seen(test_texts, np.unique(digests), TextReader(config=config.text)).sum())


def _has_token(text: str, config: Config) -> bool:
    return bool(_SURE_TOKEN.search(text)) or read_document(text, config.text).num_tokens > 0


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
