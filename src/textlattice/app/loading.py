"""A folder to a Predictor; the only place that chooses an engine."""

from os import PathLike
from pathlib import Path

from textlattice.batch.collate import Collator
from textlattice.errors import ArtefactError, MissingExtraError
from textlattice.runtime.engine import Engine
from textlattice.runtime.forking import unforked
from textlattice.runtime.form_engine import FormEngine
from textlattice.runtime.model_folder import read_model_folder
from textlattice.runtime.predictor import Predictor


@unforked()
def load(path: str | PathLike[str]) -> Predictor:
    """A predictor from a model folder, trained or exported.

    Raises:
        ArtefactError: The folder is missing, damaged or from a newer version.
        MissingExtraError: It was trained, not exported, and PyTorch is not installed.
    """
    saved = read_model_folder(Path(path))
    collator, reader = saved.collator, saved.reader()
    engine: Engine
    if saved.engine == "onnx":
        from textlattice.runtime.onnx_backend import OnnxBackend

        if not isinstance(collator, Collator):
            raise ArtefactError(
                f"{path}: expected an exported folder of the family cnn_gnn, got {saved.config.model.family}; "
                "load the trained folder."
            )
        engine = FormEngine(OnnxBackend(saved.folder.files, saved.config, saved.task.num_outputs), collator)
    else:
        try:
            from textlattice.models.registry import make_engine
            from textlattice.models.weights import load_encoder, load_model
        except ImportError as error:
            advice = " (or export it first)" if isinstance(collator, Collator) else ""
            raise MissingExtraError(f"the trained folder {path}{advice}", "train") from error
        model = load_model(saved.folder.files, saved.config, saved.task.num_outputs, saved.vocabulary)
        engine = make_engine(model, load_encoder(saved.folder.files, collator, reader))
    return Predictor(engine=engine, task=saved.task, reader=reader)
