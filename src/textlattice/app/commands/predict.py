"""`textlattice predict`: one answer for each row of a table, in order, streaming."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from textlattice.app.answer_files import (
    AnswerForm,
    answer_format,
    answer_writer,
    answered,
    check_answer_file,
    keeps_columns,
)
from textlattice.app.commands.options import Folder, Source, TextColumns, text_columns
from textlattice.app.loading import load
from textlattice.app.terminal import count, warn
from textlattice.data.readers import read_rows


def predict(
    folder: Folder,
    source: Source,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File for the answers: .jsonl, .csv, .tsv or .parquet. An older one is replaced when the answers are "
            "complete and keeps its permissions; a pipe or device is written to directly. Default: JSON lines on "
            "standard output.",
            show_default=False,
        ),
    ] = None,
    text: TextColumns = None,
    label_separator: Annotated[
        str,
        typer.Option(
            "--label-separator",
            metavar="TEXT",
            help="Between the labels of one cell of a table, where a text may have any number.",
        ),
    ] = "|",
    safe_csv: Annotated[
        bool,
        typer.Option(
            "--safe-csv",
            help="With -o FILE.csv or FILE.tsv, for spreadsheets: text cells that begin like a formula get an "
            "apostrophe before them.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a row could not be answered.")
    ] = False,
) -> None:
    """Label each row of a table, in order.

    JSON lines hold a label and the probability of every label. Tables keep the columns of the source and gain
    label, probability, status and error ("predicted_label" and so on where the source has such a column). Where
    a text may have any number of labels, JSON lines hold a list of labels; tables gain labels and probabilities,
    several of them in one cell.
    A text of which nothing is left gets the shares of the training rows and the status "empty". A row that
    cannot be read is answered in its place by its number and the reason; in a table so is a row of JSON with a
    column that the first row has not ("extra_column").

    \b
    Examples:
      textlattice predict model texts.csv -o answers.csv
      textlattice predict model mails.parquet --text subject --text body -o answers.parquet
      cat texts.jsonl | textlattice predict model - | head
    """
    if safe_csv and answer_format(output) not in (".csv", ".tsv"):
        raise typer.BadParameter("goes with -o FILE.csv or -o FILE.tsv alone.", param_hint="'--safe-csv'")
    check_answer_file(output, source)
    predictor = load(folder)
    form = AnswerForm(task=predictor.task, separator=label_separator, safe=safe_csv)
    items = read_rows(
        source, text_columns=text_columns(text), require_label=False, keep_columns=keeps_columns(output)
    )
    num_rows, num_empty = 0, 0
    faults: Counter[str] = Counter()
    with answer_writer(output, source, form) as writer:
        for item, answer in answered(predictor, items):
            reason = writer.write(item, answer)
            num_rows += 1
            num_empty += answer is not None and answer.status == "empty"
            if reason is not None:
                faults[reason] += 1
    parts = [f"{count(num_rows, 'row')}"]
    if num_empty:
        parts.append(f"{num_empty:,} empty")
    if faults:
        why = ", ".join(f"{num:,} {reason}" for reason, num in faults.most_common())
        parts.append(f"{faults.total():,} not answered ({why})")
    warn(", ".join(parts))
    if faults and strict:
        raise typer.Exit(1)
