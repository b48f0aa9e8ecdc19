import importlib.util
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from textlattice.app.main import app

ROOT = Path(__file__).parent.parent


class Colour(StrEnum):
    WHITE = "white"
    RED = "red"


@pytest.fixture(scope="module")
def cli_docs():
    spec = importlib.util.spec_from_file_location("cli_docs", ROOT / "scripts" / "cli_docs.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["cli_docs"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules["cli_docs"]


def test_page_is_up_to_date(cli_docs):
    assert cli_docs.PAGE.read_text(encoding="utf-8") == cli_docs.page(), "run: make docs"


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda command: command.name)
def test_every_command_argument_and_option_has_help(command, cli_docs):
    assert command.callback.__doc__.strip()
    without = [item.name for item in cli_docs.parameters(command.callback) if not item.info.help]
    assert not without


@pytest.mark.parametrize("command", app.registered_commands, ids=lambda command: command.name)
def test_help_and_page_name_the_same_options(command, cli_docs):
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [command.name, "--help"])
    assert shown.exit_code == 0
    options = [
        name
        for item in cli_docs.parameters(command.callback)
        if not item.is_argument
        for name in item.spellings
    ]
    assert [name for name in options if name not in shown.stdout] == []


def test_page_of_a_small_application(cli_docs):
    small = typer.Typer()

    @small.command()
    def paint(
        wall: Annotated[str, typer.Argument(help="Which wall.")],
        colour: Annotated[Colour, typer.Option("--colour", "-c", help="Of the paint.")] = Colour.WHITE,
        coats: Annotated[list[int] | None, typer.Option(metavar="N", help="Thickness of each.")] = None,
        dry: Annotated[bool, typer.Option("--dry", help="Wait | look.")] = False,
    ) -> None:
        """Paints a wall.

        Twice, if it must
        be.

        \b
        Example:
          paint east
          paint west
        """

    @small.command(hidden=True)
    def secret() -> None:
        """Not shown."""

    _, section = cli_docs.page(small).split("## ", 1)
    assert section == (
        "paint\n\n```text\ntextlattice paint WALL [OPTIONS]\n```\n\n"
        "Paints a wall.\n\nTwice, if it must be.\n\nExample:\n\n```console\npaint east\npaint west\n```\n\n"
        "| argument or option | meaning |\n|---|---|\n"
        "| `WALL` | Which wall. |\n"
        "| `--colour`, `-c` `white\\|red` | Of the paint. Default: `white`. |\n"
        "| `--coats` `N` | Thickness of each. |\n"
        "| `--dry` | Wait \\| look. |\n"
    )


def test_check_names_what_to_do(cli_docs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli_docs, "PAGE", tmp_path / "cli.md")
    monkeypatch.setattr("sys.argv", ["cli_docs.py", "--check"])
    assert cli_docs.main() == 1
    assert capsys.readouterr().err == "docs/cli.md differs from the commands; run: make docs\n"
    monkeypatch.setattr("sys.argv", ["cli_docs.py"])
    assert cli_docs.main() == 0
    monkeypatch.setattr("sys.argv", ["cli_docs.py", "--check"])
    assert cli_docs.main() == 0
