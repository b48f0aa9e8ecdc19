"""Curves under noise as a page: one small picture a family, a line a model."""

from collections.abc import Sequence
from html import escape
from typing import Any

from textlattice.app.report.page import isolated, page, table
from textlattice.app.terminal import number, percent

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 240, 150, 34, 22
_COLOURS = ("#2166ac", "#e66101", "#4d4d4d", "#5aae61", "#762a83")
_STYLE = """
.curves { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } figcaption { font-size: 0.9rem; }
svg text { font: 10px system-ui, sans-serif; fill: #444; } .axis { stroke: #999; }
.line { fill: none; stroke-width: 2; }
""".strip()


def stress_html(models: Sequence[dict[str, Any]]) -> str:
    """One self-contained page without script.

    Args:
        models: What `stress_curves` says of each, with its `name`, and under `attack` what `attack` says if it was run.
    """
    measure = models[0]["measure"].replace("_", " ")
    families, heights = [*models[0]["families"]], _range(models)
    legend = " ".join(
        f'<span style="color: {_colour(place)}">&#9644; {isolated(model["name"])}</span>'
        for place, model in enumerate(models)
    )
    body = [
        "<h1>Answers under noise</h1>",
        f'<p class="note">{models[0]["num_rows"]:,} texts, {len(models[0]["seeds"])} draws of noise. Up: {measure}; '
        "to the right: the share of characters or words that are spoiled.</p>",
        f"<p>{legend}</p>",
        _table(models),
        '<div class="curves">',
        *(_figure(family, models, heights) for family in families),
        "</div>",
        *map(_at_highest, models),
        *(_attacks(models) if "attack" in models[0] else []),
    ]
    return page("Answers under noise", body, style=_STYLE)


def _table(models: Sequence[dict[str, Any]]) -> str:
    measure = models[0]["measure"]
    rows = "".join(
        f"<tr><td>{isolated(model['name'])}</td><td class='number'>{100 * model['clean'][measure]:.1f} %</td>"
        f"<td class='number'>{_area(model)}</td>"
        f"<td>{escape(model['worst']['family'])} ({model['worst']['relative_area']:.3f})</td></tr>"
        for model in models
    )
    return (
        f"<table><tr><th>model</th><th>clean {escape(measure.replace('_', ' '))}</th>"
        f"<th>relative area (95 % interval)</th><th>worst family</th></tr>{rows}</table>"
    )


def _at_highest(model: dict[str, Any]) -> str:
    """All figures of a model at the highest level of each family."""
    points = {family: curve["points"][-1] for family, curve in model["families"].items()}
    first = next(iter(points.values()))
    measures = [name for name in ("accuracy", "quadratic_weighted_kappa", "macro_f1") if name in first]
    rows = [
        (
            family.replace("_", " "),
            *(percent(point[name]) for name in measures),
            number(point.get("ece")),
            percent(point["flip_rate"]),
            percent(point["always_right"]),
        )
        for family, point in points.items()
    ]
    heads = ["noise", *(name.replace("_", " ") for name in measures)]
    heads += ["calibration error", "answers changed", "right in every draw"]
    return f"<h2>{isolated(model['name'])}, {100 * first['level']:g} % spoiled</h2>\n{table(heads, rows)}"


def attack_rows(models: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What an attack on single characters does to each: name, texts, accuracy, that under attack, queries, edits."""
    return [
        (
            model["name"],
            number(found["num_rows"]),
            percent(found["accuracy"]),
            percent(found["accuracy_under_attack"]),
            number(found["median_queries"], 0),
            number(found["mean_edits"], 1),
        )
        for model in models
        for found in [model["attack"]]
    ]


def _attacks(models: Sequence[dict[str, Any]]) -> list[str]:
    return [
        "<h2>Attacked, character by character</h2>",
        f'<p class="note">At most {models[0]["attack"]["budget"]:,} queries a text; queries (median) and edits (mean) '
        "of attacks that succeed.</p>",
        table(("model", "texts", "accuracy", "under attack", "queries", "edits"), attack_rows(models)),
    ]


def _area(model: dict[str, Any]) -> str:
    """The mean area, and its interval where there is one."""
    if model["interval"] is None:
        return f"{model['relative_area']:.3f}"
    low, high = model["interval"]
    return f"{model['relative_area']:.3f} ({low:.3f} to {high:.3f})"


def _range(models: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """From below the lowest point of all curves to above the highest, so that pictures can be compared."""
    heights = [
        point[model["measure"]]
        for model in models
        for curve in model["families"].values()
        for point in curve["points"]
    ]
    return min(heights) - 0.02, max(heights) + 0.02


def _figure(family: str, models: Sequence[dict[str, Any]], heights: tuple[float, float]) -> str:
    measure, (low, high) = models[0]["measure"], heights
    curves = [model["families"][family]["points"] for model in models]
    most = curves[0][-1]["level"]

    def place(level: float, height: float) -> str:
        across = _LEFT + (_WIDTH - _LEFT - 6) * level / most
        down = 6 + (_HEIGHT - _BOTTOM - 6) * (high - height) / (high - low)
        return f"{across:.1f},{down:.1f}"

    lines = "".join(
        f'<polyline class="line" stroke="{_colour(number)}" '
        f'points="{" ".join(place(point["level"], point[measure]) for point in points)}"/>'
        for number, points in enumerate(curves)
    )
    floor = _HEIGHT - _BOTTOM
    untouched = "" if models[0]["families"][family]["spoiled"] else " (touches no text)"
    return (
        f'<figure><svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(family)}">'
        f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{_WIDTH - 6}" y2="{floor}"/>'
        f'<text x="0" y="14">{100 * high:.0f} %</text><text x="0" y="{floor}">{100 * low:.0f} %</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">0</text>'
        f'<text x="{_WIDTH - 34}" y="{_HEIGHT - 6}">{100 * most:.0f} %</text>{lines}</svg>'
        f"<figcaption>{escape(family.replace('_', ' '))}{untouched}</figcaption></figure>"
    )


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]
