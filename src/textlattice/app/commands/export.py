"""`textlattice export`: a trained folder as an ONNX folder that needs no PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from textlattice.app.commands.options import Json
from textlattice.app.terminal import print_json, say


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Model folder that was trained.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR2", help="Folder to write.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Write a trained model as ONNX, which needs no PyTorch.

    The new folder gives the same answers through predict, evaluate, explain and info. Models of the presets base and
    tiny are exported; those of paper and of the pyramids need PyTorch.

    \b
    Example:
      textlattice export model -o model-onnx
      textlattice predict model-onnx texts.csv -o answers.csv
    """
    from textlattice.export.onnx import export_folder

    export_folder(folder, output)
    if json:
        print_json({"folder": str(output)})
    else:
        say(f"written to {output}")
