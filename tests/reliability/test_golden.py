"""A folder of each released format: it loads and answers as it did on the day it was written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from textlattice import load
from textlattice.artefact.manifest import FORMAT_VERSION

GOLDEN = Path(__file__).parent.parent / "golden"
FOLDERS = sorted(path for path in GOLDEN.iterdir() if path.is_dir())


def test_every_format_up_to_this_one_has_a_folder():
    names = [f"tiny-format-{number}" for number in range(1, FORMAT_VERSION + 1)]
    assert [path.name for path in FOLDERS] == sorted(names)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_it_answers_as_on_the_day_it_was_written(folder, tmp_path):
    expected = json.loads(folder.with_suffix(".json").read_text(encoding="utf-8"))
    copy = tmp_path / "model"  # whatever loading may repair, the kept folder stays as it is
    shutil.copytree(folder, copy)
    predictor = load(copy)
    assert list(predictor.task.labels) == expected["labels"]
    texts = [answer["text"] for answer in expected["answers"]]
    wanted = np.array([answer["probabilities"] for answer in expected["answers"]])
    assert wanted.std(axis=0).min() > 0.1  # or the test would pass for any folder
    np.testing.assert_allclose(predictor.probabilities(texts), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_it_is_small(folder):
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 500_000
