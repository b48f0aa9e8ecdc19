"""How often the promises of reliability were tried and how often they failed, one function a figure.

Each gives `parts`, a list of {part, tried, failed, ...}; `bound` adds the rate below which failures lie with 95 %
confidence where none was seen. As a script it is the child process of a figure that needs one: it takes the name of
a function and its arguments as JSON and prints JSON.
"""

import contextlib
import io
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from speed import random_network
from textlattice import TextClassifier, load
from textlattice.app.main import main as command_line
from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.errors import ArtefactError
from textlattice.runtime.form_engine import FormEngine
from textlattice.runtime.predictor import Predictor

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS / "reliability"))  # what the tests try a few times is tried here many times
forging, naughty = (import_module(name) for name in ("forging", "naughty"))
sys.path.pop(0)

GOLDEN = TESTS / "golden" / "tiny-format-1"
_SHORTEST = 0.03
"""Seconds that a measurement takes at least; short work is done again and again."""
Part = dict[str, Any]
SHOWN = 5
"""Failures that a result tells of."""


def bad_texts(number: int) -> list[Part]:
    """R1: generated texts through four doors; a failure is a crash, a number that is none, a lost or moved row."""
    texts = [*naughty.texts(), *naughty.draw(number, seed=11)][-number:]
    labels = ["plain", "other \u202e", "=1+1"]
    rows = [(text, labels[place % 3]) for place, text in enumerate(texts)]
    expected = load(GOLDEN).probabilities(texts)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows)
        (here / "rows.jsonl").write_text(lines + "\n", encoding="ascii")

        def python() -> int:
            predictor = load(GOLDEN)
            answers = list(predictor.answers(texts))
            found = np.array([list(answer.probabilities.values()) for answer in answers])
            return _wrong_rows(found, expected)

        def estimator() -> int:
            model = TextClassifier("tiny", settings={"train.steps": 3, "train.threads": 1})
            found = model.fit(*zip(*rows, strict=True)).predict_proba(texts)
            return _wrong_rows(found, None, num_rows=len(texts))

        def train() -> int:
            words = ["train", here / "rows.jsonl", "-o", here / "model", "--preset", "tiny", "--steps", "3"]
            _run(*words, "--threads", "1")
            record = json.loads((here / "model" / "training.json").read_text(encoding="utf-8"))
            found = load(here / "model").probabilities(texts)
            return len(texts) - record["num_rows"] + _wrong_rows(found, None, num_rows=len(texts))

        def predict() -> int:
            _run("predict", GOLDEN, here / "rows.jsonl", "-o", here / "answers.jsonl")
            answers = (here / "answers.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
            found = np.array([list(json.loads(line)["probabilities"].values()) for line in answers])
            return _wrong_rows(found, expected)

        doors = {
            "Python": python,
            "estimator": estimator,
            "textlattice train": train,
            "textlattice predict": predict,
        }
        return [_timed(part, len(texts), work) for part, work in doors.items()]


def damaged_folders(number: int) -> list[Part]:
    """R4: model folders cut, with flipped bits and crafted; a failure is one that loads or another error than ours.

    Cuts and flips leave the digests as they are. Crafted folders and cuts of the header of the weights with digests
    that agree are refused by their structure.
    """
    draw = np.random.default_rng(4)
    names = sorted(json.loads((GOLDEN / "manifest.json").read_text())["files"])
    weights = (GOLDEN / forging.WEIGHTS).read_bytes()
    header = forging.header_size(weights)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(GOLDEN, Path(place) / "model"))
        load(folder)  # whole it loads, or every refusal would count for nothing

        def attempt(name: str, content: bytes) -> int:
            (folder / name).write_bytes(content)
            failed = _loads(folder)
            shutil.copy(GOLDEN / name, folder / name)
            return failed

        def changed(name: str, kind: str) -> bytes:
            content = bytearray((GOLDEN / name).read_bytes())
            at = int(draw.integers(len(content)))
            if kind == "cut":
                return bytes(content[:at])
            content[at] ^= 1 << int(draw.integers(8))
            return bytes(content)

        def structure(content: bytes) -> int:
            try:
                unpack_tensors(content)
            except ArtefactError:
                return 0
            return 1

        def crafted() -> Iterator[int]:
            for _, content in forging.crafted_weights(weights):
                with _forged(folder) as copy:
                    forging.forge(copy, forging.WEIGHTS, content)
                    yield _loads(copy)
            for _, change in forging.crafted_settings():
                with _forged(folder) as copy:
                    forging.forge_config(copy, change)
                    yield _loads(copy)
            for _, arrays in forging.crafted_vocabularies():
                with _forged(folder) as copy:
                    forging.forge(copy, "vocabulary.safetensors", pack_tensors(arrays))
                    yield _loads(copy)

        works: dict[str, Callable[[], Iterator[int]]] = {
            "weights cut at every byte of the header": lambda: (
                attempt(forging.WEIGHTS, weights[:cut]) for cut in range(header + 1)
            ),
            "the same with digests that agree": lambda: (
                structure(weights[:cut]) for cut in range(header + 1)
            ),
            "files cut anywhere": lambda: (
                attempt(name, changed(name, "cut")) for name in draw.choice(names, number // 10)
            ),
            "flipped bits": lambda: (
                attempt(name, changed(name, "flip")) for name in draw.choice(names, number)
            ),
            "crafted with digests that agree": crafted,
        }
        parts = []
        for part, work in works.items():
            start, outcomes = time.perf_counter(), list(work())
            parts.append(_part(part, len(outcomes), sum(outcomes), time.perf_counter() - start))
    return parts


def kills(number: int) -> list[Part]:
    """R5: checkpoints and trainings killed; a failure is one that `--resume` does not end as an uncut one does.

    That is with the same bits in all that the model computes with and in the history of its choices, and nothing
    else left behind.
    """
    parts = _parts_of("R5", number)
    return [part if "random" in part["part"] else part | {"bound": None} for part in parts]


def power_loss(number: int) -> list[Part]:
    """R6: states that a loss of power may leave, of a checkpoint; a failure is neither the old nor the new one read.

    Each state once: every operation not yet synced may have reached the disk or not. Nothing is drawn.
    """
    return _unbounded(_parts_of("R6", number))


def full_disks(number: int) -> list[Part]:
    """R7: writes to a full disk; a failure is an old checkpoint lost, another error than ours, anything left over.

    Limits on the length of a file grow in steps of so many bytes. Nothing is drawn.
    """
    return _unbounded(_parts_of("R7", number))


def users_files(seconds: int) -> list[Part]:
    """R22: files of a user that have names of ours; a failure is one that is changed, or a command that ends otherwise.

    Then reads of a folder that is replaced all the time, for so many seconds; one that raises or mixes two failed.
    """
    return _unbounded(_parts_of("R22", seconds, module="hostile_figures"))


def forged(number: int) -> list[Part]:
    """R23: models made to do harm, digests agreeing; a failure is a crash, a hang, a request, another error than ours.

    A crafted one must be refused. Of graphs, so many are mutated at random: where weights alone changed they answer.
    """
    parts = _parts_of("R23", number, module="hostile_figures")
    return [part if "random" in part["part"] else part | {"bound": None} for part in parts]


def hostile_tables(number: int) -> list[Part]:
    """R24: tables made to take memory or time; a failure is 600 MB more than before, or a lost row."""
    return _unbounded(_parts_of("R24", number, module="hostile_figures"))


def processes(number: int) -> list[Part]:
    """R25: streams, signals, so many forks; a failure is another end than expected or data left behind."""
    parts = _parts_of("R25", number, module="hostile_figures")
    return [part if "forked" in part["part"] else part | {"bound": None} for part in parts]


def _unbounded(parts: list[Part]) -> list[Part]:
    """Parts of which nothing is drawn at random."""
    return [part | {"bound": None} for part in parts]


def neighbours(number: int) -> list[Part]:
    """R13: texts alone and in random batches; a failure is a change of p above 1e-5, or of the label.

    A label may change only where the two best differ by less than 2e-5. NaN: one form's vector is no number; a
    failure is another document that hears of it.
    """
    parts = []
    with tempfile.TemporaryDirectory() as place:
        exported = Path(place) / "exported"
        _run("export", GOLDEN, "-o", exported)
        predictors = {
            "PyTorch, tiny": load(GOLDEN),
            "ONNX Runtime, tiny": load(exported),
            "PyTorch, base with random weights": random_network("base").predictor(),
        }
        for engine, predictor in predictors.items():
            parts += [_pairs(predictor, engine, number), _poisoned(predictor, engine, 100)]
    return parts


def linear_cost(repeats: int) -> list[Part]:
    """R14: processor seconds and memory of one text by its length, best of the repeats; on one thread.

    A failure is a doubling of the length from 20,000 characters on that takes more than 2.3 times as long, or more
    than 2.1 times the memory beyond what the process held before; of shorter texts fixed costs are the most.
    """
    parts = []
    for kind, work, doublings in (
        ("words", "read_document", 13),
        ("one token", "read_document", 13),
        ("naughty", "read_document", 11),  # of which a text may have no more tokens
        ("words", "predict", 10),
        ("one token", "predict", 10),
        ("tokens of one character", "predict", 10),
    ):
        start = time.perf_counter()
        lengths = [1_250 * 2**number for number in range(doublings + 1)]
        points = _child("measure", kind=kind, work=work, lengths=lengths, repeats=repeats)
        long = [point for point in points if point["length"] >= 20_000]
        time_ratios = [second["seconds"] / first["seconds"] for first, second in itertools.pairwise(long)]
        memory_ratios = [
            second["mib"] / first["mib"] for first, second in itertools.pairwise(long) if first["mib"] >= 8
        ]
        failed = sum(ratio > 2.3 for ratio in time_ratios) + sum(ratio > 2.1 for ratio in memory_ratios)
        tried = len(time_ratios) + len(memory_ratios)
        parts.append(
            _part(f"{work}, {kind}", tried, failed, time.perf_counter() - start)
            | {
                "worst_time_ratio": round(max(time_ratios), 3),
                "worst_memory_ratio": round(max(memory_ratios, default=0.0), 3),
                "bound": None,  # nothing is drawn
                "points": points,
            }
        )
    return parts


def larger_than_memory(megabytes: int) -> list[Part]:
    """R15: rows of a table of so many MB; a failure is one neither used nor reported, or memory beyond the bound.

    Training has `tiny` and ten steps; the wide branch, the words and their vectors are as ever. Each on one thread of
    a child process; memory is the peak beyond that of the same command on 1 MB. One row in a thousand is no JSON.
    """
    parts = []
    for command, most_mib in MOST_MIB.items():
        start = time.perf_counter()
        small, large = (_child("grow", command=command, megabytes=size) for size in (1, megabytes))
        mib = round(large["peak_mib"] - small["peak_mib"], 1)
        part = _part(
            f"textlattice {command}, {megabytes} MB of text",
            large["rows"],
            large["lost"] + (mib > most_mib),
            time.perf_counter() - start,
        )
        parts.append(part | {"mib": mib, "most_mib": most_mib, "bound": None})  # nothing is drawn
    return parts


MOST_MIB = {"train": 600, "predict": 100}
"""By how much each command may grow, however long the table; in training a row adds some 150 bytes."""


FIGURES: dict[str, tuple[Callable[[int], list[Part]], int]] = {
    "R1": (bad_texts, 10_000),
    "R4": (damaged_folders, 10_000),
    "R5": (kills, 200),
    "R6": (power_loss, 1),
    "R7": (full_disks, 7),
    "R13": (neighbours, 10_000),
    "R14": (linear_cost, 5),
    "R15": (larger_than_memory, 400),
    "R22": (users_files, 60),
    "R23": (forged, 2_000),
    "R24": (hostile_tables, 1),
    "R25": (processes, 100),
}
"""Of each figure the function, and the number it is called with unless another is asked for."""


def run_figure(name: str, number: int | None) -> dict[str, Any]:
    """What a figure counts, its parts with their bounds, and the seconds they took."""
    work, default = FIGURES[name]
    start = time.perf_counter()
    parts = [{"bound": bound(part["tried"], part["failed"]), **part} for part in work(number or default)]
    counts = " ".join((work.__doc__ or "").partition("\n\n")[0].split()).partition(": ")[2]
    return {"counts": counts, "parts": parts, "seconds": round(time.perf_counter() - start, 1)}


def bound(tried: int, failed: int) -> float | None:
    """Rate below which failures lie at 95 % where none was seen in so many tries; None where one was."""
    return None if failed or not tried else round(min(1.0, 3 / tried), 8)


# Children.


def measure(*, kind: str, work: str, lengths: list[int], repeats: int) -> list[dict[str, float]]:
    """Processor seconds (best of the repeats) of a text of each length, and memory beyond that of a short one."""
    torch.set_num_threads(1)
    predictor = load(GOLDEN)
    predictor.predict(["warm"])
    before, points = _memory("VmRSS"), []
    for length in lengths:
        text = made_text(kind, length)

        def once(text: str = text) -> float:
            start = time.process_time()
            if work == "read_document":
                predictor.reader.read(text)
            else:
                _fresh(predictor).predict([text])
            return time.process_time() - start

        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        first = once()
        times = math.ceil(_SHORTEST / max(first, 1e-6))
        others = (sum(once() for _ in range(times)) / times for _ in range(repeats - 1))
        seconds = min([first, *others])
        mib = (_memory("VmHWM") - before) / 2**20
        points.append({"length": length, "seconds": round(seconds, 7), "mib": round(mib, 2)})
    return points


def grow(*, command: str, megabytes: int) -> dict[str, float]:
    """Rows of a table, how many of them a command lost, and MiB that it had at most."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows, lost = _run_on(command, Path(folder), megabytes)
    return {"rows": rows, "lost": lost, "peak_mib": _memory("VmHWM") / 2**20}


def _run_on(command: str, here: Path, megabytes: int) -> tuple[int, int]:
    """Rows of a table of that size, and how many of them the command lost."""
    source, rows, faults = here / "rows.jsonl", 0, set()
    with source.open("w") as file:
        for text, label in made_rows(megabytes * 1_000_000):
            rows += 1
            if rows % 1_000 == 0:
                faults.add(rows)
            file.write("{\n" if rows in faults else json.dumps({"text": text, "label": label}) + "\n")
    if command == "train":
        words = ["--preset", "tiny", "--steps", 10, "--threads", 1]
        _run("train", source, "-o", here / "model", *words)
        told = json.loads((here / "model" / "training.json").read_text(encoding="utf-8"))["source"]
        return rows, rows - told["num_rows"] - told["num_rejected"] + abs(told["num_rejected"] - len(faults))
    _run("predict", GOLDEN, source, "-o", here / "answers.jsonl")
    with (here / "answers.jsonl").open(encoding="utf-8") as file:
        found = [("error" in json.loads(line)) == (row in faults) for row, line in enumerate(file, 1)]
    return rows, abs(rows - len(found)) + found.count(False)


def made_rows(num_bytes: int) -> Iterator[tuple[str, str]]:
    """Texts of about 1,200 bytes, all in all so many, and labels that a few of their words tell."""
    draw = np.random.default_rng(15)
    letters = draw.choice(list("etaoinshrdlu"), size=(50_000, 9))
    words = np.array(["".join(word[: draw.integers(2, 10)]) for word in letters])
    shares = np.cumsum(1 / np.arange(1, len(words) + 1))
    made = 0
    while made < num_bytes:
        ranks = np.searchsorted(shares, draw.random((100, 200)) * shares[-1])
        for row in ranks:
            text = " ".join(words[row])
            made += len(text)
            yield text, "low" if np.median(row) < 250 else "high"
            if made >= num_bytes:
                return


def made_text(kind: str, length: int) -> str:
    """A text of so many characters."""
    if kind == "naughty":
        pieces = [text[:200] for text in naughty.draw(2_000, seed=5)]
    elif kind == "words":
        draw = np.random.default_rng(0)
        letters = draw.choice(list("etaoinshrdlu"), size=(5_000, 7))
        pieces = [f"{''.join(word[: draw.integers(2, 8)])} " for word in letters]
    else:
        pieces = ["x" if kind == "one token" else "語"]
    text = "".join(pieces)
    return (text * (length // len(text) + 1))[:length]


def _child(function: str, **arguments: Any) -> Any:
    # Below its threshold the allocator keeps pages, above it asks for fresh ones: here at every length, so that a step
    # of the allocator is not taken for one of ours.
    done = subprocess.run(
        [sys.executable, __file__, function, json.dumps(arguments)],
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{function} {arguments} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _parts_of(figure: str, number: int, *, module: str = "crash_figures") -> list[Part]:
    """The parts of a figure of `tests/reliability`, a process of its own whose children may be killed."""
    words = [sys.executable, "-m", f"reliability.{module}", figure, str(number)]
    parts = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=TESTS) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            if "skipped" in told:
                print(f"  {told['part']}: skipped, {told['skipped']}", file=sys.stderr, flush=True)
                continue
            part = _part(told["part"], told["tried"], len(told["failures"]), told["seconds"])
            parts.append(part | ({"said": told["failures"][:SHOWN]} if told["failures"] else {}))
    if process.returncode:
        raise SystemExit(f"{figure} failed: see above")
    return parts


# Pieces of the figures.


def _wrong_rows(found: np.ndarray, expected: np.ndarray | None, *, num_rows: int | None = None) -> int:
    """Rows that are missing, no probabilities, or not those expected."""
    wanted = len(expected) if expected is not None else num_rows or 0
    if len(found) != wanted:
        return max(1, abs(len(found) - wanted))
    good = np.isfinite(found).all(1) & (found >= 0).all(1) & (np.abs(found.sum(1) - 1) <= 1e-9)
    if expected is not None:
        good &= np.abs(found - expected).max(1) <= 1e-5
    return int((~good).sum())


def _timed(part: str, tried: int, work: Callable[[], int]) -> Part:
    """What a door did with all its texts; a crash fails them all."""
    start = time.perf_counter()
    try:
        failed, said = work(), None
    except Exception:
        failed, said = tried, traceback.format_exc(limit=-SHOWN)
    return _part(part, tried, failed, time.perf_counter() - start) | ({"said": said} if said else {})


def _part(part: str, tried: int, failed: int, seconds: float) -> Part:
    print(f"  {part}: {tried} tried, {failed} failed, {seconds:.0f} s", file=sys.stderr, flush=True)
    return {"part": part, "tried": tried, "failed": failed, "seconds": round(seconds, 1)}


def _run(*words: object) -> None:
    """A command of `textlattice` that must end well."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = command_line([str(word) for word in words])
    if code or "Traceback" in said.getvalue():
        raise RuntimeError(f"textlattice {words[0]} ended with {code}: {said.getvalue()[-500:]}")


def _loads(folder: Path) -> int:
    """0 where a folder is refused in one line, 1 where it loads or something else goes wrong."""
    try:
        load(folder)
    except ArtefactError as error:
        return int("\n" in str(error))
    except Exception:
        return 1
    return 1


@contextlib.contextmanager
def _forged(folder: Path) -> Iterator[Path]:
    copy = folder.with_name("forged")
    shutil.copytree(folder, copy)
    yield copy
    shutil.rmtree(copy)


def _fresh(predictor: Predictor, backend: Any = None) -> Predictor:
    """The same predictor with an empty cache of forms."""
    engine = FormEngine(backend or predictor.engine.backend, predictor.engine.collator)
    return Predictor(engine=engine, task=predictor.task, reader=predictor.reader)


def _pairs(predictor: Predictor, engine: str, number: int) -> Part:
    """Each of so many texts alone, and in a batch of 2 to 40 random ones."""
    choose, start = np.random.default_rng(13), time.perf_counter()
    pool = [text for text in [*naughty.draw(2_000, seed=13), *naughty.texts()] if len(text) < 2_000][:number]
    alone = np.concatenate([_fresh(predictor).probabilities([text]) for text in pool])
    best = np.sort(alone, axis=1)
    is_clear = best[:, -1] - best[:, -2] >= 2e-5
    tried = failed = unequal = 0
    largest = 0.0
    while tried < number:
        places = choose.integers(len(pool), size=min(number - tried, int(choose.integers(2, 41))))
        batch = [pool[place] for place in places]
        together = _fresh(predictor).probabilities(batch)
        change = np.abs(together - alone[places]).max(axis=1)
        moved = (together.argmax(1) != alone[places].argmax(1)) & is_clear[places]
        failed += int((~(change <= 1e-5) | moved).sum())
        unequal += int(not np.array_equal(_fresh(predictor).probabilities(batch), together))
        largest, tried = max(largest, float(change.max())), tried + len(batch)
    part = _part(f"{engine}: texts in random batches", tried, failed + unequal, time.perf_counter() - start)
    return part | {"largest_change": largest, "batches_unequal_when_repeated": unequal}


class _Poisoned:
    """A backend that gives NaN for the vector of one form, whose letters are known."""

    def __init__(self, predictor: Predictor, form: str) -> None:
        engine = predictor.engine
        self.backend, self.letters = engine.backend, engine.collator.forms([form]).characters

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def encode_forms(self, forms: Any) -> np.ndarray:
        """The vectors, one of them spoilt."""
        vectors = self.backend.encode_forms(forms).copy()
        for row, (first, end) in enumerate(zip(forms.form_ptr, forms.form_ptr[1:], strict=False)):
            if np.array_equal(forms.characters[first:end], self.letters):
                vectors[row] = np.nan
        return vectors


def _poisoned(predictor: Predictor, engine: str, number: int) -> Part:
    """So many batches with one to three texts whose vectors are NaN; the others must not hear of it."""
    choose, start = np.random.default_rng(17), time.perf_counter()
    pool = naughty.draw(5 * number, seed=17)
    shares = predictor.task.probabilities  # of logits, for the predictor refuses those that are not finite
    alone = np.concatenate([shares(_fresh(predictor).logits([text])) for text in pool])
    failed = 0
    for _ in range(number):
        places = choose.integers(len(pool), size=int(choose.integers(2, 20)))
        batch = [pool[place] for place in places]
        is_bad = np.zeros(len(batch), bool)
        is_bad[choose.integers(len(batch), size=int(choose.integers(1, 4)))] = True
        asked = [f"{text} poison" if bad else text for text, bad in zip(batch, is_bad, strict=True)]
        with np.errstate(invalid="ignore"):
            found = shares(_fresh(predictor, _Poisoned(predictor, "poison")).logits(asked))
        good = found[~is_bad]
        failed += int(
            not (np.abs(good - alone[places[~is_bad]]) <= 1e-5).all() or not np.isnan(found[is_bad]).all()
        )
    return _part(
        f"{engine}: batches with a neighbour that is NaN", number, failed, time.perf_counter() - start
    )


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


CHILDREN: dict[str, Callable[..., Any]] = {"measure": measure, "grow": grow}

if __name__ == "__main__":
    print(json.dumps(CHILDREN[sys.argv[1]](**json.loads(sys.argv[2]))))
