"""The classifier as a scikit-learn estimator: texts and labels in, labels and probabilities out."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from textlattice import presets
from textlattice.app.terminal import progress
from textlattice.app.token_tables import check_table, table_for
from textlattice.app.tokenizers import named_tokenizer
from textlattice.config import Config
from textlattice.errors import DataError, MissingExtraError, TextTooLongError
from textlattice.runtime.token_table import TokenTable
from textlattice.text.hf_tokenizer import FileTokenizer

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import Tags
    from sklearn.utils.validation import (
        assert_all_finite,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
    )

    from textlattice.app.encoders import named_encoder
    from textlattice.app.estimator_targets import class_weights, read_targets
    from textlattice.training.fit import LARGEST_WEIGHT, LEAST_WEIGHT, Trained, fit
    from textlattice.training.labels import TaskChoice
    from textlattice.training.save import predictor_of, save_trained
except ModuleNotFoundError as error:
    if (error.name or "").startswith("textlattice"):
        raise
    raise MissingExtraError("TextClassifier", "train") from error

_DEFAULTS = {"epochs": None, "steps": None, "max_minutes": None, "seed": 0, "threads": 0}


class TextClassifier(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier of texts.

    `X` is anything that holds one text (`str`) a row: a list, a tuple, an array, a column of pandas, Polars
    or Arrow, or a frame or array of one column. An empty text is allowed. Labels may be of any dtype that
    scikit-learn takes; predictions have the same. Where a text may have any number of labels, `y` holds a list,
    tuple or set of names a text, or is an indicator matrix [num_texts, num_labels]; predictions have the form of `y`.

    Args:
        preset: Name of the settings to start from: `base`, `tiny`, `paper`, `pyramid` or `pyramid-graph`.
        settings: Dotted settings that replace those of the preset, e.g. `{"model.channels": 96}`. Where an
            argument below is given as well, the argument holds.
        epochs: Passes over the rows.
        steps: Exact number of optimiser steps instead of epochs.
        max_minutes: Time that training may take, in minutes.
        seed: Seed of everything random; the same seed gives the same model.
        threads: PyTorch threads while training; 0 keeps PyTorch's own choice.
        class_weight: `balanced`, or a weight by label.
        token_table: Vectors of words from elsewhere, a `TokenTable` or the path of its file.
        tokenizer: Cuts texts in place of the rules for words: a `tokenizer.json`, its folder, or `owner/name` on the
            hub.
        encoder: With `pyramid` or `pyramid-graph`, the language model whose states are read: its folder, or
            `owner/name` on the hub. It stays as it is, and states are kept in the user's cache, up to 20 GB, unless
            `train.tune` in the settings lets it learn.
        task: What a label is: `single`, `multi` or `ordinal` (one of several in an order); `auto` takes lists and
            indicator matrices for any number of labels a text, and never infers an order.
        label_order: Labels from lowest to highest, for `ordinal`; None takes ascending numbers.
        verbose: Whether training shows its progress on stderr.

    Attributes:
        classes_: Labels, ascending; the columns of an indicator matrix.
        trained_: The fitted model with its settings and the record of its training.
        predictor_: What answers texts, the same as `textlattice.load` gives for a saved folder.

    >>> from textlattice import TextClassifier
    >>> texts, labels = ["so good", "so bad"] * 10, ["pos", "neg"] * 10
    >>> TextClassifier("tiny", steps=2).fit(texts, labels).predict(["good"])
    array(['pos'], dtype='<U3')
    """

    def __init__(
        self,
        preset: str = "base",
        *,
        settings: Mapping[str, Any] | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        max_minutes: int | float | None = None,
        seed: int = 0,
        threads: int = 0,
        class_weight: str | Mapping[Any, int | float] | None = None,
        token_table: TokenTable | str | PathLike[str] | None = None,
        tokenizer: str | PathLike[str] | None = None,
        encoder: str | PathLike[str] | None = None,
        task: TaskChoice = "auto",
        label_order: Sequence[Any] | None = None,
        verbose: bool = False,
    ) -> None:
        self.preset = preset
        self.settings = settings
        self.epochs = epochs
        self.steps = steps
        self.max_minutes = max_minutes
        self.seed = seed
        self.threads = threads
        self.class_weight = class_weight
        self.token_table = token_table
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.task = task
        self.label_order = label_order
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> "TextClassifier":
        """The estimator, fitted.

        Args:
            X: Texts.
            y: One label a text; or any number of them, as a list of names each or as an indicator matrix.
            sample_weight: Weight of each row in all losses, not negative; a row of weight 0 is left out.
            groups: Rows of one group stay on one side whenever rows are held out inside the training.

        Raises:
            ConfigError: The preset or a setting is unknown, or a value does not fit (a ValueError).
            DataError: Labels do not fit the task, or the token table knows none of the tokens (a ValueError).
            ArtefactError: The file of the token table cannot be read (an OSError).
            TypeError: A row is no text.
            ValueError: Lengths differ, there are no rows, or fewer than two labels.
            TrainingError: Training diverged at once (a RuntimeError).
        """
        texts = _texts(X)
        targets = read_targets(y, type(self).__name__, task=self.task)
        check_consistent_length(texts, targets.rows, sample_weight, groups)
        weights = _weights(sample_weight)
        if self.class_weight is not None and not isinstance(self.class_weight, str):
            by_class = targets.weights(class_weights(self.class_weight, targets.seen))
            weights = by_class if weights is None else weights * by_class
        used = np.arange(len(texts)) if weights is None else np.flatnonzero(weights)
        targets = targets.take(used)
        if len(targets.seen) < 2:
            none = "rows without a label" if len(used) else "rows of weight zero alone"
            found = f"only one class: {targets.seen[0]!r}" if targets.seen else none
            raise ValueError(f"{type(self).__name__} needs rows of two or more classes in y, got {found}.")
        settings = self._config()
        tokenizer = None if self.tokenizer is None else named_tokenizer(str(self.tokenizer))
        vectors = self._token_table(settings, tokenizer)
        encoder = None if self.encoder is None else named_encoder(str(self.encoder), settings)
        source: dict[str, Any] = {"name": "texts given in Python"}
        if vectors is not None and vectors.record:
            source["token_table"] = vectors.record
        if tokenizer is not None:
            source["tokenizer"] = {"name": str(self.tokenizer), "digest": tokenizer.digest}
        if encoder is not None:
            source["encoder"] = {"name": str(self.encoder), "digest": encoder.digest.hex()}
        with progress() if self.verbose else nullcontext() as listener:
            trained = _fit(
                used,
                [texts[row] for row in used],
                targets.labels,
                settings,
                task=targets.kind,
                label_order=targets.order(self.label_order),
                sample_weight=None if weights is None else weights[used].tolist(),
                groups=None if groups is None else [str(group) for group in np.asarray(groups)[used]],
                token_table=vectors,
                tokenizer=tokenizer,
                encoder=encoder,
                progress=listener,
            )
        self.classes_ = targets.classes
        self.form_ = targets.form
        self.trained_ = trained
        self.source_ = source
        self.predictor_ = predictor_of(trained)
        return self

    def predict(self, X: Any) -> Any:
        """The label of each text, an array [num_texts]; where a text may have any number, in the form that `y` had."""
        probabilities = self._calibrated(X)
        decisions = self.trained_.task.decide(probabilities)
        if self.form_ == "column":
            return self.classes_[self._places()[decisions]]
        given = np.zeros((len(decisions), len(self.classes_)), bool)
        given[:, self._places()] = decisions
        if self.form_ == "matrix":
            return given.astype(np.int64)
        return [tuple(self.classes_[row].tolist()) for row in given]

    def predict_proba(self, X: Any) -> Float[np.ndarray, "num_texts num_classes"]:
        """Calibrated probabilities of each text, in the order of `classes_`.

        Rows sum to 1, but where a text may have any number of labels: there each label has its own, 0 where no training
        row had it. An empty text gets the shares of the labels in the training rows.
        """
        return self._in_order(self._calibrated(X), missing=0.0)

    def decision_function(self, X: Any) -> Float[np.ndarray, "num_texts ..."]:
        """Logits before calibration, in the order of `classes_`; of two labels the second less the first.

        Where labels have an order, their latent score.
        """
        check_is_fitted(self)
        logits = self.predictor_.logits(_texts(X))
        if self.trained_.task.kind == "ordinal":
            return logits[:, 0]
        logits = self._in_order(logits, missing=-np.inf)
        two = self.form_ == "column" and len(self.classes_) == 2
        return logits[:, 1] - logits[:, 0] if two else logits

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of the texts that are answered rightly, with all of their labels."""
        check_is_fitted(self)
        if self.form_ != "lists":
            return float(super().score(X, y, sample_weight))
        answers = self.predict(X)
        check_consistent_length(answers, y, sample_weight)
        right = [
            set(map(str, answer)) == set(map(str, wanted)) for answer, wanted in zip(answers, y, strict=True)
        ]
        weights = _weights(sample_weight)
        if weights is not None and not weights.any():
            raise DataError("sample_weight must not be zero for every text.")
        return float(np.average(right, weights=weights))

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the model as a folder that `textlattice.load` reads; an older model there is replaced.

        Raises:
            ArtefactError: The folder cannot be written, or something else is there.
        """
        check_is_fitted(self)
        save_trained(self.trained_, Path(path), source=self.source_)

    def _calibrated(self, X: Any) -> Float[np.ndarray, "num_texts num_classes"]:
        """Probabilities in the order of the task."""
        check_is_fitted(self)
        return self.predictor_.probabilities(_texts(X))

    def _places(self) -> np.ndarray:
        """Place in `classes_` of each label of the task, which sorts them as text, 10 before 9, or by their order."""
        places = {name: place for place, name in enumerate(map(str, self.classes_.tolist()))}
        return np.array([places[name] for name in self.trained_.task.labels])

    def _in_order(self, columns: np.ndarray, *, missing: float) -> np.ndarray:
        """Columns of the task in the order of `classes_`."""
        ordered = np.full((len(columns), len(self.classes_)), missing)
        ordered[:, self._places()] = columns
        return ordered

    def _token_table(self, settings: Config, tokenizer: FileTokenizer | None) -> TokenTable | None:
        if self.token_table is None:
            return None
        if isinstance(self.token_table, TokenTable):
            check_table(self.token_table, settings.text, tokenizer)
            return self.token_table
        return table_for(Path(self.token_table), settings.text, tokenizer)

    def _config(self) -> Config:
        given = {name: getattr(self, name) for name, default in _DEFAULTS.items()}
        changes = dict(self.settings or {})
        changes |= {f"train.{name}": given[name] for name in given if given[name] != _DEFAULTS[name]}
        if isinstance(self.class_weight, str):
            changes["train.class_weight"] = self.class_weight
        plain = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in changes.items()
        }
        return presets.preset(self.preset).with_settings(plain)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "predictor_"}  # it holds a lock

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "trained_" in state:
            self.predictor_ = predictor_of(self.trained_)


def _texts(X: Any) -> list[str]:
    """The texts of a column."""
    if isinstance(X, str | bytes):
        raise ValueError(f"X must hold one text a row, got a single {type(X).__name__}; pass a list: [text].")
    if hasattr(X, "toarray"):
        raise TypeError("X must hold one text a row, got a sparse matrix; pass the texts themselves.")
    if hasattr(X, "__array__"):
        X = np.asarray(X)
        if X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
        if X.ndim != 1:
            raise ValueError(f"X must be one column of texts, got the shape {X.shape}; choose a column.")
        X = X.tolist()
    texts = list(X)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(
                f"X must hold texts (str), got {type(text).__name__} at place {place}; convert numbers by "
                "str() and fill what is missing with ''."
            )
    return texts


def _fit(used: np.ndarray, texts: list[str], *labels_and_settings: Any, **options: Any) -> Trained:
    """What `fit` makes of the rows that are used; an error names the place among all."""
    try:
        return fit(texts, *labels_and_settings, **options)
    except TextTooLongError as error:
        raise error if error.place is None else error.at(int(used[error.place])) from None


def _weights(sample_weight: Any) -> Float[np.ndarray, " num_rows"] | None:
    if sample_weight is None:
        return None
    given = column_or_1d(sample_weight)
    if given.dtype.kind not in "iuf" and not all(_is_number(value) for value in given.tolist()):
        raise DataError("sample_weight must hold one number a text, got a value that is none.")
    weights = np.asarray(given, np.float64)
    assert_all_finite(weights, input_name="sample_weight")
    if (weights < 0).any():
        raise DataError(f"sample_weight must not be negative, got {weights.min()}.")
    outside = (weights > 0) & ((weights < LEAST_WEIGHT) | (weights > LARGEST_WEIGHT))
    if outside.any():
        raise DataError(
            f"sample_weight must be 0 or lie between {LEAST_WEIGHT:g} and {LARGEST_WEIGHT:g}, got "
            f"{weights[outside][0]:g}."
        )
    return weights


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
