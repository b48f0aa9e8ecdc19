"""The command `textlattice`: its verbs, and errors as one plain line.

Exit codes: 0 done, 1 failed, 2 wrong usage. `TEXTLATTICE_DEBUG=1` shows where an error came from.
"""

import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

import textlattice
from textlattice.app.commands import (
    compare,
    evaluate,
    explain,
    export,
    graph,
    info,
    predict,
    stress,
    token_table,
    train,
)
from textlattice.app.terminal import one_line
from textlattice.errors import TextlatticeError

_INTERRUPTED = 130  # how typer marks Ctrl-C

app = typer.Typer(
    name="textlattice",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
VERBS: dict[str, Callable[..., None]] = {
    "train": train.train,
    "evaluate": evaluate.evaluate,
    "predict": predict.predict,
    "explain": explain.explain,
    "compare": compare.compare,
    "stress": stress.stress,
    "info": info.info,
    "export": export.export,
    "graph": graph.graph,
    "token-table": token_table.token_table,
}
for _verb, _command in VERBS.items():
    app.command(_verb)(_command)


def _print_version(wanted: bool) -> bool:
    if wanted:
        sys.stdout.write(f"textlattice {textlattice.__version__}\n")
        raise typer.Exit
    return wanted


@app.callback()
def _textlattice(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Train, explain and run small text classifiers that read every character, on a plain CPU.

    \b
    A first round, on texts that every machine has:
      textlattice train builtin:docstrings:train -o model --preset tiny
      textlattice evaluate model builtin:docstrings:test
      echo '{"text": "Open a file and return a stream."}' | textlattice predict model -
      textlattice explain model --text "Open a file and return a stream."

    Your own table needs a column "text" and a column "label"; other names by --text and --label.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; every error is one line on stderr.

    Args:
        arguments: Words after the program name; None takes those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a lone surrogate must not end a command
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer has no reader; Python would complain of it once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail("the reader of the output went away.")
    except KeyboardInterrupt:
        return _fail("interrupted.")
    except TextlatticeError as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("out of memory; use fewer or shorter texts, or a machine with more.")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}; check the path, its permissions and free space.")
    except Exception as error:
        return _fail(
            f"unexpected {type(error).__name__}: {error}; please report it with what "
            "TEXTLATTICE_DEBUG=1 shows."
        )
    return _fail("interrupted.") if code == _INTERRUPTED else code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(args=None if arguments is None else list(arguments), prog_name="textlattice")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _fail(message: str) -> int:
    if os.environ.get("TEXTLATTICE_DEBUG") == "1":
        traceback.print_exc()
    sys.stderr.write(f"textlattice: {one_line(message)}\n")
    return 1
