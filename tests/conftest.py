"""What many tests share: sixty short reviews and a tiny model folder trained on them once a session."""

import io
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest

if TYPE_CHECKING:
    from textlattice.runtime.token_table import TokenTable

hypothesis.settings.register_profile("textlattice", deadline=None)  # two processes share the machine
hypothesis.settings.load_profile("textlattice")

STEMS = """hope joy care use thank fear harm help power taste end color grace play mind rest skill thought
time truth art cheer event faith fruit law mercy peace pain need"""
FRAMES = ("the {} was {} from the first page", "a {} so {} that nobody spoke", "their {} felt {} to me")
THINGS = ("film", "book", "play", "song", "dinner")
OPENERS = {
    "good": ("we stayed:", "they laughed:", "again soon:"),
    "bad": ("we left:", "they slept:", "never again:"),
}


def make_reviews(num_texts: int = 60) -> tuple[list[str], list[str]]:
    """Texts and labels; most openers tell the label by words, the rarer adjectives by spelling alone."""
    rng = random.Random(7)
    stems = STEMS.split()
    texts, labels = [], []
    for number in range(num_texts):
        label = ("good", "bad")[number % 2]
        adjective = stems[number // 2 % len(stems)] + {"good": "ful", "bad": "less"}[label]
        opener = rng.choice(OPENERS[label if rng.random() < 0.9 else rng.choice(["good", "bad"])])
        texts.append(f"{opener} {rng.choice(FRAMES).format(rng.choice(THINGS), adjective)}")
        labels.append(label)
    return texts, labels


@pytest.fixture(scope="session")
def tiny_texts() -> tuple[list[str], list[str]]:
    """Sixty texts and their labels, `good` or `bad`."""
    return make_reviews()


@pytest.fixture(scope="session")
def tiny_folder(tiny_texts: tuple[list[str], list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained folder of the preset `tiny`, both branches in use; not to be changed."""
    from textlattice.presets import preset
    from textlattice.training.fit import fit
    from textlattice.training.save import save_trained

    config = preset("tiny").with_settings({"train.epochs": 10, "train.patience": 10, "train.threads": 1})
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_trained(fit(*tiny_texts, config), path, source={"name": "reviews"})
    return path


@pytest.fixture(scope="session")
def exported_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny folder as ONNX, which a process of its own loads in a second; not to be changed."""
    path = tmp_path_factory.mktemp("models") / "exported"
    # In a process of its own: the exporter traces with symbols, which the checks of shapes here do not know.
    program = "import sys; from textlattice.app.main import main; sys.exit(main())"
    words = [sys.executable, "-c", program, "export", str(tiny_folder), "-o", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def small_sets(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of data sets for the benchmarks, in a few rows."""
    from benchmark_scripts import write_sets

    return write_sets(tmp_path_factory.mktemp("data"))


@pytest.fixture
def cut_training(tiny_texts: tuple[list[str], list[str]], tmp_path: Path) -> Callable[..., tuple[Any, Any]]:
    """Trains with some settings: once whole, once cut after so many moves of the progress bar and gone on with."""
    from textlattice.progress import Progress
    from textlattice.training.checkpoint import Checkpoint, training_run
    from textlattice.training.fit import fit

    class Dying(Progress):
        left = 0

        def advance(self, *values: Any, **more: Any) -> None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    def train(config: Any, *, moves: int, **inputs: Any) -> tuple[Any, Any]:
        texts, labels = tiny_texts
        inputs["validation"] = (texts[:20], labels[:20])
        expected = fit(texts, labels, config, **inputs)
        run, dying = training_run(config, {"rows": [texts, labels]}, threads=1), Dying()
        dying.left = moves
        beginning = Checkpoint(tmp_path / "cut", run, minutes=0.0)
        with pytest.raises(KeyboardInterrupt):
            fit(texts, labels, config, checkpoint=beginning, progress=dying, **inputs)
        checkpoint = Checkpoint(tmp_path / "cut", run, minutes=0.0)
        checkpoint.resume()
        return expected, fit(texts, labels, config, checkpoint=checkpoint, **inputs)

    return train


TOPICS = {"sea": "waves salt harbour", "war": "cannon siege treaty", "art": "canvas opera sonnet"}
STARS = ("awful dull", "weak thin", "plain fair", "fine warm", "superb radiant")


def make_topics(num_texts: int, seed: int = 5) -> tuple[list[str], list[tuple[str, ...]]]:
    """Texts of any number of three topics, told by their words."""
    draw = np.random.default_rng(seed)
    texts, labels = [], []
    for number in range(num_texts):
        chosen = [name for name in sorted(TOPICS) if draw.random() < 0.4]
        words = [word for name in chosen for word in draw.choice(TOPICS[name].split(), 2)]
        texts.append(f"page {number} tells of {' '.join(draw.permutation(words))} and more")
        labels.append(tuple(chosen))
    return texts, labels


def make_stars(num_texts: int, seed: int = 6) -> tuple[list[str], list[str]]:
    """Texts of one to five stars; one of their two adjectives may be a star off."""
    draw = np.random.default_rng(seed)
    places = draw.integers(0, 5, num_texts)
    near = np.clip(places + draw.integers(-1, 2, num_texts), 0, 4)
    texts = [
        f"evening {number}: {draw.choice(STARS[place].split())} and {draw.choice(STARS[other].split())}"
        for number, (place, other) in enumerate(zip(places, near, strict=True))
    ]
    return texts, [str(place + 1) for place in places]


@pytest.fixture(scope="session")
def topics_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained folder of the preset `tiny` for texts of any number of topics; not to be changed."""
    return _folder_of(make_topics(90), "multi", tmp_path_factory)


@pytest.fixture(scope="session")
def stars_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained folder of the preset `tiny` for texts of one to five stars; not to be changed."""
    return _folder_of(make_stars(90), "ordinal", tmp_path_factory)


def _folder_of(rows: tuple[list[str], Any], kind: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from textlattice.presets import preset
    from textlattice.training.fit import fit
    from textlattice.training.save import save_trained

    config = preset("tiny").with_settings({"train.epochs": 6, "train.patience": 6, "train.threads": 1})
    path = tmp_path_factory.mktemp("models") / kind
    save_trained(fit(*rows, config, task=kind), path, source={"name": kind})
    return path


@pytest.fixture(scope="session")
def kindred() -> "Kindred":
    """Made-up words of two kinds that only a token table tells apart: those of the test are in no training text."""
    from textlattice.config import TextConfig
    from textlattice.runtime.token_table import token_table

    draw = np.random.default_rng(3)
    words = ["".join(draw.choice(list("abcdefghijklmnop"), 6)) for _ in range(240)]
    kind = np.arange(240) % 2
    vectors = 50 * (draw.normal(size=(2, 5))[kind] + 0.3 * draw.normal(size=(240, 5)))
    texts = [f"the {words[place]} was {words[place + 2]}" for place in range(0, 240, 4)]
    texts += [f"the {words[place]} was {words[place + 2]}" for place in range(1, 240, 4)]
    labels = ["even"] * 60 + ["odd"] * 60
    return Kindred(
        table=token_table(words, vectors, TextConfig()),
        texts=texts[::2],
        labels=labels[::2],
        test_texts=texts[1::2],
        test_labels=labels[1::2],
    )


@pytest.fixture(scope="session")
def injected_folder(kindred: "Kindred", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained folder of the preset `tiny` with a token table; not to be changed."""
    from textlattice.presets import preset
    from textlattice.training.fit import fit
    from textlattice.training.save import save_trained

    config = preset("tiny").with_settings({"train.epochs": 8, "train.patience": 8, "train.threads": 1})
    path = tmp_path_factory.mktemp("models") / "injected"
    trained = fit(kindred.texts, kindred.labels, config, token_table=kindred.table)
    save_trained(trained, path, source={"name": "kindred"})
    return path


@dataclass(frozen=True, kw_only=True)
class Kindred:
    """Rows to train on and to test with, and a table of the words of both."""

    table: "TokenTable"
    texts: list[str]
    labels: list[str]
    test_texts: list[str]
    test_labels: list[str]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `textlattice` with these words in this process; `stdin` are bytes."""

    def run(*words: object, stdin: bytes = b"") -> Ran:
        from textlattice.app.main import main

        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code=code, out=captured.out, err=captured.err)

    return run
