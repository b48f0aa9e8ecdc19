"""Imports go one way. The arrows of `docs/architecture.md`, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "textlattice"

BASE = {"errors", "config", "task", "hashing"}
MAY_IMPORT = {
    "errors": set(),
    "config": {"errors"},
    "task": {"errors", "config"},
    "hashing": set(),
    "text": BASE,
    "graph": BASE,
    "data": BASE,
    "artefact": BASE,
    "batch": BASE | {"text", "graph"},
    "runtime": BASE | {"text", "artefact", "batch"},
    "nn": {"errors"},
    "models": BASE | {"text", "artefact", "batch", "nn", "runtime"},
    "evaluation": BASE | {"text"},
    "training": BASE | {"text", "data", "batch", "runtime", "models", "evaluation"},
    "explain": BASE | {"text", "batch", "runtime", "models", "nn"},
    "export": BASE | {"text", "artefact", "batch", "runtime", "models"},
    "baselines": BASE | {"text", "data", "runtime", "models", "evaluation", "training"},
}
"""What each part may import of ours, inside functions too; `app` may import all."""

HEAVY = {"torch", "sklearn", "scipy", "pandas", "pyarrow", "onnx", "onnxscript"}
TRAIN_HALF = {"nn", "models", "training", "baselines", "export"}
TRAIN_HALF_FILES = {"app/estimator.py", "explain/edges.py"}
"""What may import heavy libraries at module level; everything else imports them inside functions, or not at all."""

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def part(file: str) -> str:
    """The first folder, or the module's name."""
    return file.split("/")[0].removesuffix(".py")


def imports(nodes: list[ast.stmt] | Iterator[ast.AST]) -> Iterator[str]:
    """Dotted names that are imported; `from textlattice import x` gives `textlattice.x`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "textlattice":
                yield from (f"textlattice.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def at_module_level(tree: ast.Module) -> Iterator[ast.AST]:
    """Statements that run on import; those behind `if TYPE_CHECKING` do not."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            todo.extend(node.orelse)
            continue
        yield node
        todo.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("file", FILES)
def test_arrows(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names = [name.split(".") for name in imports(ast.walk(tree)) if name.split(".")[0] == "textlattice"]
    ours = {name[1] for name in names if len(name) > 1} - {part(file)}
    if part(file) not in ("app", "__init__"):
        assert ours <= MAY_IMPORT[part(file)], (
            f"{file} must not import {sorted(ours - MAY_IMPORT[part(file)])}"
        )


@pytest.mark.parametrize("file", FILES)
def test_light_files_import_nothing_heavy(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    heavy = {name.split(".")[0] for name in imports(at_module_level(tree))} & HEAVY
    if part(file) not in TRAIN_HALF and file not in TRAIN_HALF_FILES:
        assert not heavy, f"{file} imports {sorted(heavy)} at module level"


def test_text_graph_and_nn_do_not_know_one_another():
    for name, others in (("text", {"graph", "nn"}), ("graph", {"text", "nn"}), ("nn", {"text", "graph"})):
        assert not MAY_IMPORT[name] & others


def test_the_light_half_loads_nothing_heavy():
    """Every light module and command, imported for good in a fresh process."""
    light = [
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for file in FILES
        if part(file) not in TRAIN_HALF | {"__init__"} and file not in TRAIN_HALF_FILES
    ]
    code = "\n".join(
        [
            "import sys",
            *(f"import textlattice.{name}" for name in light),
            f"print(*sorted(sys.modules.keys() & {sorted(HEAVY)!r}))",
        ]
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []


def test_nothing_below_app_prints_or_unpickles():
    for file in FILES:
        if part(file) == "app":
            continue
        nodes = list(ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))))
        called = {
            node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"print", "hash", "eval", "exec", "input"}, file
        assert not {"pickle", "random"} & {name.split(".")[0] for name in imports(iter(nodes))}, file
