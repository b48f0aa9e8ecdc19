"""The command `textlattice`: its verbs, and errors as one plain line.

Exit codes: 0 done, 1 failed, 2 wrong usage, 128 + n ended by signal n. `TEXTLATTICE_DEBUG=1` shows where an error came
from.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

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
from textlattice.app.stopping import Stopped, stoppable
from textlattice.app.streams import Streams, safe_streams
from textlattice.app.terminal import one_line, printable
from textlattice.errors import TextlatticeError

_INTERRUPTED = 130  # how typer marks Ctrl-C
_UsageError: Any = typer.BadParameter.__mro__[1]  # typer gives its base no public name

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
    with safe_streams() as streams:
        code = _answered(arguments, streams)
        streams.flush()
    return code


def _answered(arguments: Sequence[str] | None, streams: Streams) -> int:
    """The exit code, after what went wrong has been said."""
    try:
        with stoppable():
            code = _run(arguments)
            if code != _INTERRUPTED:
                sys.stdout.flush()
    except Stopped as stop:
        streams.discard()
        return _fail(f"stopped by {stop.name}.", stop.exit_code)
    except KeyboardInterrupt:
        code = _INTERRUPTED
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
    if code == _INTERRUPTED:
        streams.discard()
        return _fail("interrupted.")
    return code


def _run(arguments: Sequence[str] | None) -> int:
    words = None if arguments is None else list(arguments)
    try:
        code = app(args=words, prog_name="textlattice", standalone_mode=False)
    except _UsageError as error:
        error.message = "\n".join(
            map(printable, error.message.split("\n"))
        )  # it repeats words of the command line
        error.show()
        return int(error.exit_code)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int = 1) -> int:
    if os.environ.get("TEXTLATTICE_DEBUG") == "1":
        traceback.print_exc()
    sys.stderr.write(f"textlattice: {one_line(message)}\n")
    return code
