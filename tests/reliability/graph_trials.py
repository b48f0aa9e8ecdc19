"""Tries forged graphs: a child process loads each with digests that agree and predicts, its memory and time limited.

The child is this module: `python -m reliability.graph_trials crafted FOLDER FIRST`, `mutated FOLDER FIRST LAST`. With
`export FOLDER` it writes the folder whose graphs are forged.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from reliability.crafted_graphs import Case, crafted_graphs
from reliability.forging import forge
from reliability.mutated_graphs import mutated_graph
from textlattice import load
from textlattice.errors import ArtefactError

TESTS = Path(__file__).parents[1]
TEXTS = ["q", "", "so, so many words: a film, and another film"]
MOST_MEMORY = 6 << 30
"""Addresses of a process that loads forged graphs, so that what explodes hits no one else."""
MOST_SECONDS = 30
"""For one forged folder; after it the process ends."""


def export(folder: Path) -> None:
    """Exports a small model with a token table, its weights random."""
    with _child("export", folder) as child:
        output, _ = child.communicate()
    assert child.returncode == 0, output


def outcomes(folder: Path, kind: str, *numbers: int) -> Iterator[dict[str, Any]]:
    """What becomes of each case: its name, `outcome`, `seconds`, `peak` (bytes by which memory grew).

    The outcome is `refused`, `answered`, or what must not be: another error, or how the process ended. After an end
    another process goes on with the next case.

    Args:
        folder: From `export`.
        kind: `crafted` or `mutated`.
        numbers: The first seed of a mutation, and the one after the last.
    """
    first, *last = numbers or (0,)
    while True:
        begun, other_lines = None, []
        with _child(kind, folder, first, *last) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith('{"begun"'):
                    begun = json.loads(line)["begun"]
                elif line.startswith('{"name"'):
                    first, begun = first + 1, None
                    yield json.loads(line)
                else:
                    other_lines.append(line)
        if begun is None:
            assert (child.returncode, other_lines) == (0, [])
            return
        first += 1
        end = f"ended with {child.returncode}: {''.join(other_lines)[-300:]}"
        yield {"name": begun, "outcome": end, "seconds": 0.0, "peak": 0}


def _child(kind: str, folder: Path, *numbers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reliability.graph_trials", kind, str(folder.resolve()), *map(str, numbers)],
        cwd=TESTS,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _export(folder: Path) -> None:
    import torch

    from textlattice.export.onnx import export_folder
    from textlattice.models.cnn_gnn import CnnGnnClassifier
    from textlattice.models.weights import engine_files
    from textlattice.presets import preset
    from textlattice.runtime.model_folder import write_model_folder
    from textlattice.task import Task
    from textlattice.text.vocabulary import Vocabulary

    config = preset("tiny").with_settings(
        {
            "graph.lattice_offsets": ((1,), (2,)),
            "graph.num_random_edges": (1, 1),
            "model.injected_channels": 5,
        }
    )
    torch.manual_seed(0)
    model = CnnGnnClassifier(config, num_outputs=3, num_words=50, num_ngrams=70, num_injected=11)
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.copy_(0.1 * torch.randn_like(tensor))  # a bias of zeros is left out of a graph
    words, ngrams, injected = (np.arange(number, dtype=np.uint64) for number in (50, 70, 11))
    trained = folder.with_name(f"{folder.name}-trained")
    write_model_folder(
        trained,
        engine="torch",
        config=config,
        task=Task(labels=("a", "b", "c"), priors=(0.25, 0.25, 0.5)),
        vocabulary=Vocabulary(words=words, ngrams=ngrams, injected=injected),
        engine_files=engine_files(model),
        records={},
        card="",
    )
    export_folder(trained, folder)


def _cases(kind: str, folder: Path, *numbers: int) -> Iterator[Case]:
    if kind == "crafted":
        return islice(crafted_graphs(folder), *numbers, None)
    return (mutated_graph(folder, seed) for seed in range(*numbers))


def _try(folder: Path, cases: Iterator[Case]) -> None:
    """Prints the name of each case before it is tried, and what became of it after that."""
    list(load(folder).answers(TEXTS))  # what is imported and set up once
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as place:
        forged = shutil.copytree(folder, Path(place) / "model")
        for name, file, content in cases:
            print(json.dumps({"begun": name}), flush=True)
            forge(forged, file, content)
            print(json.dumps({"name": name} | _measured(forged)), flush=True)
            forge(forged, file, (folder / file).read_bytes())


def _measured(folder: Path) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    memory, start = _memory("VmRSS"), time.perf_counter()
    signal.alarm(MOST_SECONDS)
    outcome = _outcome(folder)
    signal.alarm(0)
    seconds = time.perf_counter() - start
    return {"outcome": outcome, "seconds": seconds, "peak": _memory("VmHWM") - memory}


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) * 1024


def _outcome(folder: Path) -> str:
    try:
        list(load(folder).answers(TEXTS))
    except ArtefactError as error:
        message = str(error)
        if "\n" in message or len(message) >= 1_000:
            return f"refused by {message[:1_200]!r}{_kind_of(message)}"
        return f"refused{_kind_of(message)}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    return "answered"


def _kind_of(message: str) -> str:
    """Who refused: nothing for our own reading, which comes before ONNX Runtime."""
    for words, name in (
        ("expected a graph for ONNX Runtime", "ONNX Runtime at load"),
        ("expected a graph that fits", "ONNX Runtime at work"),
        ("numbers, float32, got", "the shape of an answer"),
        ("expected logits that are finite", "logits"),
    ):
        if words in message:
            return f" by {name}"
    return ""


if __name__ == "__main__":
    kind, place, *rest = sys.argv[1:]
    if kind == "export":
        _export(Path(place))
    else:
        _try(Path(place), _cases(kind, Path(place), *map(int, rest)))
