"""The classifier as a scikit-learn estimator: texts and labels in, labels and probabilities out."""

from collections.abc import Mapping
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from textlattice import config
from textlattice.app.terminal import progress
from textlattice.errors import MissingExtraError
from textlattice.runtime.token_table import TokenTable, read_token_table

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import Tags
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import (
        assert_all_finite,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
    )

    from textlattice.training.fit import fit
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
    scikit-learn takes; predictions have the same.

    Args:
        preset: Name of the settings to start from, `base` or `tiny`.
        settings: Dotted settings that replace those of the preset, e.g. `{"model.channels": 96}`. Where an
            argument below is given as well, the argument holds.
        epochs: Passes over the rows.
        steps: Exact number of optimiser steps instead of epochs.
        max_minutes: Time that training may take, in minutes.
        seed: Seed of everything random; the same seed gives the same model.
        threads: PyTorch threads while training; 0 keeps PyTorch's own choice.
        class_weight: `balanced`, or a weight by label.
        token_table: Vectors of words from elsewhere, a `TokenTable` or the path of its file.
        verbose: Whether training shows its progress on stderr.

    Attributes:
        classes_: Labels, ascending.
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
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> "TextClassifier":
        """The estimator, fitted.

        Args:
            X: Texts.
            y: One label a text.
            sample_weight: Weight of each row in all losses, not negative; a row of weight 0 is left out.
            groups: Rows of one group stay on one side whenever rows are held out inside the training.

        Raises:
            ConfigError: The preset or a setting is unknown, or a value does not fit (a ValueError).
            DataError: The token table knows none of the tokens (a ValueError).
            ArtefactError: The file of the token table cannot be read (an OSError).
            TypeError: A row is no text.
            ValueError: Lengths differ, there are no rows, or fewer than two labels.
            TrainingError: Training diverged at once (a RuntimeError).
        """
        texts, y = _texts(X), _targets(y, type(self).__name__)
        check_consistent_length(texts, y, sample_weight, groups)
        weights = _weights(sample_weight)
        if isinstance(self.class_weight, Mapping):
            by_class = compute_sample_weight(dict(self.class_weight), y)
            weights = by_class if weights is None else weights * by_class
        used = np.arange(len(texts)) if weights is None else np.flatnonzero(weights)
        classes = np.unique(y[used])
        if len(classes) < 2:
            found = (
                f"only one class: {classes.tolist()[0]!r}" if len(classes) else "rows of weight zero alone"
            )
            raise ValueError(f"{type(self).__name__} needs rows of two or more classes in y, got {found}.")
        with progress() if self.verbose else nullcontext() as listener:
            trained = fit(
                [texts[row] for row in used],
                [str(label) for label in y[used].tolist()],
                self._config(),
                sample_weight=None if weights is None else weights[used].tolist(),
                groups=None if groups is None else [str(group) for group in np.asarray(groups)[used]],
                token_table=self._token_table(),
                progress=listener,
            )
        self.classes_ = classes
        self.trained_ = trained
        self.predictor_ = predictor_of(trained)
        return self

    def predict(self, X: Any) -> Shaped[np.ndarray, " num_texts"]:
        """The most probable label of each text."""
        probabilities = self._calibrated(X)
        names = {name: place for place, name in enumerate(map(str, self.classes_.tolist()))}
        places = np.array([names[name] for name in self.trained_.task.labels])
        return self.classes_[places[self.trained_.task.decide(probabilities)]]

    def predict_proba(self, X: Any) -> Float[np.ndarray, "num_texts num_classes"]:
        """Calibrated probabilities of each text, in the order of `classes_`; rows sum to 1.

        An empty text gets the shares of the labels in the training rows.
        """
        return self._calibrated(X)[:, self._order()]

    def decision_function(self, X: Any) -> Float[np.ndarray, "num_texts ..."]:
        """Logits before calibration, in the order of `classes_`; of two labels the second less the first."""
        check_is_fitted(self)
        logits = self.predictor_.logits(_texts(X))[:, self._order()]
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the model as a folder that `textlattice.load` reads; an older model there is replaced.

        Raises:
            ArtefactError: The folder cannot be written, or something else is there.
        """
        check_is_fitted(self)
        save_trained(self.trained_, Path(path), source={"name": "texts given in Python"})

    def _calibrated(self, X: Any) -> Float[np.ndarray, "num_texts num_classes"]:
        """Probabilities in the order of the task."""
        check_is_fitted(self)
        return self.predictor_.probabilities(_texts(X))

    def _order(self) -> list[int]:
        """Place in the task of each of `classes_`; the task sorts labels as text, 10 before 9."""
        return [self.trained_.task.labels.index(str(label)) for label in self.classes_.tolist()]

    def _token_table(self) -> TokenTable | None:
        if self.token_table is None or isinstance(self.token_table, TokenTable):
            return self.token_table
        return read_token_table(Path(self.token_table))

    def _config(self) -> config.Config:
        given = {name: getattr(self, name) for name, default in _DEFAULTS.items()}
        changes = dict(self.settings or {})
        changes |= {f"train.{name}": given[name] for name in given if given[name] != _DEFAULTS[name]}
        if isinstance(self.class_weight, str):
            changes["train.class_weight"] = self.class_weight
        plain = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in changes.items()
        }
        return config.preset(self.preset).with_settings(plain)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
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


def _targets(y: Any, estimator: str) -> Shaped[np.ndarray, " num_rows"]:
    """The labels as an array that can be sorted."""
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None.")
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    return y


def _weights(sample_weight: Any) -> Float[np.ndarray, " num_rows"] | None:
    if sample_weight is None:
        return None
    weights = column_or_1d(sample_weight, dtype=np.float64)
    assert_all_finite(weights, input_name="sample_weight")
    if (weights < 0).any():
        raise ValueError(f"sample_weight must not be negative, got {weights.min()}.")
    return weights
