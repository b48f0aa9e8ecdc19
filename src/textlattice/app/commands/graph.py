"""`textlattice graph`: figures of the small world of one document, against a random graph."""

import dataclasses
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
import typer

from textlattice.app.commands.options import Json, Seed
from textlattice.app.terminal import number, print_json, print_table
from textlattice.graph.neighbours import edge_index, neighbour_table
from textlattice.graph.stats import graph_statistics, null_model

MAX_TOKENS = 20_000


class RandomEdges(StrEnum):
    """How random neighbours are drawn."""

    AFFINE = "affine"
    UNIFORM = "uniform"


def graph(
    tokens: Annotated[
        int, typer.Option("--tokens", metavar="N", min=0, max=MAX_TOKENS, help="Tokens of the document.")
    ] = 360,
    lattice_start: Annotated[
        int,
        typer.Option("--lattice-start", metavar="N", min=1, help="Shortest distance on the ring, in tokens."),
    ] = 2,
    lattice_step: Annotated[
        int, typer.Option("--lattice-step", metavar="N", min=1, help="From one distance to the next.")
    ] = 2,
    lattice_edges: Annotated[
        int,
        typer.Option(
            "--lattice-edges",
            metavar="N",
            min=0,
            max=1000,
            help="Number of distances, each in both directions.",
        ),
    ] = 8,
    random_edges: Annotated[
        int,
        typer.Option("--random-edges", metavar="N", min=0, max=1000, help="Random neighbours of each token."),
    ] = 4,
    random: Annotated[
        RandomEdges,
        typer.Option(
            "--random", help="Random edges by affine permutations, or by independent draws as in the paper."
        ),
    ] = RandomEdges.AFFINE,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure the graph of one document against a random one.

    Density, diameter, clustering and path length of the directed graph, the last two of a small world if the
    first is high and the other near that of a random graph with as many edges.

    \b
    Examples:
      textlattice graph --tokens 360
      textlattice graph --tokens 1018 --lattice-edges 10 --random-edges 6 --json
    """
    offsets = tuple(lattice_start + lattice_step * place for place in range(lattice_edges))
    result = small_world_figures(tokens, offsets, random_edges, random.value, seed)
    if json:
        print_json(result)
        return
    names = ("num_edges", "degree", "density", "diameter", "average_clustering", "average_shortest_path")
    null = result["null_model"]
    rows = [(name.replace("_", " "), number(result[name]), number(null[name])) for name in names]
    distances = ", ".join(map(str, offsets)) or "none"
    title = f"{tokens:,} tokens, distances {distances}, {random_edges} random ({random.value})"
    print_table(["", "small world", "random graph"], rows, title=title)


def small_world_figures(
    num_tokens: int, offsets: tuple[int, ...], num_random_edges: int, random: str, seed: int
) -> dict[str, Any]:
    """Figures of the graph of one document, its settings, and under `null_model` those of a random graph."""
    table = neighbour_table(
        np.array([0, num_tokens], np.int64),
        lattice_offsets=offsets,
        num_random_edges=num_random_edges,
        random="affine" if random == "affine" else "uniform",
        seed=seed,
        block=0,
        self_slot=False,
    )
    figures = graph_statistics(edge_index(table), num_tokens)
    return {
        **dataclasses.asdict(figures),
        "lattice_offsets": list(offsets),
        "num_random_edges": num_random_edges,
        "random": random,
        "seed": seed,
        "null_model": dataclasses.asdict(null_model(num_tokens, figures.num_edges, seed)),
    }
