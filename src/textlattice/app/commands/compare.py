"""`textlattice compare`: this package against simple baselines on the same rows."""

import dataclasses
from typing import Annotated

import typer

from textlattice.app.commands.options import (
    EncoderOption,
    Json,
    LabelColumn,
    LabelOrder,
    LabelSeparator,
    Preset,
    Seed,
    Settings,
    Source,
    TaskChoice,
    TaskOption,
    TextColumns,
    configure,
    label_order,
    needs,
    text_columns,
)
from textlattice.app.labelled import too_long
from textlattice.app.terminal import number, percent, print_json, print_table, progress, report_rejects, say
from textlattice.data.readers import read_table
from textlattice.text.document import TextReader

FIGURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "quadratic_weighted_kappa": "kappa",
}
"""Columns of the table; those that a task has not are left out."""


def compare(
    source: Source,
    test: Annotated[
        str | None,
        typer.Option(
            "--test",
            metavar="SOURCE",
            help="Rows to measure on; without it a part of SOURCE is kept back.",
            show_default=False,
        ),
    ] = None,
    preset: Preset = "base",
    settings: Settings = None,
    encoder: EncoderOption = None,
    text: TextColumns = None,
    label: LabelColumn = "label",
    label_separator: LabelSeparator = None,
    task: TaskOption = TaskChoice.AUTO,
    order: LabelOrder = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train ours and simple baselines and say which to use.

    All see the same rows; differences come with their 95 % interval and, of accuracy, the p value of McNemar's
    test. Models of any number of labels are compared by macro F1, of labels in an order by quadratic weighted
    kappa.

    \b
    Examples:
      textlattice compare builtin:docstrings:train --test builtin:docstrings:test --preset tiny
      textlattice compare reviews.csv --set train.max_minutes=20 --json
      textlattice compare reviews.csv --preset pyramid --encoder FOLDER
    """
    config = configure(preset, settings, {"train.seed": seed or None})
    with needs("compare", "train"):
        from textlattice.app.encoders import named_encoder
        from textlattice.baselines.compare import compare as compare_models
        from textlattice.training.fit import MOST_TRAINING_TOKENS

    language_model = None if encoder is None else named_encoder(encoder, config)
    reader = TextReader(config=config.text)
    if language_model is not None:
        file_config = dataclasses.replace(config.text, tokenizer="file")
        reader = TextReader(config=file_config, cut=language_model.tokenizer)
    tables = [
        read_table(
            name,
            text_columns=text_columns(text),
            label_column=label,
            require_label=True,
            label_separator=label_separator,
            fault_of=too_long(reader, MOST_TRAINING_TOKENS),
        )
        for name in ([source] if test is None else [source, test])
    ]
    for table in tables:
        report_rejects(table.rejects, table.source)
    with progress() as listener:
        result = compare_models(
            tables[0],
            config,
            test=tables[1] if len(tables) > 1 else None,
            task=task.value,
            label_order=label_order(order),
            encoder=language_model,
            seed=seed,
            progress=listener,
        )
    if json:
        print_json(result.to_dict())
        return
    figures = {name: words for name, words in FIGURES.items() if getattr(result.rows[0], name) is not None}
    several = result.task == "multi"
    print_table(
        [
            "model",
            *(
                "rows all right" if several and name == "accuracy" else words
                for name, words in figures.items()
            ),
            "points against ours",
            *(["p value"] if result.task == "single" else []),
            "training",
            "texts/s",
            "parameters",
        ],
        [
            (
                row.name,
                *(percent(getattr(row, name)) for name in figures),
                ""
                if row.ours_minus_it is None
                else f"{-row.ours_minus_it.difference:+.1f} "
                f"({-row.ours_minus_it.high:+.1f} to {-row.ours_minus_it.low:+.1f})",
                *(["" if row.p_value is None else f"{row.p_value:.2g}"] if result.task == "single" else []),
                f"{row.train_seconds:,.1f} s",
                number(row.predict_docs_per_second, 0),
                number(row.parameters),
            )
            for row in result.rows
        ],
    )
    say(result.advice)
