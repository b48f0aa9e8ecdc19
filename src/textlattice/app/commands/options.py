"""Options that several commands share, and what is made of them."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from textlattice.app.report.page import check_page
from textlattice.config import Config
from textlattice.data.rows import Table
from textlattice.errors import MissingExtraError
from textlattice.presets import PRESETS, preset

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Model folder, trained or exported.")]
Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Table of texts: .csv, .tsv, .jsonl, .parquet or .txt in fastText format, .gz of the text formats, "
        "hf:owner/name, builtin:docstrings, or - for JSON lines on standard input.",
        show_default=False,
    ),
]
TextColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        metavar="COLUMN",
        help="Column of the text; give it twice to join two columns, such as title and body. Default: text.",
        show_default=False,
    ),
]
TokenizerOption = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        metavar="NAME",
        help="Cut texts by a tokenizer.json: the file, its folder, or owner/name on the hub; a model keeps it.",
        show_default=False,
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="With --preset pyramid or pyramid-graph: the language model whose states are read, its folder or "
        "owner/name on the hub; kept in the model.",
        show_default=False,
    ),
]
LabelColumn = Annotated[str, typer.Option("--label", metavar="COLUMN", help="Column of the label.")]
LabelSeparator = Annotated[
    str | None,
    typer.Option(
        "--label-separator",
        metavar="TEXT",
        help='Texts of the label column are lists of labels, parted by this, such as "|".',
        show_default=False,
    ),
]


class TaskChoice(StrEnum):
    """What a label is."""

    AUTO = "auto"
    SINGLE = "single"
    MULTI = "multi"
    ORDINAL = "ordinal"


TaskOption = Annotated[
    TaskChoice,
    typer.Option(
        "--task",
        help="What a label is: one of several (single), any number of them (multi), or one of several in an order "
        "(ordinal). auto: multi where labels are lists, else single.",
    ),
]
LabelOrder = Annotated[
    str | None,
    typer.Option(
        "--label-order",
        metavar="A,B,C",
        help="Labels from the lowest to the highest, for --task ordinal; not needed where they are numbers.",
        show_default=False,
    ),
]
Preset = Annotated[
    str, typer.Option("--preset", metavar="NAME", help=f"Settings to start from: {', '.join(PRESETS)}.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change one setting, such as model.channels=96; may be given more than once.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Let --html replace a file that is not a page of textlattice, and follow a link."
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of everything random.")]


def text_columns(chosen: list[str] | None) -> tuple[str, ...]:
    """The text columns asked for, `text` if none."""
    return tuple(chosen or ["text"])


def label_order(given: str | None) -> list[str] | None:
    """The labels of `--label-order`; one with a comma in it stands in double quotes."""
    return None if given is None else next(csv.reader([given], skipinitialspace=True), [])


def labels_of(table: Table, task: TaskChoice) -> list[str | tuple[str, ...]]:
    """What the rows of a table are labelled with.

    Raises:
        DataError: A row has no label, or a list of them where the task wants one.
    """
    single = task in (TaskChoice.SINGLE, TaskChoice.ORDINAL)
    return [*(table.single_labels if single else table.given_labels)]


def configure(name: str, settings: Sequence[str] | None, direct: dict[str, Any]) -> Config:
    """The settings of a preset, changed by `--set` and then by options of their own that were given.

    Raises:
        ConfigError: The preset or a setting is unknown, or a value does not fit.
    """
    changes: dict[str, Any] = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"expected NAME=VALUE, got {setting!r}.", param_hint="'--set'")
        changes[key.strip()] = value.strip()
    changes |= {key: value for key, value in direct.items() if value is not None}
    return preset(name).with_settings(changes)


def check_report(html: Path | None, *, force: bool) -> None:
    """Does nothing where the page of `--html` can be written, if one is asked for; call it before long work.

    Raises:
        DataError: It would overwrite what is not ours, or nothing can be written there.
    """
    if html is not None:
        check_page(html, force=force)
    elif force:
        raise typer.BadParameter("goes with --html alone.", param_hint="'--force'")


@contextmanager
def needs(part: str, extra: str) -> Iterator[None]:
    """Imports in its body that fail for want of an optional dependency say which extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("textlattice"):
            raise
        raise MissingExtraError(part, extra) from error
