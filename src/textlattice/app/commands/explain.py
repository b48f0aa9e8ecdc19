"""`textlattice explain`: which tokens of a text spoke for its label."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from textlattice.app.answer_files import replacing
from textlattice.app.commands.options import Folder, Json
from textlattice.app.loading import load
from textlattice.app.terminal import console, percent, print_json, print_table, printable, say, warn

SHOWN_TOKENS = 20


def explain(
    folder: Folder,
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="The text.", show_default=False)],
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write a page with every token as well.", show_default=False
        ),
    ] = None,
    max_passes: Annotated[
        int | None,
        typer.Option(
            "--max-passes",
            metavar="N",
            min=1,
            help="Readings of the text at most; fewer are coarser.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show how much each token speaks for the label.

    The text is read again without each token; what the label loses by that is the weight of the token.

    \b
    Examples:
      textlattice explain model --text "Opens a file and returns a stream."
      textlattice explain model --text "$(cat letter.txt)" --html letter.html
    """
    from textlattice.explain import occlusion

    predictor = load(folder)
    limits = {} if max_passes is None else {"max_passes": max_passes}
    explanation = occlusion.explain(predictor, text, **limits)
    if html is not None:
        from textlattice.app.report import explanation_html

        with replacing(html) as aside:
            aside.write_text(explanation_html(explanation), encoding="utf-8", errors="backslashreplace")
        warn(f"written to {html}")
    if json:
        print_json(explanation)
    else:
        _print_explanation(explanation)


def _print_explanation(explanation: Any) -> None:
    say(f"{explanation.label} ({percent(explanation.probability)})")
    say("")
    console().print(_coloured(explanation), soft_wrap=True)
    strongest = sorted(explanation.tokens, key=lambda token: -abs(token.weight))[:SHOWN_TOKENS]
    if strongest:
        say("")
        print_table(
            ["token", "weight", "from", "to"],
            [(token.text, f"{token.weight:+.4f}", token.start, token.end) for token in strongest],
        )


def _coloured(explanation: Any) -> Text:
    """The text, tokens for the label in green and against it in red, the strongest in bold."""
    strongest = max((abs(token.weight) for token in explanation.tokens), default=0.0)
    line, end = Text(), 0
    for token in explanation.tokens:
        strength = abs(token.weight) / strongest if strongest else 0.0
        style = "" if strength < 0.05 else ("green" if token.weight > 0 else "red")
        line.append(printable(explanation.text[end : token.start]))
        line.append(
            printable(explanation.text[token.start : token.end]), f"bold {style}" if strength > 0.5 else style
        )
        end = token.end
    line.append(printable(explanation.text[end:]))
    return line
