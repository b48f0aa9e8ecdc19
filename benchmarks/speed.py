"""Time and memory by the length of a document, and of graph attention beside other ways to compute it.

As a script it is the child process of the first: it takes the arguments of `measure` as JSON and prints JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textlattice.batch.collators import make_collator
from textlattice.config import preset
from textlattice.graph.neighbours import edge_index, neighbour_table
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.models.registry import make_engine
from textlattice.nn.attention import GraphAttention
from textlattice.progress import Progress
from textlattice.runtime.form_engine import FormEngine
from textlattice.runtime.predictor import Predictor
from textlattice.task import Task
from textlattice.text.document import TextReader, read_document
from textlattice.text.vocabulary import Vocabulary, known_words
from textlattice.training.wide import known_ngrams, read_keys

LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
SHORT = 1_000
"""Tokens of a short document."""
_NUM_WORDS = 20_000  # different words of the made text


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


def measure(
    *, num_documents: int, num_tokens: int, repeats: int, threads: int, preset: str
) -> dict[str, Any]:
    """Seconds and peak memory of this process for answering documents of equal length."""
    if threads:
        torch.set_num_threads(threads)
    predictor = _predictor(preset)
    words = _words(num_documents * num_tokens)
    texts = [" ".join(words[start : start + num_tokens]) for start in range(0, len(words), num_tokens)]
    del words
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _peak_mib()

    def answer() -> None:
        engine = FormEngine(predictor.engine.backend, predictor.engine.collator)
        Predictor(engine=engine, task=predictor.task, reader=predictor.reader).logits(texts)

    seconds = _best(answer, repeats, warm=False)
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


def _predictor(name: str) -> Predictor:
    """A two-class model with random weights that knows the words and n-grams of a made sample."""
    config = preset(name)
    documents = [read_document(" ".join(_words(100_000)), config.text)] * 2  # known is what stands in two
    words = known_words((document.forms() for document in documents), config.text)
    ngrams = known_ngrams(read_keys(documents, config.text, Progress())[1], 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CnnGnnClassifier(config, num_outputs=2, num_words=len(words), num_ngrams=len(ngrams))
    vocabulary = Vocabulary(words=words, ngrams=ngrams)
    return Predictor(
        engine=make_engine(model, make_collator(config, vocabulary)),
        task=Task(labels=("a", "b"), priors=(0.5, 0.5)),
        reader=TextReader(config=config.text),
    )


def _best(work: Callable[[], None], repeats: int, *, warm: bool = True) -> float:
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
