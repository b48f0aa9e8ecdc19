"""The light half stays light; `test_docs.py` holds the imports against the arrows of `docs/architecture.md`."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "textlattice"

HEAVY = {"torch", "sklearn", "scipy", "pandas", "pyarrow", "onnx", "onnxscript"}
TRAIN_HALF = {"nn", "encoders", "models", "training", "baselines", "export", "stress"}
TRAIN_HALF_FILES = {
    *("app/encoders.py", "app/estimator.py", "app/estimator_targets.py"),
    *("explain/edges.py", "explain/scales.py"),
}
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
def test_light_files_import_nothing_heavy(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    heavy = {name.split(".")[0] for name in imports(at_module_level(tree))} & HEAVY
    if part(file) not in TRAIN_HALF and file not in TRAIN_HALF_FILES:
        assert not heavy, f"{file} imports {sorted(heavy)} at module level"


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


# Nothing in the package can run code that a file brings.

UNSAFE_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {"torch.load", "np.load", "eval", "exec", "os.system", "yaml.load"}


@pytest.mark.parametrize("file", FILES)
def test_no_module_reads_pickles_or_runs_text(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert not {name.split(".")[0] for name in imports(ast.walk(tree))} & UNSAFE_MODULES
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & UNSAFE_CALLS
