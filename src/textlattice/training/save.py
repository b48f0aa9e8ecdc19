"""A fitted classifier as what answers texts, and as a model folder with its record and its card."""

from pathlib import Path
from typing import Any

from textlattice.config_json import to_dict
from textlattice.models.registry import make_engine
from textlattice.models.weights import engine_files
from textlattice.runtime.model_folder import write_model_folder
from textlattice.runtime.predictor import Predictor
from textlattice.runtime.token_table import licence_of
from textlattice.runtime.training_texts import TRAINING_TEXTS, training_texts_file
from textlattice.task import Task
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import TOKENIZER, FileTokenizer
from textlattice.training.fit import Trained

_MEASURES = {"accuracy": "Accuracy", "micro_f1": "F1 over all labels"}


def predictor_of(trained: Trained) -> Predictor:
    """A predictor of a classifier that was just fitted, without a folder."""
    return Predictor(
        engine=make_engine(trained.model, trained.collator),
        task=trained.task,
        reader=trained.reader,
    )


def save_trained(trained: Trained, path: Path, *, source: dict[str, Any]) -> None:
    """Writes the folder of a fitted classifier; an old one is replaced as a whole, or not at all.

    Args:
        trained: The classifier.
        path: The folder.
        source: What is known of the training data: name, digest, rows used and rejected.

    Raises:
        ArtefactError: The folder cannot be written, or something else is there.
    """
    record = {"source": source, **trained.record, "settings": to_dict(trained.config)}
    write_model_folder(
        path,
        engine="torch",
        config=trained.config,
        task=trained.task,
        vocabulary=trained.collator.vocabulary,
        engine_files=engine_files(trained.model)
        | training_texts_file(trained.digests)
        | _tokenizer_file(trained.reader)
        | _encoder_files(trained),
        records={"training.json": record},
        card=model_card(trained, source),
    )


def model_card(trained: Trained, source: dict[str, Any]) -> str:
    """What a person should know of the model before using it, in Markdown."""
    record, task = trained.record, trained.task
    chosen = record["sum"]["epoch"]
    figures: dict[str, Any] = next((entry for entry in record["history"] if entry["epoch"] == chosen), {})
    measure = record["measure"]
    figure = f"{100 * figures[measure]:.1f} %" if measure in figures else "not measured"
    labels = "\n".join(
        f"- `{name}`: {100 * share:.1f} % of the training rows"
        for name, share in zip(task.labels, task.priors, strict=True)
    )
    return f"""# A textlattice model

{_purpose(task)}

{labels}

- Trained on {record["num_rows"]:,} rows of `{source.get("name", "texts given in Python")}` \
in {record["seconds"] / 60:.1f} minutes.
- {_MEASURES[measure]} on the rows that chose its settings: {figure}. That is no test: use `textlattice evaluate`.
- {record["cost"]["parameters"]:,} parameters stored, {record["cost"]["active_parameters"]:,} of them active in a mean \
training text, which costs {record["cost"]["mean_flops"] / 1e6:.1f} MFLOP.
{_injected_line(record.get("token_table"), source.get("token_table"))}\
{_encoder_line(trained, source.get("encoder"))}\
- It knows only what its training rows say; an empty text is answered by the shares above.

```python
import textlattice
textlattice.load("PATH OF THIS FOLDER").predict(["a text"])
```

Settings, choices and history stand in `training.json`. `{TRAINING_TEXTS}` holds a digest of each training
text: by it `textlattice evaluate` tells which test rows were trained on, and so can whoever has the folder.
"""


def _tokenizer_file(reader: TextReader) -> dict[str, bytes]:
    """The file that texts are cut by, if one is."""
    return {TOKENIZER: reader.cut.content} if isinstance(reader.cut, FileTokenizer) else {}


def _encoder_files(trained: Trained) -> dict[str, bytes]:
    """The language model, if one is read."""
    encoder = getattr(trained.collator, "encoder", None)
    return {} if encoder is None else encoder.files()


def _purpose(task: Task) -> str:
    """What the model does, in a sentence or two."""
    count = len(task.labels)
    if task.kind == "ordinal":
        return (
            f"Classifies a text of any length as one of {count} labels in an order, from `{task.labels[0]}` to "
            f"`{task.labels[-1]}`."
        )
    if task.kind == "single":
        return f"Classifies a text of any length as one of {count} labels."
    low, high = min(task.thresholds), max(task.thresholds)
    return (
        f"Gives a text of any length any number of {count} labels: each from a probability of its own on, "
        f"{low:.2f} to {high:.2f}."
    )


def _injected_line(table: dict[str, Any] | None, made: dict[str, Any] | None) -> str:
    """What the card says of the token table and, if its file tells, of where it comes from; nothing without one."""
    if table is None:
        return ""
    made = made or {}
    origin = f" They come from {_named(made['source'], made)}." if "source" in made else ""
    if lexicon := made.get("lexicon"):
        origin += f" Scores of polarity and subjectivity: {_named(', '.join(lexicon['sources']), lexicon)}."
    return (
        f"- It holds vectors of {table['num_words']:,} words that were not learned here, {table['channels']} numbers "
        f"each, {table['bytes'] / 1e6:.1f} MB; {100 * table['known_token_share']:.1f} % of the training tokens have "
        f"one.{origin}\n"
    )


def _encoder_line(trained: Trained, named: dict[str, Any] | None) -> str:
    """What the card says of the language model; nothing without one."""
    encoder = getattr(trained.collator, "encoder", None)
    if encoder is None:
        return ""
    name = f" `{named['name']}`" if named else ""
    learned = {
        "none": "as it was",
        "lora": "with additions that were learned here",
        "full": "trained further here",
    }[trained.config.train.tune if trained.record["sum"]["epoch"] else "none"]
    return f"- It holds the language model{name}, {encoder.cost()['parameters']:,} parameters, {learned}.\n"


def _named(source: str, record: dict[str, Any]) -> str:
    """A source and its licence."""
    return f"`{source}` (licence: {licence_of(record)})"
