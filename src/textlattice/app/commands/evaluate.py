"""`textlattice evaluate`: the metrics of a model on a labelled table."""

from collections import Counter
from typing import Any

import numpy as np
from jaxtyping import UInt64

from textlattice.app.commands.options import (
    Folder,
    Json,
    LabelColumn,
    LabelSeparator,
    Source,
    TaskChoice,
    TextColumns,
    labels_of,
    text_columns,
)
from textlattice.app.labelled import report_seen, report_unknown, too_long, unknown_labels
from textlattice.app.loading import load
from textlattice.app.terminal import number, percent, print_json, print_table, progress, report_rejects
from textlattice.data.readers import read_table
from textlattice.data.rows import Table
from textlattice.errors import DataError
from textlattice.progress import Progress
from textlattice.runtime.predictor import Predictor
from textlattice.runtime.training_texts import read_training_texts, texts_seen
from textlattice.task import TaskKind

SHARES: dict[TaskKind, tuple[str, ...]] = {
    "single": ("accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1"),
    "ordinal": ("accuracy", "quadratic_weighted_kappa", "macro_f1", "weighted_f1"),
    "multi": (
        *("subset_accuracy", "micro_precision", "micro_recall", "micro_f1"),
        *("macro_precision", "macro_recall", "macro_f1", "lrap"),
    ),
}
"""Figures shown in per cent, by kind of task."""
NUMBERS = {
    "mae": "mean distance in classes",
    "macro_auc": "macro AUC",
    "log_loss": "log loss",
    "ece": "calibration error",
}
MAX_CONFUSION_LABELS = 12


def evaluate(
    folder: Folder,
    source: Source,
    text: TextColumns = None,
    label: LabelColumn = "label",
    label_separator: LabelSeparator = None,
    json: Json = False,
) -> None:
    """Measure a model on a table with known labels.

    Accuracy, F1, calibration, intervals, and each label by itself; quadratic weighted kappa and the mean distance
    for labels in an order. Rows that cannot be read are reported and left out; empty texts count, with their
    answer. A label that the model does not know is an error of the model, and reported. So are texts that the
    model was trained on.

    \b
    Examples:
      textlattice evaluate model test.csv
      textlattice evaluate model test.parquet --text title --text body --label topic --json > metrics.json
    """
    predictor = load(folder)
    table = read_table(
        source,
        text_columns=text_columns(text),
        label_column=label,
        require_label=True,
        label_separator=label_separator,
        fault_of=too_long(predictor.reader),
    )
    report_rejects(table.rejects, source)
    with progress() as listener:
        result = evaluation(predictor, table, listener, read_training_texts(folder))
    report_unknown(Counter(result["unknown_labels"]), predictor.task.kind, source)
    report_seen(result["num_seen_in_training"], result["num_rows"], source)
    if json:
        print_json(result)
    else:
        _print_figures(result)


def evaluation(
    predictor: Predictor,
    table: Table,
    listener: Progress,
    training_texts: UInt64[np.ndarray, " num_texts"] | None = None,
) -> dict[str, Any]:
    """All metrics of a table, those that fit the task.

    Args:
        predictor: The model.
        table: Rows with labels.
        listener: Told of each row.
        training_texts: Digests of the texts that the model was trained on, ascending; None where they are not known.

    Returns:
        The metrics, with `num_rejected`, the counts of `unknown_labels`, and `num_seen_in_training`, the rows whose
        text is one of the training texts (None where those are not known).

    Raises:
        DataError: The table has no usable row, or one with a list of labels where the task wants one.
    """
    from textlattice.evaluation.answers import evaluate_answers

    if not table.rows:
        raise DataError(
            f"{table.source}: expected rows to evaluate on, got none that can be used "
            f"({len(table.rejects):,} rejected)."
        )
    task = predictor.task
    labels = labels_of(table, TaskChoice(task.kind))
    unknown = unknown_labels(task, labels)
    result = evaluate_answers(task, _probabilities(predictor, table, listener), labels)
    seen = None
    if training_texts is not None:
        seen = int(texts_seen(table.texts, training_texts, predictor.reader).sum())
    return {
        "task": task.kind,
        "num_rows": result["num_rows"],
        "num_rejected": len(table.rejects),
        "num_seen_in_training": seen,
        "unknown_labels": dict(unknown.most_common()),
        **result,
    }


def _probabilities(predictor: Predictor, table: Table, listener: Progress) -> np.ndarray:
    def texts() -> Any:
        for text in table.texts:
            yield text
            listener.advance()

    listener.begin("reading and answering", len(table.rows))
    probabilities = predictor.probabilities(texts())
    listener.end()
    return probabilities


def _print_figures(result: dict[str, Any]) -> None:
    rows = [("rows", number(result["num_rows"]), "")]
    if result["num_rejected"]:
        rows.append(("rows rejected", number(result["num_rejected"]), ""))
    for name in SHARES[result["task"]]:
        bounds = result["intervals"].get(name)
        between = (
            "" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} % (95 % interval)"
        )
        rows.append((name.replace("_", " "), percent(result[name]), between))
    for name, words in NUMBERS.items():
        if name in result:
            rows.append((words, number(result[name]), ""))
    print_table(["", "", ""], rows)
    print_table(
        ["label", "rows", "precision", "recall", "F1"],
        [
            (
                name,
                number(each["support"]),
                percent(each["precision"]),
                percent(each["recall"]),
                percent(each["f1"]),
            )
            for name, each in result["per_class"].items()
        ],
    )
    labels = result["labels"]
    if "confusion_matrix" in result and len(labels) <= MAX_CONFUSION_LABELS:
        print_table(
            ["rows: label, columns: answer", *labels],
            [
                (name, *map(number, counts))
                for name, counts in zip(labels, result["confusion_matrix"], strict=True)
            ],
        )
