"""`textlattice compare`: this package against simple baselines on the same rows."""

from typing import Annotated

import typer

from textlattice.app.commands.options import (
    Json,
    LabelColumn,
    LabelSeparator,
    Preset,
    Seed,
    Settings,
    Source,
    TextColumns,
    configure,
    needs,
    text_columns,
)
from textlattice.app.terminal import number, percent, print_json, print_table, progress, report_rejects, say
from textlattice.data.readers import read_table


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
    text: TextColumns = None,
    label: LabelColumn = "label",
    label_separator: LabelSeparator = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train ours and simple baselines and say which to use.

    All see the same rows; differences come with their 95 % interval and the p value of McNemar's test.

    \b
    Examples:
      textlattice compare builtin:docstrings:train --test builtin:docstrings:test --preset tiny
      textlattice compare reviews.csv --set train.max_minutes=20 --json
    """
    config = configure(preset, settings, {"train.seed": seed or None})
    with needs("compare", "train"):
        from textlattice.baselines.compare import compare as compare_models

    tables = [
        read_table(
            name,
            text_columns=text_columns(text),
            label_column=label,
            require_label=True,
            label_separator=label_separator,
        )
        for name in ([source] if test is None else [source, test])
    ]
    for table in tables:
        report_rejects(table.rejects, table.source)
    with progress() as listener:
        result = compare_models(
            tables[0], config, test=tables[1] if len(tables) > 1 else None, seed=seed, progress=listener
        )
    if json:
        print_json(result.to_dict())
        return
    print_table(
        [
            "model",
            "accuracy",
            "macro F1",
            "points against ours",
            "p value",
            "training",
            "texts/s",
            "parameters",
        ],
        [
            (
                row.name,
                percent(row.accuracy),
                percent(row.macro_f1),
                ""
                if row.ours_minus_it is None
                else f"{-row.ours_minus_it.difference:+.1f} "
                f"({-row.ours_minus_it.high:+.1f} to {-row.ours_minus_it.low:+.1f})",
                "" if row.p_value is None else f"{row.p_value:.2g}",
                f"{row.train_seconds:,.1f} s",
                number(row.predict_docs_per_second, 0),
                number(row.parameters),
            )
            for row in result.rows
        ],
    )
    say(result.advice)
