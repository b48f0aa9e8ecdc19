"""Writes `docs/cli.md` from the commands themselves; `--check` says whether it is up to date instead."""

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from generated import write_or_check
from textlattice.app.main import app

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = """# Commands

<!-- Written by scripts/cli_docs.py from the commands; change them there and run `make docs`. -->

Results go to standard output, progress and warnings to standard error. Exit status: 0 done, 1 failed (one
line says what was expected, what came and what to do), 2 wrong usage.

A `SOURCE` is one of

- a path ending in `.csv`, `.tsv`, `.jsonl`, `.parquet`, or `.txt` in fastText format (`__label__a text`, several
  labels for a list of them), with `.gz` behind it for the text formats;
- `-` for JSON lines on standard input;
- `hf:owner/name`, a dataset of the Hugging Face hub or of its local cache, with `@revision` and `:split` behind it
  where the newest `train` is not what you want; `hf:./folder` for one on disk;
- `builtin:docstrings` (with `:train` or `:test` for its two parts).

Columns are called `text` and `label` unless options say otherwise. What becomes of a row or a file that is broken
stands in [reliability](reliability.md).
"""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """An argument or option of a command, as it is declared."""

    name: str
    info: Any  # typer's ArgumentInfo or OptionInfo
    type: Any
    default: Any

    @property
    def is_argument(self) -> bool:
        """Whether it is given by place."""
        return isinstance(self.info, typer.models.ArgumentInfo)

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is inspect.Parameter.empty

    @property
    def metavar(self) -> str:
        """What stands for its value; the choices of an enumeration, nothing for a flag."""
        if self.info.metavar:
            return str(self.info.metavar).strip("[]")
        if self.type is bool:
            return ""
        if inspect.isclass(self.type) and issubclass(self.type, Enum):
            return "|".join(str(member.value) for member in self.type)
        return self.name.upper()

    @property
    def spellings(self) -> list[str]:
        """Names of an option, long ones and short ones."""
        # In `Annotated`, typer keeps the first name where the default stood in older declarations.
        declared = [self.info.default, *(self.info.param_decls or ())]
        names = [name for name in declared if isinstance(name, str)]
        return "/".join(names or [f"--{self.name.replace('_', '-')}"]).split("/")


def page(application: typer.Typer = app) -> str:
    """The page, in Markdown: one section a command, in the order of `--help`."""
    parts = [HEAD]
    for command in application.registered_commands:
        if not command.hidden:
            assert command.callback is not None
            name = command.name or command.callback.__name__.replace("_", "-")
            parts.append(_section(name, command.callback))
    return "\n".join(parts)


def parameters(callback: Callable[..., Any]) -> list[Parameter]:
    """What a command takes, in the order of its declaration."""
    hints = get_type_hints(callback, include_extras=True)
    found = []
    for name, declared in inspect.signature(callback).parameters.items():
        kind, info = get_args(hints[name])
        found.append(Parameter(name=name, info=info, type=kind, default=declared.default))
    return [item for item in found if not item.info.hidden]


def _section(name: str, callback: Callable[..., Any]) -> str:
    items = parameters(callback)
    arguments = [item for item in items if item.is_argument]
    options = [item for item in items if not item.is_argument]
    usage = ["textlattice", name]
    usage += [item.metavar if item.is_required else f"[{item.metavar}]" for item in arguments]
    usage += [f"{item.spellings[-1]} {item.metavar}" for item in options if item.is_required]
    usage += ["[OPTIONS]"] if any(not item.is_required for item in options) else []
    lines = [f"## {name}", "", "```text", " ".join(usage), "```", "", _prose(inspect.getdoc(callback)), ""]
    rows = [f"| {_spelling(item)} | {_meaning(item)} |" for item in [*arguments, *options]]
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _spelling(item: Parameter) -> str:
    value = f"`{_bar(item.metavar)}`" if item.metavar else ""
    names = "" if item.is_argument else ", ".join(f"`{name}`" for name in item.spellings)
    return f"{names} {value}".strip()


def _bar(text: str) -> str:
    """A text inside a table."""
    return text.replace("|", r"\|")


def _meaning(item: Parameter) -> str:
    text = _bar(" ".join((item.info.help or "").split()))
    if item.is_required and not item.is_argument:
        return f"{text} Required."
    if item.is_required or item.default is None or isinstance(item.default, bool):
        return text
    return f"{text} Default: `{getattr(item.default, 'value', item.default)}`."


def _prose(text: str | None) -> str:
    """Help text as Markdown: wrapped lines joined, paragraphs kept; after a `\\b` mark an example."""
    parts = [part.strip("\n ") for part in re.split(r"\n\s*\n", (text or "").strip())]
    return "\n\n".join(
        _example(part[1:]) if part.startswith("\b") else " ".join(part.split()) for part in parts
    )


def _example(part: str) -> str:
    """A heading and lines as they stand."""
    heading, _, lines = part.strip("\n").partition("\n")
    return f"{heading.strip()}\n\n```console\n{inspect.cleandoc(lines)}\n```"


def main() -> int:
    """Writes the page, or checks it; the exit status."""
    return write_or_check(PAGE, page(), "docs/cli.md differs from the commands; run: make docs")


if __name__ == "__main__":
    sys.exit(main())
