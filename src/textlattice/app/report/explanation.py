"""An explanation as a page: the text, each token on a ground of blue or orange by its weight."""

from collections.abc import Mapping

from textlattice.app.report.page import isolated, page, shown, table
from textlattice.app.terminal import percent
from textlattice.explain.occlusion import Attribution, Explanation

_FOR, _AGAINST = (
    "33, 102, 172",
    "230, 97, 1",
)  # blue and orange, told apart by every common kind of colour vision
_STRONGEST = 0.65  # opacity under black letters, so that they stay legible
_STYLE = """
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; line-height: 2; }
.text span, .spelled span, .legend span { border-radius: 3px; padding: 2px 1px; }
.spelled { font: 1.1rem ui-monospace, monospace; white-space: pre; unicode-bidi: isolate; }
""".strip()


def explanation_html(explanation: Explanation, scales: Mapping[str, float] | None = None) -> str:
    """One self-contained page without script; everything of the text is escaped.

    A piece's ground is blue where it speaks for the label and orange where it speaks against it, the stronger
    the heavier; its numbers show under the pointer. Characters that no page may hold are shown as U+FFFD.

    Args:
        explanation: What to show.
        scales: Of a pyramid how much units of each size count, in [0, 1], by their name.
    """
    label = isolated(explanation.label)
    body = [
        f"<h1>{label} <small>({100 * explanation.probability:.1f} %)</small></h1>",
        *(_notes(explanation)),
        f'<p class="text" dir="auto">{_marked(explanation.text, explanation.tokens)}</p>',
    ]
    if explanation.tokens:
        body.append(_legend(label, _scale(explanation.tokens)))
    if explanation.spellings:
        body.append(_spellings(explanation))
    if scales:
        rows = [(name, percent(weight)) for name, weight in scales.items()]
        body += [
            "<h2>How much units of each size count for this text</h2>",
            table(("units of", "weight"), rows),
        ]
    return page(f"Explanation: {explanation.label}", body, style=_STYLE)


def _notes(explanation: Explanation) -> list[str]:
    if explanation.status == "empty":
        return [
            '<p class="note">Nothing is left of this text after normalising: the answer is that of the shares '
            "of the labels in the training rows.</p>"
        ]
    if explanation.window > 1:
        return [
            f'<p class="note">The text is long: {explanation.window} tokens in a row were left out at a time '
            "and share one weight.</p>"
        ]
    return []


def _marked(text: str, pieces: tuple[Attribution, ...], first: int = 0) -> str:
    """The text with its pieces in coloured spans; `first` is the offset of the text in the original."""
    scale = _scale(pieces)
    parts: list[str] = []
    end = first
    for piece in pieces:
        ground, title = (
            _ground(piece.weight, scale),
            f"{piece.weight:+.4f}, from {piece.start} to {piece.end}",
        )
        parts += (
            shown(text[end - first : piece.start - first]),
            (f'<span style="background: {ground}" title="{title}">{shown(piece.text)}</span>'),
        )
        end = piece.end
    return "".join([*parts, shown(text[end - first :])])


def _scale(pieces: tuple[Attribution, ...]) -> float:
    return max((abs(piece.weight) for piece in pieces), default=0.0)


def _ground(weight: float, scale: float) -> str:
    opacity = _STRONGEST * abs(weight) / scale if scale else 0.0
    return f"rgba({_FOR if weight > 0 else _AGAINST}, {opacity:.3f})"


def _legend(label: str, scale: float) -> str:
    return (
        '<p class="legend">'
        f'<span style="background: {_ground(1.0, 1.0)}">&nbsp;speaks for&nbsp;</span> '
        f'<span style="background: {_ground(-1.0, 1.0)}">&nbsp;speaks against&nbsp;</span> {label}. '
        "A weight is what the log-odds of the label lose when the piece is left out; "
        f"the heaviest here is {scale:.4f}.</p>"
    )


def _spellings(explanation: Explanation) -> str:
    rows = "".join(
        f'<tr><td class="spelled" dir="auto">{_marked(token.text, spelling.characters, token.start)}</td>'
        f'<td class="number">{token.weight:+.4f}</td></tr>'
        for spelling in explanation.spellings
        for token in [spelling.token]
    )
    return (
        "<h2>The heaviest tokens, character by character</h2>\n"
        '<p class="note">Colours are relative within a token.</p>\n'
        f"<table><tr><th>token</th><th>weight of the token</th></tr>{rows}</table>"
    )
