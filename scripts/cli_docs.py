"""Writes `docs/cli.md` from the commands themselves; `--check` says whether it is up to date instead."""

import re
import sys
from pathlib import Path
from typing import Any

import typer

from textlattice.app.main import app

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = """# Commands

<!-- Written by scripts/cli_docs.py from the commands; change them there and run `make docs`. -->

Results go to standard output, progress and warnings to standard error. Exit status: 0 done, 1 failed (one
line says what was expected, what came and what to do), 2 wrong usage.

A `SOURCE` is a path ending in `.csv`, `.tsv`, `.jsonl` or `.parquet`, `-` for JSON lines on standard input,
or `builtin:docstrings` (with `:train` or `:test` for its two parts). Columns are called `text` and `label`
unless options say otherwise.
"""


def page(application: typer.Typer = app) -> str:
    """The page, in Markdown: one section a command."""
    group: Any = typer.main.get_command(application)
    parts = [HEAD]
    for name, command in sorted(group.commands.items()):
        if not command.hidden:
            parts.append(_section(name, command))
    return "\n".join(parts)


def _section(name: str, command: Any) -> str:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option"]
    usage = " ".join(
        [
            "textlattice",
            name,
            *(_argument_usage(item) for item in arguments),
            *(f"{min(item.opts)} {_metavar(item)}" for item in options if item.required),
            *(["[OPTIONS]"] if any(not item.required for item in options) else []),
        ]
    )
    lines = [f"## {name}", "", "```console", usage, "```", "", _prose(command.help), ""]
    rows = [f"| `{_metavar(item)}` | {_cell(item)} |" for item in arguments]
    rows += [f"| {_spelling(item)} | {_cell(item)} |" for item in options]
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _argument_usage(item: Any) -> str:
    return _metavar(item) if item.required else f"[{_metavar(item)}]"


def _metavar(item: Any) -> str:
    if item.metavar:
        return str(item.metavar)
    choices = getattr(item.type, "choices", None)
    if choices:
        return "|".join(str(getattr(choice, "value", choice)) for choice in choices)
    return str(item.name).upper() if item.param_type_name == "argument" else str(item.type.name).upper()


def _spelling(item: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*item.opts, *item.secondary_opts])
    return names if item.is_flag else f"{names} `{_metavar(item)}`".replace("|", r"\|")


def _cell(item: Any) -> str:
    text = _prose(getattr(item, "help", None)).replace("\n", " ").replace("|", r"\|")
    default = item.default
    if getattr(item, "required", False):
        text += " Required." if item.param_type_name == "option" else ""
    elif not (default is None or default is False or callable(default) or default in ((), [], "")):
        text += f" Default: `{getattr(default, 'value', default)}`."
    if item.multiple:
        text += " May be given more than once."
    return text.strip()


def _prose(text: str | None) -> str:
    """Help text as Markdown: wrapped lines joined, paragraphs kept."""
    plain = re.sub(r"\[/?(?:bold|dim|green|red|yellow|cyan)\]", "", text or "").replace("\b\n", "")
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", plain.strip()))


def main() -> int:
    """Writes the page, or checks it; the exit status."""
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            print("docs/cli.md differs from the commands; run: make docs", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
