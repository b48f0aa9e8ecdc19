"""The light half, run by an environment that has neither PyTorch nor scikit-learn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-light" / "bin" / "python"
HEAVY = ("torch", "sklearn", "scipy", "pandas", "pyarrow", "onnx")
LIGHT_PACKAGES = ("text", "graph", "batch", "data", "artefact", "runtime")
LIGHT_MODULES = [
    "textlattice",
    "textlattice.config",
    "textlattice.task",
    "textlattice.app.main",
    "textlattice.app.loading",
    "textlattice.explain.occlusion",
    *(
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        for package in LIGHT_PACKAGES
        for path in sorted((ROOT / "src" / "textlattice" / package).glob("*.py"))
    ),
]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="there is no .venv-light; run: make setup")


def run(*arguments: str, python: Path = PYTHON, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(python), *arguments], env=ENVIRONMENT, capture_output=True, text=True, cwd=ROOT / "tests"
    )
    assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


def textlattice(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    return run(str(PYTHON.with_name("textlattice")), *arguments, status=status)


@pytest.fixture(scope="module")
def exported(tiny_folder, tmp_path_factory):
    # In a process of its own: the shape checks of the test run stand in the way of the exporter.
    folder = tmp_path_factory.mktemp("light") / "exported"
    program = (
        "import sys; from pathlib import Path; from textlattice.export.onnx import export_folder; "
        "export_folder(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    run("-c", program, str(tiny_folder), str(folder), python=Path(sys.executable))
    return folder


def test_nothing_heavy_is_installed():
    program = f"import importlib.util as u; print([name for name in {HEAVY} if u.find_spec(name)])"
    assert run("-c", program).stdout.strip() == "[]"


def test_every_light_module_can_be_imported():
    program = f"import importlib\nfor name in {LIGHT_MODULES!r}: importlib.import_module(name)"
    run("-W", "error", "-c", program)


def test_help_names_the_commands():
    text = textlattice("--help").stdout
    assert all(name in text for name in ("train", "evaluate", "predict", "explain", "graph", "info"))


def test_graph():
    figures = json.loads(textlattice("graph", "--tokens", "60", "--json").stdout)
    assert 0 < figures["density"] < 1


def test_info_of_a_preset():
    figures = json.loads(textlattice("info", "--preset", "base", "--num-classes", "2", "--json").stdout)
    assert figures["parameters"] > 1_000_000


def test_training_names_the_extra(tmp_path):
    table = tmp_path / "rows.jsonl"
    table.write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n')
    done = textlattice("train", str(table), "-o", str(tmp_path / "model"), status=1)
    assert "needs the extra [train]; install it with: pip install 'textlattice[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_trained_folder_names_the_extra(tiny_folder, tmp_path):
    table = tmp_path / "rows.jsonl"
    table.write_text('{"text": "a"}\n')
    done = textlattice("predict", str(tiny_folder), str(table), status=1)
    assert "needs the extra [train]" in done.stderr


def test_an_exported_folder_predicts_as_the_trained_one(exported, tiny_folder, tiny_texts, tmp_path):
    from textlattice import load

    texts = [*tiny_texts[0][:8], "", "映画 🎬 was joyful"]
    table = tmp_path / "rows.jsonl"
    table.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    lines = textlattice("predict", str(exported), str(table)).stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    trained = load(tiny_folder)
    assert [answer["label"] for answer in answers] == trained.predict(texts)
    light = [[answer["probabilities"][name] for name in trained.task.labels] for answer in answers]
    np.testing.assert_allclose(light, trained.probabilities(texts), atol=1e-5)


def test_an_exported_folder_explains(exported, tmp_path):
    page = tmp_path / "why.html"
    textlattice("explain", str(exported), "--text", "we stayed: the film was joyful", "--html", str(page))
    assert "joyful" in page.read_text(encoding="utf-8")
