"""Writes `docs/messages.md`, every error that textlattice raises on purpose; `--check` says whether it is up to date.

The messages are read from the source: an f-string keeps its places in braces. Where a message is put together
elsewhere, its parts are listed.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generated import write_or_check
from textlattice import errors

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "textlattice"
PAGE = ROOT / "docs" / "messages.md"
ERRORS = {name for name in vars(errors) if name.endswith("Error")}
HEAD = """# Messages

<!-- Written by scripts/messages.py from the source; change the messages there and run `make docs`. -->

Every error that textlattice raises on purpose. A message says what is wrong, what was expected, what came and, where
it is not plain, what to do. `{{…}}` stands for what is filled in. On the command line a message is one line on
standard error behind `textlattice:`, and the exit status is 1; in Python it is the text of the exception. Rows that
cannot be used raise nothing: see the faults of [reliability](reliability.md). {count} messages.
"""
PARTS = {
    "config": "Settings",
    "presets.py": "Presets",
    "data": "Sources and tables",
    "text": "Texts",
    "graph": "Graphs",
    "batch": "Batches",
    "artefact": "Model folders: files",
    "runtime": "Model folders: contents, and prediction",
    "task.py": "Tasks",
    "evaluation": "Evaluation",
    "encoders": "Encoders",
    "models": "Models",
    "training": "Training",
    "tables": "Token tables",
    "baselines": "Baselines and comparison",
    "stress": "Noise",
    "explain": "Explanation",
    "export": "Export",
    "app": "Commands and estimator",
}
"""Headings by package or module, in the order of the page."""
Helpers = dict[str, tuple[str, int]]
"""Of a function that raises with a message it is given: the error, and the place of the message."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One place that raises.

    Args:
        module: Path below `src/textlattice`.
        error: Name of the error.
        text: What it says.
    """

    module: str
    error: str
    text: str


def messages(source: Path = SOURCE) -> list[Message]:
    """All messages, module by module in the order of the lines."""
    trees = {
        path.relative_to(source).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(source.rglob("*.py"))
    }
    helpers = {module: _helpers(tree) for module, tree in trees.items()}
    return [
        Message(module=module, error=error, text=text)
        for module, tree in trees.items()
        for error, text in _raised(tree, helpers[module] | _imported(tree, helpers))
    ]


def _imported(tree: ast.Module, helpers: dict[str, Helpers]) -> Helpers:
    """Those functions of other modules that a module imports."""
    return {
        alias.name: own[alias.name]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for own in [helpers.get(node.module.removeprefix("textlattice.").replace(".", "/") + ".py", {})]
        for alias in node.names
        if alias.name in own
    }


def _raised(tree: ast.Module, helpers: Helpers) -> Iterator[tuple[str, str]]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if not isinstance(node.func, ast.Name | ast.Attribute):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if name == "MissingExtraError" and len(node.args) == 2:
            yield (
                name,
                f"{_text(node.args[0])} needs the extra [{_text(node.args[1])}]; install it with: pip install …",
            )
        elif name in ERRORS and node.args:
            yield name, _text(node.args[0])
        elif name in helpers and len(node.args) > helpers[name][1]:
            yield helpers[name][0], _text(node.args[helpers[name][1]])


def _helpers(tree: ast.Module) -> Helpers:
    """Functions of a module that raise with a message they are given."""
    found = {}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        arguments = [argument.arg for argument in function.args.args if argument.arg != "self"]
        for node in ast.walk(function):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and len(node.exc.args) == 1:
                name, given = getattr(node.exc.func, "id", ""), node.exc.args[0]
                if name in ERRORS and isinstance(given, ast.Name) and given.id in arguments:
                    found[function.name] = (name, arguments.index(given.id))
    return found


def _text(node: ast.expr) -> str:
    """What an expression says, places in braces."""
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(_text(part) for part in node.values)
        case ast.FormattedValue():
            return "{" + _text(node.value).strip("{}") + "}" if _is_plain(node.value) else "{…}"
        case ast.BinOp(op=ast.Add()):
            return _text(node.left) + _text(node.right)
        case ast.IfExp():
            return f"{_text(node.body)} / {_text(node.orelse)}"
        case _ if _is_plain(node):
            return "{" + ast.unparse(node) + "}"
        case _:
            return "{…}"


def _is_plain(node: ast.expr) -> bool:
    return re.fullmatch(r"(self\.)?\w+(\.\w+)*", ast.unparse(node)) is not None


def page(found: list[Message]) -> str:
    """The page: a table for each part of the package."""
    found = [message for message in found if re.search(r"[a-z]{3}", re.sub(r"{.*?}", "", message.text))]
    parts = [HEAD.format(count=len(found))]
    rest = {message.module.split("/")[0] for message in found} - set(PARTS)
    for part, heading in {**PARTS, **{name: name for name in sorted(rest)}}.items():
        own = [message for message in found if message.module.split("/")[0] == part]
        if own:
            rows = [f"| {m.error} | {_cell(m.text)} | `{m.module}` |" for m in dict.fromkeys(own)]
            parts.append(
                f"## {heading}\n\n| error | message | raised in |\n|---|---|---|\n" + "\n".join(rows) + "\n"
            )
    return "\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main() -> int:
    """Writes the page, or with `--check` compares it."""
    differs = f"{PAGE.relative_to(ROOT)} is not what the source says; run: make docs"
    return write_or_check(PAGE, page(messages()), differs)


if __name__ == "__main__":
    sys.exit(main())
