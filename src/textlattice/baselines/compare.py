"""Ours against the baselines on the same rows, and a plain sentence: which to use."""

import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from textlattice.baselines.linear import BASELINES, LinearBaseline, train_baseline
from textlattice.config import Config
from textlattice.data.rows import Table
from textlattice.data.splits import slice_sizes, stratified_slices
from textlattice.errors import DataError
from textlattice.evaluation.metrics import evaluate
from textlattice.evaluation.significance import Interval, mcnemar, paired_bootstrap
from textlattice.progress import Progress
from textlattice.text.document import read_document
from textlattice.training.fit import CROSS_FIT_BELOW, fit
from textlattice.training.save import predictor_of

OURS = "textlattice"
"""Name of our own row."""
MOST_TEST_ROWS = 10_000
_SURE_TOKEN = re.compile("[A-Za-z0-9]")


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One classifier on the test rows.

    Args:
        name: `textlattice` or a key of `BASELINES`.
        accuracy: Share of the test rows it is right on.
        macro_f1: Mean F1 of the classes.
        ours_minus_it: Accuracy of ours minus this one, in points, with its 95% interval by paired bootstrap;
            None in our own row.
        p_value: Of McNemar's test that ours and this one err equally often; None in our own row.
        train_seconds: Wall time until it could answer, choice of its settings included.
        predict_docs_per_second: Test texts answered per second.
        parameters: Numbers stored.
    """

    name: str
    accuracy: float
    macro_f1: float
    ours_minus_it: Interval | None
    p_value: float | None
    train_seconds: float
    predict_docs_per_second: float
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All classifiers on the same rows, ours first.

    Args:
        source: Name of the table.
        num_train: Rows trained on.
        num_test: Rows tested on.
        rows: Ours, then the baselines in the order asked for.
    """

    source: str
    num_train: int
    num_test: int
    rows: tuple[ComparisonRow, ...]

    @property
    def best_baseline(self) -> ComparisonRow:
        """The baseline that is right most often, the first of equals."""
        return max(self.rows[1:], key=lambda row: row.accuracy)

    @property
    def advice(self) -> str:
        """One sentence: which to use, and the figures that say so.

        Ours only where it is better than the best baseline beyond noise; the simpler one where the difference
        is inside noise.
        """
        ours, other = self.rows[0], self.best_baseline
        interval = other.ours_minus_it
        assert interval is not None
        shown = (
            f"{OURS} is right on {100 * ours.accuracy:.1f} % of the {self.num_test:,} test rows and "
            f"{other.name}, the best baseline, on {100 * other.accuracy:.1f} %: a difference of "
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
        return values | {"rows": list(values["rows"]), "advice": self.advice}


def compare(
    table: Table,
    config: Config,
    *,
    test: Table | None = None,
    seed: int = 0,
    names: Sequence[str] = tuple(BASELINES),
    progress: Progress | None = None,
) -> Comparison:
    """Ours and the baselines, trained on the same rows and tested on the same rows.

    Each baseline chooses its C on the selection slice that ours has. It is trained on the fit rows and on all
    training rows; the better of the two on the test rows is shown, so that a claim stands against the better.

    Args:
        table: Rows with labels.
        config: Settings of ours; `train.seed` draws the selection slice.
        test: Rows to test on; None takes a stratified fifth of `table`, at most 10,000 rows.
        seed: Draws that fifth, and the resamples of the intervals.
        names: Baselines, keys of `BASELINES`.
        progress: Told of each stage.

    Raises:
        DataError: A row has no label, there are too few rows (told before anything is trained), or a baseline is
            unknown.
        TrainingError: Ours could not be trained.
    """
    progress = progress or Progress()
    unknown = [name for name in names if name not in BASELINES]
    if unknown or not names:
        raise DataError(
            f"compare: expected names of baselines out of {', '.join(BASELINES)}, "
            f"got {unknown[0] if unknown else 'none'!r}."
        )
    texts, labels, test_texts, test_labels = _parts(table, test, seed)
    slices = selection_slices(texts, labels, config)
    (fit_texts, fit_labels), (selection_texts, selection_labels), (more_texts, more_labels) = (
        ([texts[row] for row in chosen], [labels[row] for row in chosen]) for chosen in slices
    )
    if not selection_texts or len(set(fit_labels)) < 2:
        raise DataError(
            f"compare: expected at least 5 texts to train on, with two labels, got {len(texts)} rows in "
            f"{table.source}, of which {len(fit_texts)} can be fitted, with {len(set(fit_labels))} labels; "
            "give more rows."
        )

    start = time.perf_counter()
    trained = fit(texts, labels, config, progress=progress)
    train_seconds = time.perf_counter() - start
    predictor = predictor_of(trained)
    start = time.perf_counter()
    probabilities = predictor.probabilities(test_texts)
    speed = len(test_texts) / (time.perf_counter() - start)
    ours_correct, macro_f1 = _judge(probabilities, test_labels, trained.task.labels)
    rows = [
        ComparisonRow(
            name=OURS,
            accuracy=float(ours_correct.mean()),
            macro_f1=macro_f1,
            ours_minus_it=None,
            p_value=None,
            train_seconds=train_seconds,
            predict_docs_per_second=speed,
            parameters=sum(value.numel() for value in trained.model.state_dict().values()),
        )
    ]
    for name in names:
        progress.begin(f"training {name}")
        tuned = train_baseline(
            name,
            fit_texts,
            fit_labels,
            selection_texts,
            selection_labels,
            more_texts=more_texts,
            more_labels=more_labels,
        )
        trainings = [
            (tuned.on_all_rows, tuned.tune_seconds + tuned.fit_seconds),
            (tuned.on_fit_rows, tuned.tune_seconds),
        ]
        tested = [
            _test_baseline(name, model, test_texts, test_labels, ours_correct, seconds, seed)
            for model, seconds in trainings
        ]
        rows.append(max(tested, key=lambda row: row.accuracy))
        progress.end()
    return Comparison(source=table.source, num_train=len(texts), num_test=len(test_texts), rows=tuple(rows))


def selection_slices(
    texts: Sequence[str], labels: Sequence[str], config: Config
) -> tuple[Int[np.ndarray, " fit"], Int[np.ndarray, " selection"], Int[np.ndarray, " more"]]:
    """Places of the rows to fit, of the rows that choose, and of further rows for the last training.

    From 2,000 rows on these are the fit, selection and calibration slices of `training.fit`, row for row.
    Below, where that one cross-fits, a fifth of the rows, at most 200, chooses and there are no further rows.
    A text without a token is in none of them.

    Args:
        texts: Training texts.
        labels: One each.
        config: Its `train.seed` draws the slices.
    """
    rows = np.array([row for row, text in enumerate(texts) if _has_token(text, config)], np.int64)
    names = [labels[row] for row in rows]
    size = slice_sizes(len(rows))
    sizes = [size, size] if len(rows) >= CROSS_FIT_BELOW else [min(size, len(rows) // 5), 0]
    selection, more, fit_rows = stratified_slices(names, sizes, seed=config.train.seed)
    return rows[fit_rows], rows[selection], rows[more]


def softmax(scores: Float[np.ndarray, "num_docs num_classes"]) -> Float[np.ndarray, "num_docs num_classes"]:
    """Each row as shares that sum to 1."""
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def _test_baseline(
    name: str,
    model: LinearBaseline,
    texts: list[str],
    labels: list[str],
    ours_correct: Bool[np.ndarray, " num_rows"],
    train_seconds: float,
    seed: int,
) -> ComparisonRow:
    start = time.perf_counter()
    scores = model.scores(texts)
    seconds = time.perf_counter() - start
    correct, macro_f1 = _judge(softmax(scores), labels, model.labels)
    return ComparisonRow(
        name=name,
        accuracy=float(correct.mean()),
        macro_f1=macro_f1,
        ours_minus_it=paired_bootstrap(ours_correct, correct, seed=seed),
        p_value=mcnemar(ours_correct, correct),
        train_seconds=train_seconds,
        predict_docs_per_second=len(texts) / seconds,
        parameters=model.num_parameters,
    )


def _judge(
    probabilities: Float[np.ndarray, "num_rows num_classes"], labels: Sequence[str], names: Sequence[str]
) -> tuple[Bool[np.ndarray, " num_rows"], float]:
    """Which rows are right, and the macro F1; a label that the classifier does not know is never right."""
    place = {name: target for target, name in enumerate(names)}
    targets = np.array([place.get(label, -1) for label in labels], np.int64)
    figures = evaluate(probabilities, targets, names, num_bootstrap=0)
    return probabilities.argmax(axis=1) == targets, figures["macro_f1"]


def _parts(table: Table, test: Table | None, seed: int) -> tuple[list[str], list[str], list[str], list[str]]:
    """Texts and labels to train on, and to test on."""
    labels = table.single_labels
    if test is not None:
        if not test.rows:
            raise DataError(f"compare: expected rows to test on, got none in {test.source}.")
        return table.texts, labels, test.texts, test.single_labels
    num_test = min(len(labels) // 5, MOST_TEST_ROWS)
    if num_test == 0:
        raise DataError(f"compare: expected at least 5 rows, got {len(labels)} in {table.source}.")
    test_rows, rows = stratified_slices(labels, [num_test], seed=seed)
    texts = table.texts
    return (
        [texts[row] for row in rows],
        [labels[row] for row in rows],
        [texts[row] for row in test_rows],
        [labels[row] for row in test_rows],
    )


def _has_token(text: str, config: Config) -> bool:
    return bool(_SURE_TOKEN.search(text)) or read_document(text, config.text).num_tokens > 0


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
