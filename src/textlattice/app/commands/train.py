"""`textlattice train`: a labelled table to a model folder."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from textlattice.app.commands.options import (
    EncoderOption,
    Json,
    LabelColumn,
    LabelOrder,
    LabelSeparator,
    Preset,
    Settings,
    Source,
    TaskChoice,
    TaskOption,
    TextColumns,
    TokenizerOption,
    configure,
    label_order,
    labels_of,
    needs,
    text_columns,
)
from textlattice.app.labelled import too_long
from textlattice.app.terminal import (
    LABELS,
    MEASURES,
    count,
    number,
    percent,
    print_json,
    print_table,
    progress,
    report_rejects,
    say,
    warn,
)
from textlattice.app.token_tables import table_for
from textlattice.app.tokenizers import named_tokenizer
from textlattice.app.unfinished import check_output, open_checkpoint, telling_of
from textlattice.artefact.lock import only_writer
from textlattice.data.readers import read_table
from textlattice.data.records import RowFault
from textlattice.data.rows import Table
from textlattice.errors import ConfigError, TrainingError
from textlattice.text.document import TextReader
from textlattice.text.words import token_bounds

if TYPE_CHECKING:
    from textlattice.encoders.language_model import LanguageModelEncoder
    from textlattice.training.fit import Trained

KEPT_REJECTS = 100
"""Rejected rows that the record names; the others are counted."""


def train(
    source: Source,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Model folder to write; an older model there is replaced. Needed but with --no-final.",
            show_default=False,
        ),
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(
            "--validation",
            metavar="SOURCE",
            help="Rows that choose epoch and weights, instead of a slice of the training rows.",
            show_default=False,
        ),
    ] = None,
    task: TaskOption = TaskChoice.AUTO,
    order: LabelOrder = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            metavar="K",
            min=2,
            help="Test by cross-validation first: K trainings more, each tested on the K-th part that it has not "
            "seen.",
            show_default=False,
        ),
    ] = None,
    final: Annotated[
        bool,
        typer.Option("--final/--no-final", help="Train on all rows and write the folder, after --folds."),
    ] = True,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="COLUMN",
            help="Rows with the same value here, such as one author's, are never parted by a slice or a fold.",
            show_default=False,
        ),
    ] = None,
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
    tokenizer: TokenizerOption = None,
    encoder: EncoderOption = None,
    tune: Annotated[
        Literal["none", "lora", "full"] | None,
        typer.Option(
            "--tune",
            help="What becomes of it: none leaves it as it is, lora teaches its matrices small additions, full changes "
            "all of it. Slower by far; take a smaller train.batch_size.",
            show_default=False,
        ),
    ] = None,
    state_cache: Annotated[
        Path | None,
        typer.Option(
            "--state-cache",
            metavar="DIR",
            file_okay=False,
            help="Folder for states of the language model. Default: textlattice/states in the user's cache.",
            show_default=False,
        ),
    ] = None,
    state_cache_gb: Annotated[
        float | None,
        typer.Option(
            "--state-cache-gb",
            metavar="N",
            min=0,
            help="Size of that folder at most; 0 keeps none. Default: 20.",
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
    keep those for "evaluate", or test by cross-validation with --folds. Texts that stand on both sides of a split
    are counted and reported.

    While it trains, DIR.checkpoint keeps how far it came. After a crash the same command with --resume goes on
    from there and ends with the model that an undisturbed training gives. Time spent before counts in
    --max-minutes.

    \b
    Examples:
      textlattice train builtin:docstrings:train -o model --preset tiny
      textlattice train reviews.csv -o model --max-minutes 30
      textlattice train news.parquet -o model --text title --text body --label topic --set model.channels=96
      textlattice train reviews.csv -o model --preset pyramid --encoder FOLDER --tune lora
      textlattice train comments.csv -o model --label emotions --label-separator "|"
      textlattice train stars.csv -o model --task ordinal --folds 5 --group author
    """
    if output is None and (final or folds is None):
        raise typer.BadParameter(
            "give the model folder; only --folds with --no-final needs none.", param_hint="'--output'"
        )
    if not final and folds is None:
        raise typer.BadParameter("goes with --folds alone.", param_hint="'--no-final'")
    for name, given in (("--state-cache", state_cache), ("--state-cache-gb", state_cache_gb)):
        if given is not None and encoder is None:
            raise typer.BadParameter("goes with --encoder alone.", param_hint=f"'{name}'")
    if device != "cpu":
        raise ConfigError(f"--device must be cpu in this release, got {device!r}; leave it out.")
    direct: dict[str, Any] = {"epochs": epochs, "steps": steps, "max_minutes": max_minutes, "seed": seed}
    direct |= {"threads": threads, "tune": tune}
    config = configure(preset, settings, {f"train.{name}": value for name, value in direct.items()})
    if config.train.tune != "none" and (state_cache, state_cache_gb) != (None, None):
        raise ConfigError(
            f"--state-cache keeps states of a language model that stays as it is, got train.tune={config.train.tune}; "
            "leave one out."
        )
    if output is not None and final:
        check_output(output)
    cut = None if tokenizer is None else named_tokenizer(tokenizer)
    vectors = None if token_table is None else table_for(token_table, config.text, cut)
    with needs("training", "train"):
        import torch

        from textlattice.app.encoders import named_encoder
        from textlattice.training.checkpoint import training_run
        from textlattice.training.cross_validation import cross_validate
        from textlattice.training.fit import MOST_TRAINING_TOKENS, fit
        from textlattice.training.save import save_trained

    language_model = None
    if encoder is not None:
        language_model = named_encoder(encoder, config, folder=state_cache, gigabytes=state_cache_gb)
    columns = text_columns(text)
    tokenizer_file = cut if language_model is None else language_model.tokenizer
    text_config = dataclasses.replace(config.text, tokenizer="words" if tokenizer_file is None else "file")
    fault_of = too_long(
        TextReader(config=text_config, cut=tokenizer_file or token_bounds), MOST_TRAINING_TOKENS
    )
    table = _read(source, columns, label, label_separator, group, fault_of)
    held_out = (
        None if validation is None else _read(validation, columns, label, label_separator, None, fault_of)
    )
    labels = labels_of(table, task)
    several = task is TaskChoice.MULTI or any(isinstance(label, tuple) for label in labels)
    chosen: dict[str, Any] = {"task": task.value, "label_order": label_order(order)}
    chosen["groups"] = None if group is None else table.groups(group)
    record = table_record(table)
    if vectors is not None:
        record["token_table"] = {"file": str(token_table), **vectors.record}
    if cut is not None:
        record["tokenizer"] = {"name": tokenizer, "digest": cut.digest}
    if language_model is not None:
        record["encoder"] = {"name": encoder, "digest": language_model.digest.hex()}
    chosen_by = None
    if held_out is not None:
        record["validation"] = table_record(held_out)
        chosen_by = held_out.texts, labels_of(held_out, TaskChoice.MULTI if several else TaskChoice.SINGLE)
    parts = {
        "rows": table.digest,
        "validation rows": None if held_out is None else held_out.digest,
        "token table": vectors,
        "tokenizer": None if cut is None else cut.digest,
        "language model": None if language_model is None else language_model.digest.hex(),
        "folds": folds,
        **{name.replace("_", " "): part for name, part in chosen.items()},
    }
    chosen |= {"validation": chosen_by, "token_table": vectors, "tokenizer": cut, "encoder": language_model}
    if output is None or not final:
        assert folds is not None
        with progress() as listener:
            result = cross_validate(table.texts, labels, config, num_folds=folds, progress=listener, **chosen)
        if json:
            print_json({"source": record, "cross_validation": result})
        else:
            _print_folds(result)
        return
    run = training_run(config, parts, threads=config.train.threads or torch.get_num_threads())
    tested: dict[str, Any] = {}
    with only_writer(output):
        with progress() as listener:
            checkpoint, finished = open_checkpoint(
                output, run, resume=resume, minutes=checkpoint_minutes, progress=listener
            )
            if finished is not None:
                _tell_finished(output, finished, json=json)
                return
            with telling_of(checkpoint):
                if folds is not None:
                    tested["cross_validation"] = cross_validate(
                        table.texts,
                        labels,
                        config,
                        num_folds=folds,
                        progress=listener,
                        checkpoint=checkpoint,
                        **chosen,
                    )
                trained = fit(
                    table.texts,
                    labels,
                    config,
                    progress=listener,
                    checkpoint=checkpoint,
                    **chosen,
                )
        trained.record.update(tested)
        with telling_of(checkpoint):
            save_trained(trained, output, source=record)
        checkpoint.remove()
    if language_model is not None:
        _tell_states_left_out(language_model)
    if json:
        print_json({"folder": str(output), "source": record, **trained.record})
    else:
        if folds is not None:
            _print_folds(tested["cross_validation"])
        _print_summary(trained, table, output)
    _tell_stopped(output, trained.record)


def _tell_finished(output: Path, record: dict[str, Any], *, json: bool) -> None:
    warn(f"{output} holds the result of this training already: nothing is left to do.")
    if json:
        print_json({"folder": str(output), **{name: record[name] for name in record if name != "settings"}})
    _tell_stopped(output, record)


def _tell_states_left_out(encoder: "LanguageModelEncoder") -> None:
    """That states were made anew in each epoch, where their folder could not take them."""
    cache = encoder.cache
    if cache is not None and cache.num_refused:
        warn(
            f"{cache.folder} had no room for the states of all texts in {cache.max_bytes / 1e9:g} GB, or could not be "
            "written, so the language model read texts anew in each epoch; give it more by --state-cache-gb."
        )


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


def _read(
    source: str,
    columns: tuple[str, ...],
    label: str,
    label_separator: str | None,
    group: str | None,
    fault_of: Callable[[str], RowFault | None],
) -> Table:
    table = read_table(
        source,
        text_columns=columns,
        label_column=label,
        require_label=True,
        label_separator=label_separator,
        group_column=group,
        fault_of=fault_of,
    )
    report_rejects(table.rejects, source)
    return table


def _print_folds(result: dict[str, Any]) -> None:
    shares = [name for name in result["mean"] if name not in ("log_loss", "ece", "mae")]
    shown = {name: percent if name in shares else number for name in result["mean"]}
    rows = [
        (str(place), number(fold["num_test"]), *(show(fold[name]) for name, show in shown.items()))
        for place, fold in enumerate(result["folds"], 1)
    ]
    for title, part in (("mean", result["mean"]), ("spread", result["spread"])):
        rows.append((title, "", *(show(part[name]) for name, show in shown.items())))
    together = result["all_rows"]
    rows.append(
        ("all rows", number(together["num_rows"]), *(show(together[name]) for name, show in shown.items()))
    )
    print_table(
        ["fold", "rows", *(name.replace("_", " ") for name in shown)],
        rows,
        title=f"{result['num_folds']}-fold cross-validation, each row tested by a model that has not seen it",
    )
    if seen := sum(fold["num_seen"] for fold in result["folds"]):
        warn(
            f"duplicates: {seen:,} rows have a text that stands in other folds too; they flatter the figures"
        )


def _branches(figures: dict[str, Any], measure: str, *, wide: bool) -> list[tuple[str, str]]:
    """What either branch would do alone, where there are two."""
    if not wide:
        return []
    return [
        ("  n-grams alone", percent(figures.get(f"wide_{measure}"))),
        ("  network alone", percent(figures.get(f"deep_{measure}"))),
    ]


def _print_summary(trained: "Trained", table: Table, output: Path) -> None:
    record, measure = trained.record, trained.record["measure"]
    chosen = record["sum"]["epoch"]
    figures: dict[str, Any] = next((entry for entry in record["history"] if entry["epoch"] == chosen), {})
    rows = [
        ("rows", f"{len(table.rows):,} of {len(trained.task.labels)} labels{LABELS[trained.task.kind]}"),
        (f"{MEASURES[measure]} on held-out rows", percent(figures.get(measure))),
        *_branches(figures, measure, wide=trained.config.train.wide != "none"),
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
