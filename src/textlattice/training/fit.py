"""Rows to a fitted classifier: what the labels say, the rows made ready, one of two ways of choosing, the record."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int, UInt64

from textlattice.batch.collators import BatchMaker
from textlattice.config import Config, PublishedConfig, PyramidConfig
from textlattice.encoders.language_model import LanguageModelEncoder
from textlattice.errors import ConfigError, DataError, TextTooLongError
from textlattice.models.classifier import Classifier
from textlattice.models.registry import cost_of, flips_of
from textlattice.nn.compiler_cache import no_compiler_cache
from textlattice.progress import Progress
from textlattice.runtime.token_table import TokenTable
from textlattice.task import Label, Task
from textlattice.text.document import TextReader
from textlattice.text.hf_tokenizer import FileTokenizer
from textlattice.text.words import check_num_tokens, token_bounds
from textlattice.training.checkpoint import Checkpoint
from textlattice.training.cross_fit import NUM_FOLDS, fit_with_folds
from textlattice.training.documents import read_texts
from textlattice.training.fitting import Fitting
from textlattice.training.labels import TaskChoice, task_of
from textlattice.training.slices import fit_with_slices

CROSS_FIT_BELOW = 2_000
"""With fewer rows, three-fold cross-fitting takes the place of held-out slices."""
MOST_TRAINING_TOKENS = 200_000
"""Tokens of a text that is trained on; the preset `base` takes some 22 kB of memory for each, `tiny` some 7."""
MOST_STEP_TOKENS = 1 << 18
"""Tokens of a mean step: where texts are so long that a batch would hold more, it holds fewer texts."""
LEAST_WEIGHT, LARGEST_WEIGHT = 1e-30, 1e30
"""Bounds of the weight of a row that counts, so that neither weights nor their sums leave single precision."""
_COUNTED = 500  # documents whose cost is counted
_READ_TWICE = 50  # documents that are read in single and double precision


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A fitted classifier.

    Args:
        config: Settings, as asked for; a token table sets `model.injected_channels`, a tokenizer `text.tokenizer`.
        model: In evaluation mode, the wide branch and the network already on their common scale.
        collator: Makes its batches.
        reader: Cuts texts.
        task: Labels, priors, and what held-out rows calibrated.
        digests: Of the texts that were trained on, ascending, each once.
        record: What `training.json` holds: slices, choices, history, seconds.
    """

    config: Config
    model: Classifier
    collator: BatchMaker
    reader: TextReader
    task: Task
    digests: UInt64[np.ndarray, " num_texts"]
    record: dict[str, Any]


@no_compiler_cache()
def fit(
    texts: Sequence[str],
    labels: Sequence[Label | list[str]],
    config: Config,
    *,
    task: TaskChoice = "auto",
    label_order: Sequence[str] | None = None,
    validation: tuple[Sequence[str], Sequence[Label | list[str]]] | None = None,
    sample_weight: Sequence[float] | None = None,
    groups: Sequence[str] | None = None,
    token_table: TokenTable | None = None,
    tokenizer: FileTokenizer | None = None,
    encoder: LanguageModelEncoder | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """A classifier of texts.

    From 2,000 rows on, a selection slice chooses epoch, penalty and the scales of the sum, and a calibration slice the
    temperature and the thresholds; below, three-fold cross-fitting does, and the final model is trained on all rows.

    Args:
        texts: Any strings; those of which nothing is left teach the priors alone. Each is read again whenever training
            comes to it, so a sequence that reads on demand keeps them out of memory.
        labels: One a text, or a list or tuple of any number of them.
        config: Settings.
        task: What a label is; `auto` takes lists for any number of labels a text, and never infers an order.
        label_order: Labels from lowest to highest, for the task `ordinal`; ascending numbers need none.
        validation: Texts and labels in place of the selection slice.
        sample_weight: Weight of each row in all losses.
        groups: Rows of one group stay in one slice.
        token_table: Vectors of words, frozen, that the network reads beside its own; words of a text that training
            has not seen bring theirs too, so the whole table becomes part of the model.
        tokenizer: Cuts the texts, in place of the rules for words.
        encoder: A language model whose states and tokens a pyramid reads; what it is called with stays as it is, also
            where `train.tune` says that the pyramid's own copy learns.
        progress: Told of each stage.
        checkpoint: Written as training goes on; one that holds the beginning of this training is gone on with.

    Raises:
        ConfigError: `model.injected_channels` is set, and not to the width of the token table; an order of labels is
            given for a task without one; or the settings and the encoder or token table do not fit one another.
        DataError: There is no text, only one label, lengths differ, the labels do not fit the task, a weight is no
            weight, or no token has a vector in the token table.
        TextTooLongError: A text has more than `MOST_TRAINING_TOKENS` tokens (a DataError).
        TrainingError: Nothing could be trained.
    """
    progress, checkpoint = progress or Progress(), checkpoint or Checkpoint()
    _check_lengths(texts, labels, sample_weight)
    _check_weights(sample_weight)
    labels = _frozen(labels)
    first_task = task_of(labels, task, label_order, progress)
    if encoder is not None:
        if tokenizer is not None:
            raise ConfigError("a language model brings its own tokenizer, got another one; leave it out.")
        tokenizer = encoder.tokenizer
    config = _encoding(_cut_by(config, tokenizer), encoder, token_table)
    given = token_table
    config, token_table = _injecting(config, token_table)
    if isinstance(config.model, PublishedConfig):
        _tell_missing_scores(given, config.model, progress)
    reader = TextReader(config=config.text, cut=tokenizer or token_bounds)
    threads = torch.get_num_threads()
    try:
        if config.train.threads:
            torch.set_num_threads(config.train.threads)
        read = read_texts(_in_order(texts), reader, progress)
        config = _affordable(config, read.documents.num_tokens, progress)
        fitting = Fitting(config, first_task, progress, token_table, checkpoint, encoder)
        corpus, rows = fitting.corpus(read, labels, sample_weight)
        if len(rows) < NUM_FOLDS:
            raise DataError(
                f"training needs at least {NUM_FOLDS} texts with a token, got {len(rows)}; "
                "check the text column."
            )
        table_record = {} if token_table is None else fitting.table_record(token_table, corpus.tokens)
        held_out = None
        if validation is not None:
            read = read_texts(_in_order(validation[0]), reader, progress)
            held_out = fitting.validation(read, _frozen(validation[1]))
        group_names = None if groups is None else [groups[row] for row in rows]
        if held_out is not None or len(rows) >= CROSS_FIT_BELOW:
            fitted = fit_with_slices(fitting, corpus, held_out, group_names)
        else:
            fitted = fit_with_folds(fitting, corpus, group_names)
    finally:
        torch.set_num_threads(threads)
    digests = np.unique(corpus.digests)
    fitted.record["duplicates"]["repeated_rows"] = len(rows) - len(digests)
    num_outputs = fitted.task.num_outputs
    record = {
        "num_rows": len(texts),
        "num_empty_rows": len(texts) - len(rows),
        "seconds": round(fitting.budget.elapsed, 1),
        **checkpoint.record,
        **table_record,
        **fitted.record,
        **flips_of(fitted.model, fitted.collator, corpus.documents[:_READ_TWICE]),
        "cost": cost_of(config, fitted.collator, num_outputs, corpus.documents[:_COUNTED]),
    }
    return Trained(
        config=config,
        model=fitted.model.eval(),
        collator=fitted.collator,
        reader=reader,
        task=fitted.task,
        digests=digests,
        record=record,
    )


def _affordable(config: Config, num_tokens: Int[np.ndarray, " num_texts"], progress: Progress) -> Config:
    """The settings, with fewer texts a batch where these are so long that memory would not hold as many.

    Raises:
        TextTooLongError: One is too long to be trained on at all.
    """
    place = int(num_tokens.argmax()) if len(num_tokens) else 0
    try:
        check_num_tokens(int(num_tokens.max(initial=0)), MOST_TRAINING_TOKENS)
    except TextTooLongError as error:
        raise error.at(place) from None
    used = num_tokens[num_tokens > 0]
    most = max(1, MOST_STEP_TOKENS * len(used) // max(1, int(used.sum())))
    if not len(used) or config.train.batch_size_for(len(used)) <= most:
        return config
    progress.note(f"memory: texts of {used.mean():,.0f} tokens on average are trained on {most} at a time")
    return dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=most))


def _check_lengths(
    texts: Sequence[str], labels: Sequence[Any], sample_weight: Sequence[float] | None
) -> None:
    if len(texts) != len(labels) or (sample_weight is not None and len(sample_weight) != len(texts)):
        weights = "no" if sample_weight is None else str(len(sample_weight))
        raise DataError(
            f"training needs one label (and weight) a text, got {len(texts)} texts, {len(labels)} labels "
            f"and {weights} weights."
        )


def _check_weights(sample_weight: Sequence[float] | None) -> None:
    if sample_weight is None:
        return
    weights = np.asarray(sample_weight)
    if weights.dtype.kind not in "iuf" or weights.ndim != 1:
        raise DataError(
            f"sample_weight must hold one number a text, got {weights.dtype} {list(weights.shape)}."
        )
    wrong = ~((weights == 0) | ((weights >= LEAST_WEIGHT) & (weights <= LARGEST_WEIGHT)))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"sample_weight must be 0 or lie between {LEAST_WEIGHT:g} and {LARGEST_WEIGHT:g}, got "
            f"{weights[place]:g} at place {place}."
        )
    if not weights.any():
        raise DataError("sample_weight must not be zero for every text.")


def _frozen(labels: Sequence[Label | list[str]]) -> list[Label]:
    """Lists as tuples."""
    return [tuple(label) if isinstance(label, list) else label for label in labels]


def _cut_by(config: Config, tokenizer: FileTokenizer | None) -> Config:
    """The settings, which say whether texts are cut by a file."""
    kind: Literal["words", "file"] = "words" if tokenizer is None else "file"
    if tokenizer is None and config.text.tokenizer == "file":
        raise ConfigError(
            "text.tokenizer must be words without a tokenizer file, got file; give the file, or leave the setting out."
        )
    return dataclasses.replace(config, text=dataclasses.replace(config.text, tokenizer=kind))


def _encoding(config: Config, encoder: LanguageModelEncoder | None, table: TokenTable | None) -> Config:
    """The settings, which say what reads the tokens."""
    model = config.model
    if encoder is None and config.train.tune != "none":
        raise ConfigError(f"train.tune={config.train.tune} needs a language model, got none; give it.")
    if not isinstance(model, PyramidConfig):
        if encoder is not None:
            raise ConfigError(
                "a language model is read by the presets pyramid and pyramid-graph, got a model of the family "
                f"{model.family}; take one of them, or make a token table of the language model."
            )
        return config
    if encoder is None and model.encoder == "language_model":
        raise ConfigError("model.encoder=language_model needs a language model, got none; give it.")
    if model.encoder == "table" and encoder is not None:
        raise ConfigError("model.encoder=table goes with a token table, got a language model; leave one out.")
    if model.encoder == "table" and table is None:
        raise ConfigError("model.encoder=table needs a token table, got none; give it.")
    if encoder is None:
        if model.num_states != PyramidConfig.num_states:
            raise ConfigError(
                f"model.num_states={model.num_states} would do nothing without a language model; give one, or leave it "
                "out."
            )
        return config
    if table is not None:
        raise ConfigError("a language model and a token table are two encoders, got both; leave one out.")
    model = dataclasses.replace(
        model, encoder="language_model", num_states=len(encoder.layers), state_channels=encoder.channels
    )
    return dataclasses.replace(config, model=model)


def _injecting(config: Config, table: TokenTable | None) -> tuple[Config, TokenTable | None]:
    """The settings with the width of the token table's vectors; and the table as the model's family reads it."""
    model = config.model
    if table is not None and isinstance(model, PublishedConfig):
        table = _sentiment_last(table, model)
    extra = model.table_channels - model.injected_channels
    asked, width = model.injected_channels, 0 if table is None else table.dim - extra
    if asked not in (0, width):
        found = "no token table" if table is None else f"a table of width {width}"
        advice = "give the table, or set it to 0" if table is None else f"set it to {width}"
        raise ConfigError(
            f"model.injected_channels must be the width of the token table, got {asked} and {found}; {advice}."
        )
    return dataclasses.replace(config, model=dataclasses.replace(model, injected_channels=width)), table


def _sentiment_last(table: TokenTable, model: PublishedConfig) -> TokenTable | None:
    """A table whose last two channels are polarity and subjectivity if the model reads them, else without them.

    Where a lexicon is part of the table they stand there already; without one they are zeros.
    """
    vectors = table.vectors
    if table.record.get("lexicon"):
        vectors, sentiment = vectors[:, :-2], vectors[:, -2:]
    else:
        sentiment = np.zeros((len(vectors), 2), np.float32)
    if model.sentiment_positions:
        vectors = np.hstack([vectors, sentiment])
    return dataclasses.replace(table, vectors=vectors) if vectors.size else None


def _tell_missing_scores(table: TokenTable | None, model: PublishedConfig, progress: Progress) -> None:
    if model.sentiment_positions and (table is None or not table.record.get("lexicon")):
        progress.note(
            "model.sentiment_positions: there is no polarity and subjectivity to read, so zeros are; make a token "
            "table with --lexicon, or set model.sentiment_positions=[]"
        )


def _in_order(texts: Sequence[str]) -> Sequence[str]:
    """The texts as a sequence proper: what counts by names, or is an array, becomes a list."""
    return texts if isinstance(texts, Sequence) else list(texts)
