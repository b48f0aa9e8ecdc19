"""`textlattice explain`: which tokens of a text speak for its label."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from textlattice.app.commands.options import Folder, Force, Json, check_report
from textlattice.app.loading import load
from textlattice.app.report.page import write_page
from textlattice.app.terminal import console, percent, print_json, print_table, printable, say, warn
from textlattice.explain import occlusion
from textlattice.explain.occlusion import Explanation
from textlattice.runtime.predictor import Predictor

SHOWN_TOKENS = 20
SHOWN_EDGES = 10


def explain(
    folder: Folder,
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="The text.", show_default=False)],
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write a page with every token as well.", show_default=False
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            metavar="NAME",
            help="Label to explain. Default: the answer, or the most probable one of any number.",
            show_default=False,
        ),
    ] = None,
    max_passes: Annotated[
        int,
        typer.Option(
            "--max-passes",
            metavar="N",
            min=1,
            help="Pieces that are left out in turn, at most; in a longer text a piece is several tokens.",
        ),
    ] = 512,
    force: Force = False,
    json: Json = False,
) -> None:
    """Show how much each token speaks for the label.

    The text is read again without each token in turn. A token weighs what the label loses by that, in
    log-odds: above zero it speaks for the label, below zero against it. With a trained folder, the random
    long-range links that the model chose to hear twice are shown too, and of a pyramid how much units of each size
    count for this text.

    \b
    Examples:
      textlattice explain model --text "Opens a file and returns a stream."
      textlattice explain model --text "$(cat letter.txt)" --html letter.html
    """
    check_report(html, force=force)
    predictor = load(folder)
    explanation = occlusion.explain(predictor, text, label=label, max_passes=max_passes)
    edges = kept_edges(predictor, text)
    weights = scale_weights(predictor, text)
    scales = _named(weights or [], predictor)
    if html is not None:
        from textlattice.app.report import explanation_html

        write_page(html, explanation_html(explanation, scales))
        warn(f"written to {html}")
    if json:
        print_json({**dataclasses.asdict(explanation), "kept_edges": edges, "scale_weights": weights})
    else:
        _print_explanation(explanation)
        _print_edges(edges or [])
        if scales:
            print_table(["units of", "weight"], [(name, percent(weight)) for name, weight in scales.items()])


def kept_edges(predictor: Predictor, text: str) -> list[dict[str, Any]] | None:
    """The edges that the network keeps for its second block, with the words at both ends; None of another model."""
    model, collator = _network(predictor)
    if not hasattr(model, "kept_edges"):
        return None
    from textlattice.explain import edges

    document = predictor.reader.read(text)
    words = document.forms()
    return [
        {**dataclasses.asdict(edge), "token_text": words[edge.token], "neighbour_text": words[edge.neighbour]}
        for edge in edges.kept_edges(model, collator, document)
    ]


def scale_weights(predictor: Predictor, text: str) -> list[float] | None:
    """How much each scale of a pyramid counts for the text; None of another model."""
    model, collator = _network(predictor)
    if not hasattr(model, "scale_weights"):
        return None
    from textlattice.explain import scales

    return scales.scale_weights(model, collator, predictor.reader.read(text))


def _network(predictor: Predictor) -> tuple[Any, Any]:
    """The PyTorch network, which an exported folder has not, and its collator."""
    engine: Any = predictor.engine
    return getattr(getattr(engine, "backend", engine), "model", None), getattr(engine, "collator", None)


def _print_explanation(explanation: Explanation) -> None:
    if explanation.answer != explanation.label:
        answer = explanation.answer
        say(f"answer: {(', '.join(answer) or 'no label') if isinstance(answer, tuple) else answer}")
    say(f"{explanation.label} ({percent(explanation.probability)})")
    if explanation.status == "empty":
        say(
            "Nothing is left of the text after normalising; the answer is that of the shares in the training rows."
        )
        return
    say("")
    console().print(_coloured(explanation), soft_wrap=True)
    say("")
    strongest = sorted(explanation.tokens, key=lambda token: -abs(token.weight))[:SHOWN_TOKENS]
    print_table(
        ["token", "weight", "from", "to"],
        [(token.text, f"{token.weight:+.3f}", token.start, token.end) for token in strongest],
    )
    if explanation.spellings:
        print_table(
            ["token", "weight of each character"],
            [
                (
                    spelling.token.text,
                    "  ".join(f"{part.text} {part.weight:+.2f}" for part in spelling.characters),
                )
                for spelling in explanation.spellings
            ],
            num_left=2,
        )


def _print_edges(edges: list[dict[str, Any]]) -> None:
    random = sorted((edge for edge in edges if edge["kind"] == "random"), key=lambda edge: -edge["openness"])
    if random:
        print_table(
            ["kept random link: token", "hears", "openness"],
            [(e["token_text"], e["neighbour_text"], f"{e['openness']:.2f}") for e in random[:SHOWN_EDGES]],
            num_left=2,
        )


def _named(weights: list[float], predictor: Predictor) -> dict[str, float]:
    """Weights of scales by the size of their units."""
    names = [f"about {2**place} tokens" if place else "1 token" for place in range(len(weights))]
    if len(names) > 1 and _network(predictor)[1].model.units == "sentences":
        names[-1] = "a sentence"
    return dict(zip(names, weights, strict=True))


def _coloured(explanation: Explanation) -> Text:
    """The text, tokens for the label in green and against it in red, the strongest in bold."""
    strongest = max((abs(token.weight) for token in explanation.tokens), default=0.0)
    line, end = Text(), 0
    for token in explanation.tokens:
        strength = abs(token.weight) / strongest if strongest else 0.0
        style = "" if strength < 0.05 else ("green" if token.weight > 0 else "red")
        line.append(printable(explanation.text[end : token.start]))
        line.append(printable(token.text), f"bold {style}" if strength > 0.5 else style)
        end = token.end
    return line.append(printable(explanation.text[end:]))
