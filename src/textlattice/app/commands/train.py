"""`textlattice train`: a labelled table to a model folder."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textlattice.app.commands.options import (
    Json,
    LabelColumn,
    LabelSeparator,
    Preset,
    Settings,
    Source,
    TextColumns,
    configure,
    needs,
    text_columns,
)
from textlattice.app.terminal import (
    count,
    percent,
    print_json,
    print_table,
    progress,
    report_rejects,
    say,
    warn,
)
from textlattice.app.unfinished import check_output, open_checkpoint, telling_of
from textlattice.artefact.lock import only_writer
from textlattice.data.readers import read_table
from textlattice.data.rows import Table
from textlattice.errors import ConfigError, TrainingError
from textlattice.runtime.token_table import read_token_table

if TYPE_CHECKING:
    from textlattice.training.fit import Trained

KEPT_REJECTS = 100
"""Rejected rows that the record names; the others are counted."""


class TaskChoice(StrEnum):
    """What a label is."""

    AUTO = "auto"
    SINGLE = "single"
    MULTI = "multi"
    ORDINAL = "ordinal"


def train(
    source: Source,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Model folder to write; an older model there is replaced.",
            show_default=False,
        ),
    ],
    validation: Annotated[
        str | None,
        typer.Option(
            "--validation",
            metavar="SOURCE",
            help="Rows that choose epoch and weights, instead of a slice of the training rows.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        TaskChoice, typer.Option("--task", help="This release trains single-label models.")
    ] = TaskChoice.AUTO,
    preset: Preset = "base",
    settings: Settings = None,
    text: TextColumns = None,
    label: LabelColumn = "label",
    label_separator: LabelSeparator = None,
    token_table: Annotated[
        Path | None,
        typer.Option(
            "--token-table",
            metavar="FILE",
            help="Vectors of words from elsewhere (.safetensors), read beside the words learned here.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="Passes over the rows.", show_default=False)
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", help="Steps of training instead of epochs.", show_default=False),
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option("--max-minutes", metavar="M", help="Time that training may take.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", min=0, help="Seed of everything random.", show_default=False),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="T",
            min=1,
            help="Threads; fewer where other work is running.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="This release computes on cpu.")
    ] = "cpu",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with this training where it was cut short; begin it if there is nothing yet.",
        ),
    ] = False,
    checkpoint_minutes: Annotated[
        float,
        typer.Option(
            "--checkpoint-minutes",
            metavar="M",
            min=0,
            help="Time between checkpoints, which are written at the end of an epoch too.",
        ),
    ] = 10.0,
    json: Json = False,
) -> None:
    """Train a classifier on a table of texts and labels.

    The model is written as a folder. Rows that cannot be read are reported and left out. Part of the training
    rows is held out to choose the best epoch and the weights of the sum, so no test rows are needed here;
    keep those for "evaluate".

    While it trains, DIR.checkpoint keeps how far it came. After a crash the same command with --resume goes on
    from there and ends with the model that an undisturbed training gives. Time spent before counts in
    --max-minutes.

    \b
    Examples:
      textlattice train builtin:docstrings:train -o model --preset tiny
      textlattice train reviews.csv -o model --max-minutes 30
      textlattice train news.parquet -o model --text title --text body --label topic --set model.channels=96
    """
    if task in (TaskChoice.MULTI, TaskChoice.ORDINAL):
        raise ConfigError(f"--task {task.value} is not in this release, expected auto or single.")
    if device != "cpu":
        raise ConfigError(f"--device must be cpu in this release, got {device!r}; leave it out.")
    direct = {"epochs": epochs, "steps": steps, "max_minutes": max_minutes, "seed": seed, "threads": threads}
    config = configure(preset, settings, {f"train.{name}": value for name, value in direct.items()})
    check_output(output)
    vectors = None if token_table is None else read_token_table(token_table)
    with needs("training", "train"):
        import torch

        from textlattice.training.checkpoint import training_run
        from textlattice.training.fit import fit
        from textlattice.training.save import save_trained

    columns = text_columns(text)
    table = _read(source, columns, label, label_separator)
    held_out = None if validation is None else _read(validation, columns, label, label_separator)
    labels = table.single_labels
    record = table_record(table)
    if token_table is not None:
        record["token_table"] = str(token_table)
    if held_out is not None:
        record["validation"] = table_record(held_out)
    parts = {
        "rows": table.digest,
        "validation": None if held_out is None else held_out.digest,
        "token_table": vectors,
        "task": task.value,
    }
    run = training_run(config, parts, threads=config.train.threads or torch.get_num_threads())
    with only_writer(output):
        with progress() as listener:
            checkpoint, finished = open_checkpoint(
                output, run, resume=resume, minutes=checkpoint_minutes, progress=listener
            )
            if finished is not None:
                _tell_finished(output, finished, json=json)
                return
            with telling_of(checkpoint):
                trained = fit(
                    table.texts,
                    labels,
                    config,
                    validation=None if held_out is None else (held_out.texts, held_out.single_labels),
                    token_table=vectors,
                    progress=listener,
                    checkpoint=checkpoint,
                )
        with telling_of(checkpoint):
            save_trained(trained, output, source=record)
        checkpoint.remove()
    if json:
        print_json({"folder": str(output), "source": record, **trained.record})
    else:
        _print_summary(trained, table, output)
    _tell_stopped(output, trained.record)


def _tell_finished(output: Path, record: dict[str, Any], *, json: bool) -> None:
    warn(f"{output} holds the result of this training already: nothing is left to do.")
    if json:
        print_json({"folder": str(output), **{name: record[name] for name in record if name != "settings"}})
    _tell_stopped(output, record)


def _tell_stopped(output: Path, record: dict[str, Any]) -> None:
    """Why training ended early, if it did; raises `TrainingError` where a number was not finite."""
    stopped = record["network"]["stopped"]
    if record["network"]["diverged"]:
        raise TrainingError(
            f"training stopped early: {stopped}. {output} holds the model so far; try a smaller "
            "--set train.learning_rate."
        )
    if stopped:
        warn(f"training stopped early: {stopped}.")


def table_record(table: Table) -> dict[str, Any]:
    """What the training record keeps of a table; of its texts nothing but a digest."""
    return {
        "name": table.source,
        "digest": table.digest,
        "num_rows": len(table.rows),
        "num_rejected": len(table.rejects),
        "rejects_by_reason": dict(Counter(reject.reason for reject in table.rejects).most_common()),
        "rejects": [
            {"row": reject.number, "line": reject.line, "reason": reject.reason}
            for reject in table.rejects[:KEPT_REJECTS]
        ],
    }


def _read(source: str, columns: tuple[str, ...], label: str, label_separator: str | None) -> Table:
    table = read_table(
        source,
        text_columns=columns,
        label_column=label,
        require_label=True,
        label_separator=label_separator,
    )
    report_rejects(table.rejects, source)
    return table


def _print_summary(trained: "Trained", table: Table, output: Path) -> None:
    record = trained.record
    chosen = record["sum"]["epoch"]
    figures: dict[str, Any] = next((entry for entry in record["history"] if entry["epoch"] == chosen), {})
    rows = [
        ("rows", f"{len(table.rows):,} of {len(trained.task.labels)} labels"),
        ("accuracy on held-out rows", percent(figures.get("accuracy"))),
        ("  n-grams alone", percent(figures.get("wide_accuracy"))),
        ("  graph network alone", percent(figures.get("deep_accuracy"))),
        ("chosen epoch", str(chosen) if chosen else "none, the n-grams alone were best"),
        ("time", f"{record['seconds']:,.1f} s"),
        ("folder", str(output)),
    ]
    vectors = record.get("token_table")
    if vectors is not None:
        size = f"{vectors['num_words']:,} words, {vectors['bytes'] / 1e6:.1f} MB"
        rows.insert(1, ("token table", f"{size}, {percent(vectors['known_token_share'])} of the tokens"))
    if table.rejects:
        rows.insert(1, ("", f"{count(len(table.rejects), 'row')} rejected"))
    print_table(["", ""], rows, num_left=2)
    say("The held-out rows chose the model, so they flatter it. Next, on rows it has not seen:")
    say(f"  textlattice evaluate {output} TEST.csv")
    say(f"  textlattice predict {output} TEXTS.csv -o ANSWERS.csv")
    say(f'  textlattice explain {output} --text "one of your texts"')
