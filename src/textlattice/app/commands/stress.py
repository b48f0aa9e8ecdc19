"""`textlattice stress`: how answers hold when texts are spoiled."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from textlattice.app.commands.options import (
    Folder,
    Force,
    Json,
    LabelColumn,
    LabelSeparator,
    Seed,
    Source,
    TaskChoice,
    TextColumns,
    check_report,
    labels_of,
    needs,
    text_columns,
)
from textlattice.app.labelled import report_seen, report_unknown, too_long, unknown_labels
from textlattice.app.loading import load
from textlattice.app.report.page import write_page
from textlattice.app.terminal import number, percent, print_json, print_table, progress, report_rejects, warn
from textlattice.data.readers import read_table
from textlattice.data.rows import Table
from textlattice.errors import DataError
from textlattice.runtime.training_texts import read_training_texts, texts_seen
from textlattice.task import Label, Task
from textlattice.text.words import MOST_TOKENS

BUDGET = 200
BASELINE = "tfidf_lr"


def stress(
    folder: Folder,
    source: Source,
    text: TextColumns = None,
    label: LabelColumn = "label",
    label_separator: LabelSeparator = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="Rows that are spoiled, drawn at random.")
    ] = 500,
    draws: Annotated[
        int, typer.Option("--draws", metavar="N", min=1, help="Draws of the noise; figures are their means.")
    ] = 3,
    family: Annotated[
        list[str] | None,
        typer.Option(
            "--family",
            metavar="NAME",
            help="A kind of noise, may be given more than once: typo, ocr, case, spacing, punctuation, homoglyph, "
            "invisible, token_dropout, truncation. Default: all.",
            show_default=False,
        ),
    ] = None,
    attacked: Annotated[
        int,
        typer.Option(
            "--attack", metavar="N", min=0, help="Rows that are attacked, character by character, too."
        ),
    ] = 0,
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget",
            metavar="N",
            min=3,
            help=f"Queries that an attack on a text may take. Default: {BUDGET}.",
            show_default=False,
        ),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            "--train",
            metavar="SOURCE",
            help="Rows on which a linear model is trained, to be shown beside; best those that yours was trained on.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="NAME",
            help="Which model --train makes: tfidf_lr, tfidf_svm, nb_ngrams, char_svm, majority, with an order "
            f"tfidf_ridge. Default: {BASELINE}.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page with curves as well.", show_default=False),
    ] = None,
    min_relative_area: Annotated[
        float | None,
        typer.Option(
            "--min-relative-auc",
            metavar="X",
            min=0,
            max=1,
            help="Fail where the mean relative area is below this, 0 to 1.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Measure a model on texts with typing errors, misread letters, invisible characters and more.

    Each kind of noise spoils 1, 2, 5, 10 and 20 % of the characters or words. The relative area is 1 for a model that
    noise does not touch and 0 for one that it brings to guessing, which with single labels is to answer all with the
    most frequent label; then its 95 % interval over the rows is given. A kind that changes none of the texts, such as
    case in Chinese, does not count. At the highest level the output says how many answers changed, and how many
    are right in all draws. --html and --json also give macro F1 and calibration error.

    \b
    Examples:
      textlattice stress model test.csv --html noise.html
      textlattice stress model test.csv --train train.csv --attack 100
      textlattice stress model test.csv --family typo --family homoglyph --min-relative-auc 0.9
    """
    with needs("stress", "train"):
        from textlattice.baselines.answering import answering_baseline
        from textlattice.stress.attack import attack
        from textlattice.stress.curves import stress_curves
        from textlattice.text.noise import FAMILIES, check_family

    if budget is not None and not attacked:
        raise typer.BadParameter("goes with --attack alone.", param_hint="'--budget'")
    if baseline is not None and train is None:
        raise typer.BadParameter("goes with --train alone.", param_hint="'--baseline'")
    for name in family or []:
        check_family(name)
    check_report(html, force=force)
    predictor = load(folder)

    def read(name: str) -> Table:
        found = read_table(
            name,
            text_columns=text_columns(text),
            label_column=label,
            require_label=True,
            label_separator=label_separator,
            fault_of=too_long(predictor.reader, MOST_TOKENS // 2),  # noise may cut one token in two
        )
        report_rejects(found.rejects, name)
        return found

    if attacked and predictor.task.kind != "single":
        raise DataError(
            f"--attack goes with one label a text, got a model of a {predictor.task.kind} task; leave it out."
        )
    table = read(source)
    texts, labels = _drawn(table, predictor.task, limit, seed)
    report_unknown(unknown_labels(predictor.task, labels), predictor.task.kind, source)
    if (known := read_training_texts(folder)) is not None:
        report_seen(int(texts_seen(texts, known, predictor.reader).sum()), len(texts), source)
    if attacked > len(texts):
        warn(f"stress: {len(texts):,} rows are there to be attacked, --attack asks for {attacked:,}")
    models: list[tuple[str, Any, Task]] = [(str(folder), predictor.probabilities, predictor.task)]
    with progress() as listener:
        if train is not None:
            rows = read(train)
            given = labels_of(rows, TaskChoice(predictor.task.kind))
            name = baseline or BASELINE
            left_out = f"; {name} is trained without them"
            report_unknown(unknown_labels(predictor.task, given), predictor.task.kind, train, left_out)
            listener.begin(f"training {name}")
            models.append(
                (name, *answering_baseline(name, predictor.task, list(rows.texts), given, seed=seed))
            )
            listener.end()
        results = []
        for name, probabilities, task in models:
            found, _ = stress_curves(
                *(probabilities, task, texts, labels),
                families=family or FAMILIES,
                seeds=range(seed, seed + draws),
                progress=listener,
            )
            if attacked:
                parts = texts[:attacked], labels[:attacked]
                found["attack"] = attack(
                    probabilities, task, *parts, budget=budget or BUDGET, seed=seed, progress=listener
                )
            results.append({"name": name, **found})
            if found["clean"][found["measure"]] <= found["chance"]:
                warn(
                    f"{name}: on clean texts no better than always the same answer, so noise has nothing to take; its "
                    "areas are 0"
                )
    if html is not None:
        from textlattice.app.report.stress import stress_html

        write_page(html, stress_html(results))
        warn(f"written to {html}")
    if json:
        print_json({"models": results})
    else:
        _print_figures(results)
    area = results[0]["relative_area"]
    if min_relative_area is not None and area < min_relative_area:
        raise DataError(
            f"stress: expected a mean relative area of at least {min_relative_area}, got {area:.4f}; the worst is "
            f"{results[0]['worst']['family']}."
        )


def _drawn(table: Table, task: Task, limit: int, seed: int) -> tuple[list[str], list[Label]]:
    """Rows of the table, at most so many."""
    if not table.rows:
        raise DataError(
            f"{table.source}: expected rows to spoil, got none that can be used ({len(table.rejects):,} rejected)."
        )
    chosen = np.random.default_rng(seed).permutation(len(table.rows))[:limit].tolist()
    texts, labels = list(table.texts), labels_of(table, TaskChoice(task.kind))
    return [texts[row] for row in chosen], [labels[row] for row in chosen]


def _print_figures(models: list[dict[str, Any]]) -> None:
    measure = models[0]["measure"]
    words = measure.replace("_", " ")
    print_table(
        ["model", f"clean {words}", "relative area", "95 % interval", "worst"],
        [
            (
                model["name"],
                percent(model["clean"][measure]),
                number(model["relative_area"]),
                "" if model["interval"] is None else "{:.3f} to {:.3f}".format(*model["interval"]),
                f"{model['worst']['family']} ({model['worst']['relative_area']:.3f})",
            )
            for model in models
        ],
    )
    for model in models:
        levels = [point["level"] for point in next(iter(model["families"].values()))["points"]]
        heads = [f"{model['name']}: {words} at", *(f"{100 * level:g} %" for level in levels)]
        print_table(
            [*heads, "changed", "in all draws", "area"],
            [
                (
                    family,
                    *(percent(point[measure]) for point in curve["points"]),
                    percent(curve["points"][-1]["flip_rate"]),
                    percent(curve["points"][-1]["always_right"]),
                    number(curve["relative_area"]) if curve["spoiled"] else "touches no text",
                )
                for family, curve in model["families"].items()
            ],
        )
    if "attack" in models[0]:
        from textlattice.app.report.stress import attack_rows

        print_table(
            ["model, attacked", "rows", "accuracy", "under attack", "queries", "edits"],
            attack_rows(models),
        )
