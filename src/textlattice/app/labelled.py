"""What is told of rows that a model is measured on: labels that it does not know, texts that flatter it."""

from collections import Counter
from collections.abc import Callable, Sequence

from textlattice.app.answer_files import TEXT_TOO_LONG
from textlattice.app.terminal import warn
from textlattice.data.records import RowFault
from textlattice.errors import TextTooLongError
from textlattice.task import Label, Task, TaskKind, each_label
from textlattice.text import words
from textlattice.text.document import TextReader
from textlattice.text.words import check_num_tokens

_GROWTH = {"none": 1, "nfc": 3, "nfkc": 18}
"""Characters that a Unicode form makes of one, at most."""
_FILE_GROWTH = 64  # pieces that a tokenizer file makes of one character: its bytes, after a form of its own


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


def too_long(reader: TextReader, most: int | None = None) -> Callable[[str], RowFault | None]:
    """What says why a text has too many tokens, if it has; only a text that might is cut for it.

    Args:
        reader: Cuts texts.
        most: Tokens at most; None takes those that are read.
    """
    most = words.MOST_TOKENS if most is None else most
    growth = _GROWTH[reader.config.normalisation] if reader.config.tokenizer == "words" else _FILE_GROWTH

    def fault_of(text: str) -> RowFault | None:
        if len(text) * growth <= most:
            return None
        try:
            check_num_tokens(reader.read(text).num_tokens, most)
        except TextTooLongError as error:
            return RowFault(TEXT_TOO_LONG, f"expected at most {error.most}, got {error.found}")
        return None

    return fault_of
