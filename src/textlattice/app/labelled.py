"""What is told of rows that a model is measured on: labels that it does not know, texts that flatter it."""

from collections import Counter
from collections.abc import Sequence

from textlattice.app.terminal import warn
from textlattice.task import Label, Task, TaskKind, each_label


def unknown_labels(task: Task, labels: Sequence[Label]) -> Counter[str]:
    """How often each label stands there that the task does not know."""
    known = set(task.labels)
    return Counter(name for label in labels for name in each_label(label) if name not in known)


def report_unknown(unknown: Counter[str], kind: TaskKind, source: str, becomes: str = "") -> None:
    """Warns of labels that the model does not know: each is an error of the model, or becomes something else."""
    if unknown:
        names = ", ".join(f"{name} ({num:,})" for name, num in unknown.most_common(5))
        what = "labels" if kind == "multi" else "rows with labels"
        warn(f"{source}: {unknown.total():,} {what} that the model does not know: {names}{becomes}")


def report_seen(num_seen: int | None, num_rows: int, source: str) -> None:
    """Warns of texts that the model was trained on."""
    if num_seen:
        warn(
            f"{source}: {num_seen:,} of {num_rows:,} rows have a text that the model was trained on; they flatter it."
        )
