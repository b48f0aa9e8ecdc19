"""A folder to a Predictor; the only place that chooses an engine."""

from os import PathLike
from pathlib import Path

from textlattice.errors import MissingExtraError
from textlattice.runtime.engine import Engine
from textlattice.runtime.model_folder import read_model_folder
from textlattice.runtime.predictor import Predictor


def load(path: str | PathLike[str]) -> Predictor:
    """A predictor from a model folder, trained or exported.

    Raises:
        ArtefactError: The folder is missing, damaged or from a newer version.
        MissingExtraError: It was trained, not exported, and PyTorch is not installed.
    """
    saved = read_model_folder(Path(path))
    engine: Engine
    if saved.engine == "onnx":
        from textlattice.runtime.onnx_engine import OnnxEngine

        engine = OnnxEngine(saved.folder.files)
    else:
        try:
            from textlattice.models.torch_engine import TorchEngine, load_model
        except ImportError as error:
            raise MissingExtraError(f"the trained folder {path} (or export it first)", "train") from error
        engine = TorchEngine(
            load_model(saved.folder.files, saved.config, saved.task.num_outputs, saved.vocabulary)
        )
    return Predictor(engine=engine, collator=saved.collator, task=saved.task, config=saved.config)
