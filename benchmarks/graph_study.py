"""Which edges a trained `base` keeps from its first graph for its second, and whether they matter.

A token keeps at most `graph.num_kept_edges` of the edges of block 1. The kept edges of a document are compared with a
null model: each token keeps as many, drawn at random among the edges that it had. Then edges are shut at prediction,
without training again, and the judged rows are answered anew.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import networkx
import numpy as np
import torch
from torch import Tensor

from accuracy import Telling, judge
from cells import NONE, Correct, difference, interval_cell, table_of
from records import unpack
from sets import Dataset
from textlattice.batch.collate import Collator
from textlattice.batch.text_batch import Graph, TextBatch, map_arrays
from textlattice.config import Config
from textlattice.graph.stats import graph_statistics
from textlattice.models.cnn_gnn import CnnGnnClassifier, GraphBlocks
from textlattice.text.document import Document
from textlattice.training.fit import Trained, fit

NUM_DOCUMENTS = 300
"""Documents whose kept edges are looked at."""
FEWEST_TOKENS = 40
"""In a shorter document nearly all tokens hear one another, so that there is little to choose."""
EXAMPLE = (
    "The first half is slow, and the music does not help. But then the two sisters meet again, and from there "
    "on I could not look away: what a wonderful, honest ending."
)
"""Written for this study."""
NUM_DRAWS = 10
"""Draws of the null model a document."""
SHOWN_WORDS, LEAST_SEEN = 20, 30
"""Words that are told, and how often one must be seen to be told."""
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class KeptGraph:
    """The open kept edges of one document and the edges they were chosen from, self edges left out.

    Args:
        num_tokens: Nodes.
        listener: Token that listens, for each kept edge.
        neighbour: Token it listens to.
        is_random: Whether the edge was one of the random ones, which alone lead far.
        openness: How far each is open, in (0, 1].
        candidates: Neighbours of each token in block 1; -1 where a slot is void or the token itself.
        num_random: How many of the last slots are random.
    """

    num_tokens: int
    listener: np.ndarray
    neighbour: np.ndarray
    is_random: np.ndarray
    openness: np.ndarray
    candidates: np.ndarray
    num_random: int

    def drawn(self, generator: np.random.Generator) -> "KeptGraph":
        """The null model: each token keeps as many edges as it did, any of its own."""
        counts = np.bincount(self.listener, minlength=self.num_tokens)
        order = generator.random(self.candidates.shape)
        order[self.candidates < 0] = 2.0
        places = np.argsort(order, axis=1)
        chosen = np.take_along_axis(self.candidates, places, 1)
        taken = np.arange(chosen.shape[1]) < counts[:, None]
        return KeptGraph(
            num_tokens=self.num_tokens,
            listener=np.nonzero(taken)[0],
            neighbour=chosen[taken],
            is_random=(places >= self.candidates.shape[1] - self.num_random)[taken],
            openness=np.ones(int(taken.sum()), np.float32),
            candidates=self.candidates,
            num_random=self.num_random,
        )


def kept_graph(trained: Trained, document: Document) -> KeptGraph:
    """The kept edges of one document."""
    model, collator = _parts(trained)
    batch: TextBatch[Tensor] = map_arrays(collator.collate([document]), torch.from_numpy)
    graph = batch.graph1
    with torch.inference_mode():
        kept, openness = model.kept_edges(batch)
        slot = ((kept[:, :, None] == graph.neighbours[:, None, :]) & graph.mask[:, None, :]).int().argmax(2)
    kept, openness, slot = kept.numpy(), openness.numpy(), slot.numpy()
    own = np.arange(len(kept))[:, None]
    candidates = np.where(
        graph.mask.numpy() & (graph.neighbours.numpy() != own), graph.neighbours.numpy(), -1
    )
    num_random = collator.graph.num_random_edges[0]
    listener, place = np.nonzero((openness > 0) & (kept != own))
    return KeptGraph(
        num_tokens=len(kept),
        listener=listener,
        neighbour=kept[listener, place],
        is_random=slot[listener, place] >= candidates.shape[1] - num_random,
        openness=openness[listener, place],
        candidates=candidates,
        num_random=num_random,
    )


def figures_of(graph: KeptGraph) -> dict[str, float]:
    """Figures of the kept edges of a document; in-degree is how many tokens hear a token again.

    `in_degree_share` is the share of edges that lead to the tenth of the tokens most listened to; `page_rank` is the
    largest PageRank, in units of an equal share.
    """
    in_degree = np.bincount(graph.neighbour, minlength=graph.num_tokens)
    most = np.sort(in_degree)[::-1][: -(-graph.num_tokens // 10)]
    edges = np.stack([graph.listener, graph.neighbour])
    codes, backward = edges[0] * graph.num_tokens + edges[1], edges[1] * graph.num_tokens + edges[0]
    ranks = networkx.pagerank(_digraph(graph))
    ring = np.abs(graph.listener - graph.neighbour)
    length = np.minimum(ring, graph.num_tokens - ring)
    num_edges = max(len(graph.listener), 1)
    return {
        "degree": len(graph.listener) / graph.num_tokens,
        "share_random": float(graph.is_random.sum() / num_edges),
        "mean_length": float(length.sum() / num_edges),
        "in_degree_deviation": float(in_degree.std()),
        "in_degree_most": float(in_degree.max()),
        "in_degree_share": float(most.sum() / num_edges),
        "page_rank": max(ranks.values()) * graph.num_tokens,
        "mutual": float(np.isin(codes, backward).sum() / num_edges),
        "average_clustering": graph_statistics(edges, graph.num_tokens).average_clustering,
    }


def _digraph(graph: KeptGraph) -> networkx.DiGraph:
    made = networkx.DiGraph()
    made.add_nodes_from(range(graph.num_tokens))
    made.add_edges_from(zip(graph.listener.tolist(), graph.neighbour.tolist(), strict=True))
    return made


def study(data: Dataset, config: Config) -> dict[str, Any]:
    """Trains on the rows of a set, looks at kept edges of rows to judge by, and shuts edges."""
    trained = fit(data.train.texts, data.train.labels, config, progress=Telling())
    documents = [trained.reader.read(text) for text in data.test.texts]
    long_enough = [document for document in documents if document.num_tokens >= FEWEST_TOKENS]
    order = np.random.default_rng(0).permutation(len(long_enough))[:NUM_DOCUMENTS]
    looked_at = [long_enough[place] for place in order]
    graphs = [kept_graph(trained, document) for document in looked_at]
    print("  null model", flush=True)
    generator = np.random.default_rng(0)
    drawn = [[graph.drawn(generator) for _ in range(NUM_DRAWS)] for graph in graphs]
    print("  shutting edges", flush=True)
    return {
        "num_train": len(data.train.texts),
        "num_test": len(data.test.texts),
        "num_documents": len(graphs),
        "num_tokens": int(sum(graph.num_tokens for graph in graphs)),
        "kept": _mean([figures_of(graph) for graph in graphs]),
        "null": _null([[figures_of(graph) for graph in draws] for draws in drawn]),
        "in_degrees": _histogram(graphs),
        "null_in_degrees": _histogram([graph for draws in drawn for graph in draws]),
        "words": heard_words(looked_at, graphs),
        "example": example(trained),
        "shut": shut_figures(trained, data, documents),
        "record": trained.record,
    }


def _mean(figures: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in figures])) for name in figures[0]}


def _null(figures: list[list[dict[str, float]]]) -> dict[str, list[float]]:
    """Mean over documents of each figure, and the deviation of that mean between draws."""
    found = {}
    for name in figures[0][0]:
        means = np.mean([[one[name] for one in draws] for draws in figures], 0)  # [num_draws]
        found[name] = [float(means.mean()), float(means.std(ddof=1))]
    return found


def _histogram(graphs: list[KeptGraph], most: int = 12) -> list[float]:
    """Share of tokens by how many hear them again; the last bin is `most` or more."""
    degrees = np.concatenate([np.bincount(one.neighbour, minlength=one.num_tokens) for one in graphs])
    return (np.bincount(np.minimum(degrees, most), minlength=most + 1) / len(degrees)).round(6).tolist()


def heard_words(documents: list[Document], graphs: list[KeptGraph]) -> dict[str, list[list[Any]]]:
    """Words by the mean number of tokens that hear them again: `most` and `least`, each with how often it was seen."""
    heard: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for document, graph in zip(documents, graphs, strict=True):
        in_degree = np.bincount(graph.neighbour, minlength=graph.num_tokens)
        for form, number in zip(document.forms(), in_degree.tolist(), strict=True):
            seen[form.lower()] += 1
            heard[form.lower()] += number
    often = [word for word, number in seen.items() if number >= LEAST_SEEN]
    order = sorted(often, key=lambda word: (-heard[word] / seen[word], word))
    told = [[word, round(heard[word] / seen[word], 3), seen[word]] for word in order]
    return {"most": told[:SHOWN_WORDS], "least": told[::-1][:SHOWN_WORDS]}


def example(trained: Trained) -> dict[str, Any]:
    """The kept edges of a text of ours: its tokens, and for each edge listener, neighbour, openness, whether random."""
    document = trained.reader.read(EXAMPLE)
    graph = kept_graph(trained, document)
    columns = (graph.listener, graph.neighbour, graph.openness.astype(float).round(3), graph.is_random)
    edges = [list(edge) for edge in zip(*(column.tolist() for column in columns), strict=True)]
    return {"tokens": document.forms(), "edges": edges}


# Shutting edges.

Change = Callable[[Graph[Tensor], Collator, int], Tensor]


def shut_figures(trained: Trained, data: Dataset, documents: list[Document]) -> dict[str, dict[str, Any]]:
    """Accuracy, log loss and mean change of the probabilities with edges shut at prediction, nothing trained again."""
    found, first = {}, None
    for name in SHUT:
        probabilities = _probabilities(trained, documents, name)
        first = probabilities if first is None else first
        figures = judge(trained.task, probabilities, data.test.labels)
        figures["moved"] = float(np.abs(probabilities - first).sum(1).mean() / 2)
        figures["flipped"] = float((probabilities.argmax(1) != first.argmax(1)).mean())
        found[name] = {
            part: figures[part] for part in ("accuracy", "log_loss", "correct", "moved", "flipped")
        }
    return found


SHUT = (
    "nothing",
    "kept edges",
    "kept random edges",
    "kept lattice edges",
    "all random edges",
    "all lattice edges",
)
"""What is shut; the first is what the others are compared with. `all` means both graphs, kept edges too."""


def _probabilities(trained: Trained, documents: list[Document], shut: str) -> np.ndarray:
    """Answers of the sum with some edges shut, [num_docs, num_labels]."""
    model, collator = _parts(trained)
    order = np.argsort([document.num_tokens for document in documents], kind="stable")
    logits = np.zeros((len(documents), trained.task.num_outputs), np.float32)
    with torch.inference_mode(), _shut(model, collator, shut):
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = collator.collate([documents[row] for row in rows])
            batch = _without(batch, collator, shut)
            logits[rows] = model(map_arrays(batch, torch.from_numpy)).numpy()
    return trained.task.probabilities(logits)


def _without(batch: TextBatch[np.ndarray], collator: Collator, shut: str) -> TextBatch[np.ndarray]:
    """A batch whose two graphs have no edges of a kind."""
    if not shut.startswith("all"):
        return batch
    for place, graph in enumerate((batch.graph1, batch.graph2)):
        random = collator.graph.random_slots(place)
        slots = range(random.start, random.stop) if shut == "all random edges" else range(1, random.start)
        graph.mask[:, list(slots)] = False
    return batch


@contextmanager
def _shut(model: CnnGnnClassifier, collator: Collator, shut: str) -> Iterator[None]:
    """A model that keeps no edges of a kind from block 1."""
    blocks = model.blocks
    assert isinstance(blocks, GraphBlocks)
    keep = blocks.keep
    random = collator.graph.random_slots(0)

    def keep_others(tokens: Tensor, documents: Any, graph1: Graph[Tensor]) -> Any:
        tokens, kept, openness = keep(tokens, documents, graph1)
        is_slot = (kept[:, :, None] == graph1.neighbours[:, None, :]) & graph1.mask[:, None, :]
        is_random = is_slot[:, :, random].any(2)
        stays = {
            "kept edges": is_random & False,
            "kept random edges": ~is_random,
            "kept lattice edges": is_random,
        }
        return tokens, kept, openness * stays.get(shut, torch.ones_like(is_random))

    blocks.keep = keep_others  # type: ignore[method-assign]
    try:
        yield
    finally:
        del blocks.keep


def _parts(trained: Trained) -> tuple[CnnGnnClassifier, Collator]:
    model, collator = trained.model.eval(), trained.collator
    assert isinstance(model, CnnGnnClassifier)
    assert isinstance(collator, Collator)
    return model, collator


# The page.

PAGE_HEAD = """# What the kept edges are, and whether they matter

<!-- Written by benchmarks/plot.py from benchmarks/results; run `make docs`. -->

Block 1 of `base` hears eight lattice neighbours (one to four tokens away, both ways) and two random ones; the two edges
that a token heard best are kept, as far as they stand out, for block 2. Here are the edges that trained models keep
(`benchmarks/run.py graph`), of held-out training rows, beside a null model: each token keeps as many edges as it
did, but drawn at random among those it had. Means over documents and seeds; after ± the deviation between draws.
"""
TITLES = {
    "degree": "kept edges a token, itself aside",
    "share_random": "share of them that are random edges",
    "mean_length": "mean length, tokens on the ring",
    "in_degree_deviation": "in-degree, deviation",
    "in_degree_most": "in-degree, highest of a document",
    "in_degree_share": "share of edges to the tenth of tokens most heard",
    "page_rank": "highest PageRank, in equal shares",
    "mutual": "share of edges that go both ways",
    "average_clustering": "average clustering",
}
PICTURES = ("kept_in_degree.svg", "kept_example.svg")


def page(runs: list[dict[str, Any]]) -> str:
    """The page of all models that were looked at."""
    parts = [PAGE_HEAD]
    if not runs:
        return "\n".join([*parts, "The measurements are being made."]) + "\n"
    for name, of_set in by_set(runs).items():
        seeds = ", ".join(str(run["key"]["seed"]) for run in of_set)
        parts += [
            f"## {name}\n",
            f"{of_set[0]['num_train']:,} rows to train on; {of_set[0]['num_documents']:,} documents of {FEWEST_TOKENS} "
            f"tokens or more, {np.mean([run['num_tokens'] for run in of_set]):,.0f} tokens; seeds {seeds}.\n",
            table_of(("", "kept", "null model"), [_figure_cells(figure, of_set) for figure in TITLES]),
            "",
            _words(of_set[0]),
            "",
            f"Edges shut at prediction, nothing trained again; {of_set[0]['num_test']:,} rows.\n",
            table_of(
                ("shut", "accuracy", "difference", "log loss", "probability moved", "labels changed"),
                [_shut_cells(shut, of_set) for shut in SHUT],
            ),
            "",
        ]
    parts += [
        "## Pictures\n",
        f"![Share of tokens by how many others hear them again, beside the null model]({PICTURES[0]})\n",
        f"![Kept edges of a review of two sentences, drawn as arcs over its words]({PICTURES[1]})\n",
        "Blue arcs are lattice edges, orange ones random edges, as opaque as they are open; a dot grows with the "
        "number of tokens that hear its word again. Where arcs span the whole text the ring closes.",
    ]
    return "\n".join(parts).rstrip() + "\n"


def by_set(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Runs of each set, by seed."""
    names = sorted({run["key"]["set"] for run in runs})
    ordered = sorted(runs, key=lambda run: run["key"]["seed"])
    return {name: [run for run in ordered if run["key"]["set"] == name] for name in names}


def _figure_cells(figure: str, runs: list[dict[str, Any]]) -> list[str]:
    null = [run["null"][figure] for run in runs]
    mean, deviation = np.mean(null, 0)
    return [
        TITLES[figure],
        f"{np.mean([run['kept'][figure] for run in runs]):.3f}",
        f"{mean:.3f} ± {deviation:.3f}",
    ]


def _words(run: dict[str, Any]) -> str:
    told = {
        end: ", ".join(f"`{word}` {heard:.2f}" for word, heard, _ in run["words"][end])
        for end in ("most", "least")
    }
    return (
        f"Words seen {LEAST_SEEN} times or more, by the mean number of tokens that hear them again (seed "
        f"{run['key']['seed']}). Most: {told['most']}. Least: {told['least']}."
    )


def _shut_cells(shut: str, runs: list[dict[str, Any]]) -> list[str]:
    of_seeds = [run["shut"][shut] for run in runs]
    compared = shut != SHUT[0]
    return [
        shut,
        f"{100 * np.mean([one['accuracy'] for one in of_seeds]):.2f}",
        interval_cell(difference(_correct(shut, runs), _correct(SHUT[0], runs))) if compared else NONE,
        f"{np.mean([one['log_loss'] for one in of_seeds]):.4f}",
        f"{np.mean([one['moved'] for one in of_seeds]):.4f}",
        f"{100 * np.mean([one['flipped'] for one in of_seeds]):.2f} %",
    ]


def _correct(shut: str, runs: list[dict[str, Any]]) -> Correct:
    return {0: np.mean([unpack(run["shut"][shut]["correct"], run["num_test"]) for run in runs], 0)}
