"""The pictures of the graph study and of models under noise, as SVG."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc

LATTICE, RANDOM, NULL = "#1f5fa8", "#c8541a", "#9a9a9a"
matplotlib.rcParams |= {"svg.hashsalt": "textlattice", "svg.fonttype": "none", "font.size": 9}


def draw_in_degrees(sets: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """How many tokens hear a token again, beside the null model; one panel a set, means over its runs."""
    figure = Figure(figsize=(4.2 * len(sets), 3.0), layout="constrained")
    panels = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    for panel, (name, runs) in zip(panels, sets.items(), strict=True):
        columns = {"kept": "in_degrees", "null model": "null_in_degrees"}
        for label, column in columns.items():
            shares = np.mean([run[column] for run in runs], 0)
            style = {"color": LATTICE} if label == "kept" else {"color": NULL, "linestyle": "--"}
            panel.plot(100 * shares, marker="o", markersize=3, label=label, **style)
        panel.set(title=name, xlabel="tokens that hear it again")
        panel.set_yscale("symlog", linthresh=0.01)
        _plain(panel)
    panels[0].set_ylabel("share of tokens, %")
    panels[0].legend(frameon=False)
    _save(figure, path)


def draw_example(tokens: list[str], edges: list[list[Any]], path: Path) -> None:
    """The kept edges of one text as arcs over its words, as opaque as they are open, and how often each is heard."""
    figure = Figure(figsize=(0.26 * len(tokens) + 0.6, 3.2), layout="constrained")
    panel = figure.subplots()
    for listener, neighbour, openness, is_random in edges:
        middle, width = (listener + neighbour) / 2, abs(listener - neighbour)
        color = RANDOM if is_random else LATTICE
        panel.add_patch(
            Arc(
                (middle, 0),
                width,
                2 * np.sqrt(width),
                theta1=0,
                theta2=180,
                color=color,
                alpha=openness,
                linewidth=1,
            )
        )
    heard = np.bincount([edge[1] for edge in edges], minlength=len(tokens))
    panel.scatter(range(len(tokens)), np.zeros(len(tokens)), s=4 + 10 * heard, color="black", zorder=3)
    longest = max((abs(edge[0] - edge[1]) for edge in edges), default=1)
    panel.set(xlim=(-1, len(tokens)), ylim=(-0.3, np.sqrt(longest) + 0.3), yticks=[])
    panel.set_xticks(range(len(tokens)), tokens, rotation=90)
    _plain(panel)
    panel.spines["left"].set_visible(False)
    _save(figure, path)


def draw_noise(models: dict[str, dict[str, list[float]]], levels: list[float], path: Path) -> None:
    """Accuracy by strength of noise: one panel a kind, one line a model."""
    families = list(next(iter(models.values())))
    num_rows = -(-len(families) // 3)
    figure = Figure(figsize=(9.6, 2.4 * num_rows + 0.8), layout="constrained")
    panels = figure.subplots(num_rows, 3, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, family in zip(panels, families, strict=False):
        for name, curves in models.items():
            panel.plot(100 * np.array(levels), curves[family], marker="o", markersize=2.5, label=name)
        panel.set_title(family)
        _plain(panel)
    figure.supxlabel("spoiled characters or words, %")
    figure.supylabel("accuracy, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    _save(figure, path)


def _plain(panel: Axes) -> None:
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", metadata={"Date": None})
