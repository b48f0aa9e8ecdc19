import importlib.util
from pathlib import Path
from typing import Any

import pytest
import typer

from textlattice.app.main import app

ROOT = Path(__file__).parent.parent
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands
PARAMETERS = [(name, item) for name, command in COMMANDS.items() for item in command.params]


@pytest.fixture(scope="module")
def cli_docs():
    spec = importlib.util.spec_from_file_location("cli_docs", ROOT / "scripts" / "cli_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_up_to_date(cli_docs):
    assert cli_docs.PAGE.read_text(encoding="utf-8") == cli_docs.page(), "run: make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    assert COMMANDS[name].help.strip()


@pytest.mark.parametrize(
    ("name", "item"), PARAMETERS, ids=[f"{name} {item.name}" for name, item in PARAMETERS]
)
def test_every_argument_and_option_has_help(name, item):
    assert item.help


def test_page_of_a_small_application(cli_docs):
    small = typer.Typer()

    @small.command()
    def paint(
        wall: str = typer.Argument(help="Which wall."),
        colour: str = typer.Option("white", "--colour", "-c", help="Of the paint."),
        coats: list[int] = typer.Option([], help="Thickness of each."),  # noqa: B008
        dry: bool = typer.Option(False, "--dry", help="Wait | look."),
    ) -> None:
        """Paints a wall.

        Twice, if it must
        be.
        """

    @small.command(hidden=True)
    def secret() -> None:
        """Not shown."""

    _, section = cli_docs.page(small).split("## ", 1)
    assert section == (
        "paint\n\n```console\ntextlattice paint WALL [OPTIONS]\n```\n\n"
        "Paints a wall.\n\nTwice, if it must be.\n\n"
        "| argument or option | meaning |\n|---|---|\n"
        "| `WALL` | Which wall. |\n"
        "| `--colour`, `-c` `TEXT` | Of the paint. Default: `white`. |\n"
        "| `--coats` `INTEGER` | Thickness of each. May be given more than once. |\n"
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
