"""What an estimator is given as `y`: a column of labels, lists of names, or an indicator matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from textlattice.errors import ConfigError, DataError
from textlattice.task import Label, TaskKind
from textlattice.training.fit import LARGEST_WEIGHT, LEAST_WEIGHT
from textlattice.training.labels import check_num_labels

TargetForm = Literal["column", "lists", "matrix"]
"""How `y` came, and how answers go out: one label a row, a list of names a row, or 0 and 1 for each label."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The labels of the rows.

    Args:
        form: How they came.
        kind: Of the task.
        classes: Labels, ascending; numbers of the columns of a matrix.
        rows: The label of each row, or which of the classes it has.
    """

    form: TargetForm
    kind: TaskKind
    classes: Shaped[np.ndarray, " num_classes"]
    rows: Shaped[np.ndarray, " num_rows *labels"]

    @property
    def seen(self) -> list[Any]:
        """The classes that some row has."""
        if self.form == "column":
            return list(np.unique(self.rows).tolist())
        return list(self.classes[self.rows.any(axis=0)].tolist())

    @property
    def labels(self) -> list[Label]:
        """The labels of each row as text."""
        if self.form == "column":
            return [str(label) for label in self.rows.tolist()]
        names = np.array([str(name) for name in self.classes.tolist()], object)
        return [tuple(names[row].tolist()) for row in self.rows]

    def take(self, rows: Shaped[np.ndarray, " chosen"]) -> "Targets":
        """The chosen rows; classes of a column that none of them has are left out."""
        chosen = self.rows[rows]
        classes = np.unique(chosen) if self.form == "column" else self.classes
        return Targets(form=self.form, kind=self.kind, classes=classes, rows=chosen)

    def order(self, given: Sequence[Any] | None) -> list[str] | None:
        """Labels from lowest to highest as text: those given, or for an order of numbers the ascending ones."""
        if given is not None:
            return [str(label) for label in np.asarray(given).tolist()]
        if self.kind != "ordinal" or self.classes.dtype.kind not in "biuf":
            return None
        return [str(label) for label in self.classes.tolist()]

    def weights(self, by_class: Mapping[Any, int | float]) -> Float[np.ndarray, " num_rows"]:
        """Weight of each row; with any number of labels the largest one of its labels, 1 without any."""
        if self.form == "column":
            return np.asarray(compute_sample_weight(dict(by_class), self.rows), np.float64)
        weights = np.array([float(by_class.get(label, 1.0)) for label in self.classes.tolist()])
        of_row = np.where(self.rows, weights, -np.inf).max(axis=1, initial=-np.inf)
        return np.where(np.isfinite(of_row), of_row, 1.0)


def class_weights(given: Any, seen: Sequence[Any]) -> dict[Any, float]:
    """The weights by class that an estimator was given, each of a class that some row has.

    Raises:
        ConfigError: They are no mapping, empty, of a class that no row has, or a weight is no positive number.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"class_weight must be 'balanced', None or a weight by label, got {type(given).__name__}."
        )
    if not given:
        raise ConfigError("class_weight must hold a weight by label, got none; leave it out.")
    known = set(seen)
    for label, weight in given.items():
        if label not in known:
            shown = ", ".join(map(repr, list(seen)[:5]))
            raise ConfigError(
                f"class_weight names the label {label!r}, which no row of y has, so it would do nothing; expected "
                f"some of {shown}{' and others' if len(seen) > 5 else ''}."
            )
        number = weight.item() if isinstance(weight, np.generic) else weight
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ConfigError(f"class_weight must hold numbers, got {type(number).__name__} for {label!r}.")
        if not LEAST_WEIGHT <= number <= LARGEST_WEIGHT:
            raise ConfigError(
                f"class_weight must lie between {LEAST_WEIGHT:g} and {LARGEST_WEIGHT:g}, got {number!r} for "
                f"{label!r}; to leave a label out, leave its rows out."
            )
    return {label: float(weight) for label, weight in given.items()}


def read_targets(y: Any, estimator: str, *, task: str) -> Targets:
    """The targets that `y` states.

    Args:
        y: A column, a list of lists of names, or an indicator matrix, dense or sparse.
        estimator: Its name, for messages.
        task: `auto`, `single`, `multi` or `ordinal`.

    Raises:
        ValueError: There is none, a value is missing or not finite, or the form does not fit the task.
    """
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None.")
    if task not in ("auto", "single", "multi", "ordinal"):
        raise ValueError(f"task must be auto, single, multi or ordinal, got {task!r}.")
    if (matrix := _matrix(y)) is not None:
        found = Targets(form="matrix", kind="multi", classes=np.arange(matrix.shape[1]), rows=matrix)
    elif (lists := _lists(y)) is not None:
        names = sorted({name for row in lists for name in row})
        check_num_labels(len(names))
        place = {name: number for number, name in enumerate(names)}
        rows = np.zeros((len(lists), len(names)), bool)
        for number, row in enumerate(lists):
            rows[number, [place[name] for name in row]] = True
        found = Targets(form="lists", kind="multi", classes=np.array(names, object), rows=rows)
    else:
        column = column_or_1d(y, warn=True)
        if column.dtype.kind == "f":
            assert_all_finite(column, input_name="y")
        check_classification_targets(column)
        if task == "multi":
            raise DataError(
                f"{estimator}: expected any number of labels a text for task='multi', as lists of names or as an "
                "indicator matrix, got one label each; leave task out."
            )
        kind: TaskKind = "ordinal" if task == "ordinal" else "single"
        return Targets(form="column", kind=kind, classes=np.unique(column), rows=column)
    if task not in ("auto", "multi"):
        raise DataError(
            f"{estimator}: expected one label a text for task={task!r}, got "
            f"{'an indicator matrix' if found.form == 'matrix' else 'lists of labels'}; use task='multi'."
        )
    return found


def _matrix(y: Any) -> Bool[np.ndarray, "num_rows num_classes"] | None:
    """An indicator matrix; None where `y` is none. One column is a column."""
    if hasattr(y, "toarray"):
        if len(y.shape) == 2:
            check_num_labels(y.shape[1])
        y = y.toarray()
    if not hasattr(y, "__array__") and not _rows_of_numbers(y):
        return None
    array = np.asarray(y)
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "biuf":
        return None
    if not np.isin(array, (0, 1)).all():
        raise ValueError(
            "y must hold one label a text, or a matrix of 0 and 1 with a column a label, got a matrix with other "
            "values; multioutput targets are not supported."
        )
    return array.astype(bool)


def _rows_of_numbers(y: Any) -> bool:
    """Whether `y` is a list of equally long lists of 0 and 1, as scikit-learn takes it for a matrix."""
    if not isinstance(y, list | tuple) or not y or not all(isinstance(row, list | tuple) for row in y):
        return False
    numbers = all(
        isinstance(value, int | float | np.number) and value in (0, 1) for row in y for value in row
    )
    return numbers and len({len(row) for row in y}) == 1 and len(y[0]) > 1


def _lists(y: Any) -> list[list[str]] | None:
    """Lists of names; None where a row is no list."""
    rows = y if isinstance(y, list | tuple) else y.tolist() if hasattr(y, "tolist") else ()
    if not any(isinstance(row, list | tuple | set | frozenset) for row in rows):
        return None
    for place, row in enumerate(rows):
        if not isinstance(row, list | tuple | set | frozenset):
            raise ValueError(
                f"y must hold a list of labels in every row, got {type(row).__name__} at place {place}."
            )
        for name in row:
            if not isinstance(name, str):
                raise ValueError(
                    f"y must hold lists of names (str), got {type(name).__name__} at place {place}; "
                    "for numbers give an indicator matrix."
                )
    return [sorted(set(row)) for row in rows]
