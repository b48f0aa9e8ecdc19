"""Time and memory by the length of a document, of graph attention beside other ways, and of the families of networks.

As a script it is the child process of the first: it takes the arguments of `measure` as JSON and prints JSON.
"""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textlattice.baselines.linear import BASELINES, LinearBaseline
from textlattice.batch.collators import BatchMaker, make_collator
from textlattice.config import Config
from textlattice.graph.neighbours import edge_index, neighbour_table
from textlattice.models.classifier import Classifier
from textlattice.models.registry import cost_of, make_classifier, make_engine
from textlattice.nn.attention import GraphAttention
from textlattice.presets import preset
from textlattice.progress import Progress
from textlattice.runtime.predictor import Predictor
from textlattice.task import Task
from textlattice.text.document import Document, TextReader, read_document
from textlattice.text.vocabulary import Vocabulary, known_words
from textlattice.training.network import Budget, train_network
from textlattice.training.objectives import objective_of
from textlattice.training.optim import keep_freed_memory
from textlattice.training.wide import known_ngrams, read_keys

LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
SHORT = 1_000
"""Tokens of a short document."""
FAMILIES = ("base", "paper", "pyramid", "pyramid-graph")
"""Presets that are timed beside each other; the first is what the others are compared with."""
PEER = "tfidf_lr"
KINDS = ((512, 50), (128, 270))
"""Documents, and tokens of each: about as long as those of AG News and of IMDB."""
BATCH_SIZE = 32
"""Documents of a training step, of every family."""
_NUM_WORDS = 20_000  # different words of the made text
_SAMPLE = 100_000  # words of the text that models know
_TASK = Task(labels=("a", "b"), priors=(0.5, 0.5))


def run_length(lengths: list[int], repeats: int, threads: int, name: str) -> dict[str, Any]:
    """Seconds (best of the repeats) and peak memory of one document of each length, each in a process.

    `ratio` compares the longest document with the same text cut into documents of 1,000 tokens: time per
    token of the one over that of the others. `*_r2` say how well a straight line through the lengths fits.

    Args:
        lengths: Tokens of the documents, ascending.
        repeats: Runs of each; the cache of forms is empty at the start of each.
        threads: PyTorch threads; 0 keeps its own choice.
        name: Preset of the model; its weights are random.
    """
    common = {"repeats": repeats, "threads": threads, "preset": name}
    points = []
    for num_tokens in lengths:
        points.append(_child({"num_documents": 1, "num_tokens": num_tokens, **common}))
        print(f"  {points[-1]}", file=sys.stderr, flush=True)
    short = _child({"num_documents": max(1, lengths[-1] // SHORT), "num_tokens": SHORT, **common})
    print(f"  {short}", file=sys.stderr, flush=True)
    return {
        "points": points,
        "short": short,
        "ratio": round(points[-1]["seconds_per_token"] / short["seconds_per_token"], 3),
        "seconds_r2": _r2(lengths, [point["seconds"] for point in points]),
        "memory_r2": _r2(lengths, [point["peak_mib"] for point in points]),
    }


def run_attention(repeats: int, threads: int, name: str) -> dict[str, Any]:
    """Seconds of one attention layer, best of the repeats: closed-form backward, autograd, PyG's GATv2Conv.

    On 64 documents of 250 tokens with the first graph of the preset; forward alone, and with backward.
    """
    from torch_geometric.nn import GATv2Conv

    if threads:
        torch.set_num_threads(threads)
    config = preset(name)
    num_documents, num_tokens = 64, 250
    table = neighbour_table(
        np.arange(num_documents + 1, dtype=np.int32) * num_tokens,
        lattice_offsets=config.graph.lattice_offsets[0],
        num_random_edges=config.graph.num_random_edges[0],
        random="affine",
        seed=0,
        block=0,
        with_inverse=True,
    )
    assert table.inverse is not None
    channels, num_heads = config.model.channels, config.model.num_heads
    neighbours, inverse = torch.from_numpy(table.neighbours), torch.from_numpy(table.inverse)
    gate = torch.from_numpy(table.mask).float()
    edges = torch.from_numpy(edge_index(table))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = GraphAttention(channels, channels, num_heads, degree=gate.shape[1])
        theirs = GATv2Conv(channels, channels // num_heads, heads=num_heads, add_self_loops=False)
        tokens = torch.randn(num_documents * num_tokens, channels)

    def both(layer: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
        def forward() -> None:
            with torch.inference_mode():
                layer(tokens)

        def forward_backward() -> None:
            layer(tokens.clone().requires_grad_()).sum().backward()

        return {
            "forward": _best(forward, repeats),
            "forward_backward": _best(forward_backward, repeats),
        }

    return {
        "threads": torch.get_num_threads(),
        "num_tokens": len(tokens),
        "degree": neighbours.shape[1],
        "channels": channels,
        "num_heads": num_heads,
        "seconds": {
            "closed_form": both(lambda rows: ours(rows, neighbours, gate, inverse)[0]),
            "autograd": both(lambda rows: ours(rows, neighbours, gate)[0]),
            "pyg_gatv2conv": both(lambda rows: theirs(rows, edges)),
        },
    }


def run_families(repeats: int, threads: int, kinds: Sequence[tuple[int, int]] = KINDS) -> dict[str, Any]:
    """Texts a second that each family answers and trains on, beside TF-IDF with logistic regression; what each costs.

    All read the same made texts, by turns in one process, so that a slow hour hits all alike. The cache of forms is
    empty at the start of each repeat. Training is one pass of optimiser steps over texts that are cut already; of the
    network alone, for the n-grams beside it are fitted apart.

    Args:
        repeats: Turns that count, after one that does not.
        threads: PyTorch threads; 0 keeps its own choice.
        kinds: Number and tokens of the texts.
    """
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()  # as training does
    networks, peer = {name: random_network(name) for name in FAMILIES}, _peer()
    return {
        "threads": torch.get_num_threads(),
        "batch_size": BATCH_SIZE,
        "kinds": [
            {"num_documents": number, "num_tokens": length}
            | {"models": _by_turns(networks, peer, _texts(number, length), repeats)}
            for number, length in kinds
        ],
    }


def _by_turns(
    networks: dict[str, "Network"], peer: LinearBaseline, texts: list[str], repeats: int
) -> dict[str, dict[str, Any]]:
    """Figures of each family and of the peer on the same texts."""
    read = {name: [network.reader.read(text) for text in texts] for name, network in networks.items()}
    works: dict[tuple[str, str], Callable[[], object]] = {
        **{(name, "predicted"): partial(network.predict, texts) for name, network in networks.items()},
        (PEER, "predicted"): partial(peer.scores, texts),
        **{(name, "trained"): partial(network.train, read[name]) for name, network in networks.items()},
    }
    seconds: dict[tuple[str, str], list[float]] = {work: [] for work in works}
    for turn in range(repeats + 1):
        for place, work in works.items():
            taken = _best(work, 1, warm=False)
            if turn:
                seconds[place].append(taken)
    figures = {
        name: cost_of(network.config, network.collator, _TASK.num_outputs, read[name])
        for name, network in networks.items()
    }
    figures[PEER] = {"parameters": peer.num_parameters}
    for (name, part), of_turns in seconds.items():
        figures[name][part] = _rate(len(texts), of_turns, seconds[FAMILIES[0], part])
    return figures


def _rate(num_texts: int, seconds: list[float], of_first: list[float]) -> dict[str, Any]:
    """Texts a second, best and median of the repeats, and the median of its ratio to that of the first family."""
    rates = num_texts / np.array(seconds)
    return {
        "seconds": [round(each, 5) for each in seconds],
        "best": round(float(rates.max()), 1),
        "median": round(float(np.median(rates)), 1),
        "to_first": round(float(np.median(np.array(of_first) / seconds)), 4),
    }


def measure(
    *, num_documents: int, num_tokens: int, repeats: int, threads: int, preset: str
) -> dict[str, Any]:
    """Seconds and peak memory of this process for answering documents of equal length."""
    if threads:
        torch.set_num_threads(threads)
    network = random_network(preset)
    texts = _texts(num_documents, num_tokens)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _peak_mib()
    seconds = _best(lambda: network.predict(texts), repeats, warm=False)
    return {
        "num_documents": num_documents,
        "num_tokens": num_tokens,
        "seconds": seconds,
        "seconds_per_token": seconds / (num_documents * num_tokens),
        "peak_mib": _peak_mib(),
        "peak_mib_before": before,
        "threads": torch.get_num_threads(),
    }


def _child(arguments: dict[str, Any]) -> dict[str, Any]:
    """What `measure` gives in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, __file__, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the measurement {arguments} failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _words(num_words: int) -> list[str]:
    """A made text: letters at random, few words often and many seldom."""
    generator = np.random.default_rng(0)
    letters = generator.choice(list("etaoinshrdlu"), size=(_NUM_WORDS, 9))
    lengths = generator.integers(2, 10, _NUM_WORDS)
    vocabulary = ["".join(row[:length]) for row, length in zip(letters, lengths, strict=True)]
    shares = 1 / np.arange(1, _NUM_WORDS + 1)
    chosen = generator.choice(_NUM_WORDS, size=num_words, p=shares / shares.sum())
    return [vocabulary[word] for word in chosen]


def _texts(num_documents: int, num_tokens: int) -> list[str]:
    """Made texts of equal length."""
    words = _words(num_documents * num_tokens)
    return [" ".join(words[start : start + num_tokens]) for start in range(0, len(words), num_tokens)]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A two-class network with random weights.

    Args:
        config: Its settings.
        model: The network.
        collator: Makes its batches.
    """

    config: Config
    model: Classifier
    collator: BatchMaker

    @property
    def reader(self) -> TextReader:
        """Cuts its texts."""
        return TextReader(config=self.config.text)

    def predictor(self) -> Predictor:
        """One that has read no form yet."""
        return Predictor(engine=make_engine(self.model, self.collator), task=_TASK, reader=self.reader)

    def predict(self, texts: list[str]) -> np.ndarray:
        """Logits of texts, nothing of them cached."""
        return self.predictor().logits(texts)

    def train(self, documents: list[Document]) -> None:
        """One pass of optimiser steps, labels by turns."""
        record = train_network(
            self.model,
            self.collator,
            documents,
            np.arange(len(documents)) % 2,
            torch.ones(len(documents)),
            dataclasses.replace(self.config.train, batch_size=BATCH_SIZE),
            objective=objective_of(_TASK, self.config.train),
            total_steps=-(-len(documents) // BATCH_SIZE),
            budget=Budget(None),
            on_epoch=lambda epoch, loss: True,
            progress=Progress(),
        )
        if record.stopped:
            raise SystemExit(f"the training that is timed stopped: {record.stopped}.")


def random_network(name: str) -> Network:
    """The network of a preset that knows the words and n-grams of a made sample.

    Where the network reads a token table, it has a row for each of these words.
    """
    config = preset(name)
    documents = [read_document(" ".join(_words(_SAMPLE)), config.text)] * 2  # known is what stands in two
    words = known_words((document.forms() for document in documents), config.text)
    ngrams = known_ngrams(read_keys(documents, config.text, Progress())[1], _TASK.num_outputs)
    injected = words if config.model.table_channels else words[:0]
    vocabulary = Vocabulary(words=words, ngrams=ngrams, injected=injected)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make_classifier(config, num_outputs=_TASK.num_outputs, vocabulary=vocabulary)
    return Network(config=config, model=model, collator=make_collator(config, vocabulary))


def _peer() -> LinearBaseline:
    """The linear model, trained on a made sample whose labels come by turns."""
    texts = _texts(_SAMPLE // 100, 100)
    return BASELINES[PEER]().fit(texts, [_TASK.labels[row % 2] for row in range(len(texts))], C=1.0)


def _best(work: Callable[[], object], repeats: int, *, warm: bool = True) -> float:
    """Seconds of the fastest of some runs, after one that does not count."""
    if warm:
        work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _peak_mib() -> float:
    """Largest resident memory of this process; `ru_maxrss` would count the parent's too."""
    status = Path("/proc/self/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(kib) / 1024, 1)


def _r2(x: list[int], y: list[float]) -> float | None:
    """Share of the variance of y that a straight line explains; None below three points."""
    if len(x) < 3:
        return None
    residual = np.polyval(np.polyfit(x, y, 1), x) - y
    return round(float(1 - residual.var() / np.var(y)), 5)


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
