"""The scripts of the benchmarks as modules, and small data sets in the folder form of the real ones."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))  # scripts, no package
tests_of_that_name = sys.modules.pop("reliability", None)
NAMES = (
    "ablation accuracy graph_study neural pictures plot pyramid_study records reliability reproduction run sets speed "
    "stress_study vectors"
)
(
    ablation,
    accuracy,
    graph_study,
    neural,
    pictures,
    plot,
    pyramid_study,
    records,
    reliability,
    reproduction,
    run,
    sets,
    speed,
    stress_study,
    vectors,
) = (import_module(name) for name in NAMES.split())
sys.path.pop(0)
del sys.modules["reliability"]
if tests_of_that_name is not None:
    sys.modules["reliability"] = tests_of_that_name

WORDS = {"good": ["fine", "great", "lovely"], "bad": ["awful", "poor", "dull"]}


def rows(num_rows, seed):
    generator = np.random.default_rng(seed)
    labels = [str(label) for label in generator.choice(list(WORDS), num_rows)]
    filler = ["the", "film", "was", "seen", "by", "us"]
    return [
        " ".join([*generator.choice(filler, 4), generator.choice(WORDS[label])]) for label in labels
    ], labels


def write_sets(folder):
    """IMDB and RT-2K in a few rows."""
    for name, part, num_rows, seed in [
        ("imdb", "train", 60, 0), ("imdb", "test", 20, 1), ("rt2k", "train", 18, 2), ("rt2k", "test", 2, 3),
    ]:  # fmt: skip
        texts, labels = rows(num_rows, seed)
        columns = {"text": texts, "label_name": labels, "label": [int(label == "good") for label in labels]}
        if name == "rt2k":
            columns["fold"] = [row % 10 for row in range(num_rows)]
        (folder / name).mkdir(exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / name / f"{part}.parquet")
    return str(folder)
