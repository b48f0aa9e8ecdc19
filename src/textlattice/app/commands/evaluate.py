"""`textlattice evaluate`: the metrics of a model on a labelled table."""

from collections import Counter
from typing import Any

import numpy as np

from textlattice.app.commands.options import (
    Folder,
    Json,
    LabelColumn,
    LabelSeparator,
    Source,
    TextColumns,
    text_columns,
)
from textlattice.app.loading import load
from textlattice.app.terminal import number, percent, print_json, print_table, progress, report_rejects, warn
from textlattice.data.readers import read_table
from textlattice.data.rows import Table
from textlattice.errors import DataError
from textlattice.progress import Progress
from textlattice.runtime.predictor import Predictor

SHARES = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1")
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

    Accuracy, F1, calibration, intervals, and each label by itself. Rows that cannot be read are reported and
    left out; empty texts count, with their answer. A label that the model does not know is an error of the
    model, and reported.

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
    )
    report_rejects(table.rejects, source)
    with progress() as listener:
        result = evaluation(predictor, table, listener)
    if unknown := result["unknown_labels"]:
        names = ", ".join(f"{name} ({num:,})" for name, num in list(unknown.items())[:5])
        warn(
            f"{source}: {result['num_unknown_labels']:,} rows with labels that the model does not know: "
            f"{names}"
        )
    if json:
        print_json(result)
    else:
        _print_figures(result)


def evaluation(predictor: Predictor, table: Table, listener: Progress) -> dict[str, Any]:
    """All metrics of a table, with `num_rejected` and the counts of `unknown_labels`.

    Raises:
        DataError: The table has no usable row, or one with a list of labels.
    """
    from textlattice.evaluation import metrics

    if not table.rows:
        raise DataError(
            f"{table.source}: expected rows to evaluate on, got none that can be used "
            f"({len(table.rejects):,} rejected)."
        )
    place = {name: target for target, name in enumerate(predictor.task.labels)}
    labels = table.single_labels
    targets = np.array([place.get(label, -1) for label in labels], np.int64)
    unknown = Counter(label for label in labels if label not in place)
    result = metrics.evaluate(_probabilities(predictor, table, listener), targets, predictor.task.labels)
    return {
        "num_rows": result["num_rows"],
        "num_rejected": len(table.rejects),
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
    intervals = result["intervals"]
    rows = [("rows", number(result["num_rows"]), "")]
    if result["num_rejected"]:
        rows.append(("rows rejected", number(result["num_rejected"]), ""))
    for name in SHARES:
        bounds = intervals.get(name)
        between = (
            "" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} % (95 % interval)"
        )
        rows.append((name.replace("_", " "), percent(result[name]), between))
    rows.append(("macro AUC", number(result["macro_auc"]), ""))
    rows.append(("log loss", number(result["log_loss"]), ""))
    rows.append(("calibration error", number(result["ece"]), ""))
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
    if len(labels) <= MAX_CONFUSION_LABELS:
        print_table(
            ["rows: label, columns: answer", *labels],
            [
                (name, *map(number, counts))
                for name, counts in zip(labels, result["confusion_matrix"], strict=True)
            ],
        )
