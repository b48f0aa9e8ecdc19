"""`textlattice info`: what a model is and costs, from its folder or from a preset."""

from pathlib import Path
from typing import Annotated, Any

import typer

from textlattice.app import records
from textlattice.app.commands.options import Json, Settings, configure, needs
from textlattice.app.terminal import LABELS, MEASURES, number, percent, print_json, print_table
from textlattice.app.token_tables import licences_of, record_rows, table_figures
from textlattice.config import CnnGnnConfig, Config
from textlattice.config_json import to_dict
from textlattice.errors import ArtefactError
from textlattice.presets import PRESETS
from textlattice.runtime.token_table import read_token_table
from textlattice.text.vocabulary import Vocabulary

COSTS = {
    "parameters": "parameters stored",
    "dense_parameters": "of these in layers, not tables",
    "encoder_parameters": "parameters of the language model",
    "active_parameters": "active parameters, mean document",
    "flops_per_char": "FLOPs a character (of a new word, where words are kept)",
    "flops_per_form": "FLOPs a new word",
    "flops_per_token": "FLOPs a token",
    "encoder_flops_per_token": "FLOPs a token, of the language model",
    "flops_per_doc": "FLOPs a document, constant term",
    "mean_flops": "FLOPs, mean document",
}


def info(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Model folder, trained or exported, or the file of a token table.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help=f"A preset instead of a folder: {', '.join(PRESETS)}."),
    ] = None,
    num_classes: Annotated[
        int, typer.Option("--num-classes", metavar="N", min=2, help="Labels, with --preset.")
    ] = 2,
    settings: Settings = None,
    json: Json = False,
) -> None:
    """Show what a model is and what it costs.

    Parameters, arithmetic by length, labels and training record. FLOPs are two for each multiply and add; a
    word that was read before costs nothing for its characters. Of a token table: size, source, licence and how it
    was made.

    \b
    Examples:
      textlattice info model
      textlattice info --preset base --num-classes 4 --set model.channels=96 --json
      textlattice info words.safetensors
    """
    if (folder is None) == (preset is None):
        raise typer.BadParameter("give a model folder or --preset, one of the two.", param_hint="'DIR'")
    if folder is not None and settings:
        raise typer.BadParameter("goes with --preset, not with a folder.", param_hint="'--set'")
    if folder is not None and folder.is_file():
        _print_table_figures(folder, json=json)
        return
    result = preset_figures(preset, settings, num_classes) if folder is None else folder_figures(folder)
    if json:
        print_json(result)
        return
    rows = [(words, number(result[name], 0)) for name, words in COSTS.items() if result.get(name) is not None]
    if folder is not None:
        rows = [*_folder_rows(result), *rows]
    print_table(
        ["", ""], rows, title=str(folder) if folder is not None else f"preset {preset}, {num_classes} labels"
    )


def preset_figures(name: str | None, settings: list[str] | None, num_classes: int) -> dict[str, Any]:
    """Costs of a model with these settings, its tables of words and n-grams left out."""
    config = configure(name or "base", settings, {})
    return {"num_classes": num_classes, **_cost(config, None, num_classes), "settings": to_dict(config)}


def folder_figures(folder: Path) -> dict[str, Any]:
    """Costs, labels and training record of a saved model."""
    from textlattice.runtime.model_folder import read_model_folder

    saved = read_model_folder(folder)
    files = saved.folder.files
    record = records.plain(saved.folder.json("training.json")) if "training.json" in files else {}
    if not isinstance(record, dict):
        raise ArtefactError(
            f"{folder}/training.json: expected the record of a training, got a JSON {type(record).__name__}; save the "
            "model again, or remove the file and its entry in the manifest."
        )
    if not isinstance(saved.config.model, CnnGnnConfig) and saved.engine == "torch":
        with needs(f"counting what a model of the family {saved.config.model.family} costs", "train"):
            from textlattice.models.weights import check_weights
        check_weights(files, saved.config, saved.task.num_outputs, saved.vocabulary)
    result = {
        "engine": saved.engine,
        "task": saved.task.kind,
        "labels": list(saved.task.labels),
        "priors": list(saved.task.priors),
        "temperature": saved.task.temperature,
        "thresholds": list(saved.task.thresholds),
        "cut_points": list(saved.task.cut_points),
        "num_words": len(saved.vocabulary.words),
        "num_ngrams": len(saved.vocabulary.ngrams),
        "num_injected": len(saved.vocabulary.injected),
        "bytes": sum(map(len, files.values())),
        "training": {name: value for name, value in record.items() if name not in ("settings", "cost")},
        "settings": to_dict(saved.config),
    }
    recorded = {
        name: value
        for name, value in records.part(record, "cost").items()
        if records.is_number(value) and name not in result
    }
    return result | _cost(saved.config, saved.vocabulary, saved.task.num_outputs) | recorded


def _cost(config: Config, vocabulary: Vocabulary | None, num_outputs: int) -> dict[str, Any]:
    if isinstance(config.model, CnnGnnConfig):
        from textlattice.runtime.cost import model_cost

        return model_cost(config, vocabulary, num_outputs)
    with needs(f"counting what a model of the family {config.model.family} costs", "train"):
        from textlattice.models.registry import model_cost_of
    return model_cost_of(config, vocabulary, num_outputs)


def _print_table_figures(path: Path, *, json: bool) -> None:
    result = table_figures(read_token_table(path))
    if json:
        print_json(result)
        return
    print_table(["", ""], record_rows(result), title=f"token table {path}", num_left=2)


def _folder_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    training = result["training"]
    labels = result["labels"]
    shown = ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
    words = LABELS[result["task"]]
    rows = [("engine", result["engine"]), (f"{len(labels)} labels{words}", shown)]
    source, history = records.part(training, "source"), training.get("history")
    if records.is_number(training.get("num_rows")):
        rows.append(("trained on", f"{number(training['num_rows'])} rows of {source.get('name', '?')}"))
    epoch, measure = records.part(training, "sum").get("epoch"), training.get("measure", "accuracy")
    if (
        isinstance(history, list) and isinstance(measure, str) and measure in MEASURES
    ):  # folders of 0.1.0 name none
        chosen = [entry for entry in history if isinstance(entry, dict) and entry.get("epoch") == epoch]
        if chosen and records.is_number(chosen[0].get(measure)):
            rows.append((f"{MEASURES[measure]} on held-out training rows", percent(chosen[0][measure])))
    if records.is_number(training.get("flip_rate")):
        rows.append(("tokens whose kept edges a rounding changes", f"{100 * training['flip_rate']:.3f} %"))
    return [*rows, *_inputs(source), ("size", f"{result['bytes'] / 1e6:,.1f} MB")]


def _inputs(source: dict[str, Any]) -> list[tuple[str, str]]:
    """What else the model was trained with, and whose it is."""
    rows = []
    for name, words in {"tokenizer": "tokenizer", "encoder": "language model"}.items():
        if record := records.part(source, name):
            rows.append((words, f"{record.get('name', '?')} (digest {str(record.get('digest', '?'))[:12]})"))
    if table := records.part(source, "token_table"):
        rows.append(("token table", f"{table.get('file', '?')} (licence: {licences_of(table)})"))
    return rows
