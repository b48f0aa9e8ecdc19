"""Each row tested once, by a classifier that was trained on the other folds; the figures of all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from textlattice.config import Config
from textlattice.data.splits import strata, stratified_folds
from textlattice.encoders.language_model import LanguageModelEncoder
from textlattice.errors import DataError
from textlattice.evaluation.answers import evaluate_answers, evaluate_decisions
from textlattice.progress import Progress
from textlattice.runtime.token_table import TokenTable
from textlattice.runtime.training_texts import texts_seen
from textlattice.task import Label, Task, TaskKind, each_label
from textlattice.text.hf_tokenizer import FileTokenizer
from textlattice.training.checkpoint import Checkpoint
from textlattice.training.fit import fit
from textlattice.training.labels import TaskChoice, task_of
from textlattice.training.save import predictor_of

FIGURES: dict[TaskKind, tuple[str, ...]] = {
    "single": ("accuracy", "macro_f1", "log_loss", "ece"),
    "multi": ("subset_accuracy", "micro_f1", "macro_f1", "lrap", "log_loss", "ece"),
    "ordinal": ("accuracy", "quadratic_weighted_kappa", "mae", "macro_f1", "log_loss", "ece"),
}
"""What is told of each fold, by kind of task."""


def cross_validate(
    texts: Sequence[str],
    labels: Sequence[Label],
    config: Config,
    *,
    num_folds: int,
    task: TaskChoice = "auto",
    label_order: Sequence[str] | None = None,
    validation: tuple[Sequence[str], Sequence[Label | list[str]]] | None = None,
    groups: Sequence[str] | None = None,
    token_table: TokenTable | None = None,
    tokenizer: FileTokenizer | None = None,
    encoder: LanguageModelEncoder | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> dict[str, Any]:
    """How well trainings like this one do on rows that they have not seen.

    Folds are stratified by label, and by group if given. Each classifier makes its choices on its own training rows,
    or on the validation rows, so the rows of its fold are a test.

    Args:
        texts: Any strings.
        labels: One a text, or a tuple of any number of them.
        config: Settings; its seed draws the folds, and its time budget holds for each training.
        num_folds: At least 2.
        task: What a label is, as in `fit`.
        label_order: Labels from lowest to highest, as in `fit`.
        validation: Texts and labels that choose for every fold, as in `fit`.
        groups: Rows of one group stay in one fold.
        token_table: As in `fit`.
        tokenizer: As in `fit`.
        encoder: As in `fit`.
        progress: Told of each stage.
        checkpoint: Written after each fold; folds that it holds are not trained again.

    Returns:
        `num_folds`, `task`, `folds` (of each `num_train`, `num_test`, `num_seen`, the rows whose text stands in other
        folds too, and the figures of its kind of task), `mean` and `spread` (standard deviation over the folds) of the
        figures, and `all_rows`: every metric of all rows together, each answered by the classifier of its fold.
        A figure that some fold has not is None.

    Raises:
        ConfigError: An order of labels is given for a task without one.
        DataError: There are fewer rows, or groups, than folds, or labels that do not fit the task or a fold.
        TrainingError: Nothing could be trained.
    """
    progress, checkpoint = progress or Progress(), checkpoint or Checkpoint()
    first_task = task_of(labels, task, label_order)
    folds = stratified_folds(strata(labels), num_folds, seed=config.train.seed, groups=groups)
    kept = checkpoint.stage("cross_validation")
    done: list[dict[str, Any]] = kept.setdefault("folds", [])
    probabilities = np.zeros((len(labels), len(first_task.labels)))
    decisions = np.zeros_like(first_task.targets(labels))
    for number, fold in enumerate(folds):
        if number >= len(done):
            progress.note(f"fold {number + 1} of {num_folds}")
            rest = np.setdiff1d(np.arange(len(labels)), fold)
            done.append(
                _tested(
                    *(texts, labels, rest, fold, config, first_task),
                    validation=validation,
                    groups=groups,
                    token_table=token_table,
                    tokenizer=tokenizer,
                    encoder=encoder,
                    progress=progress,
                )
            )
            checkpoint.write(checkpoint.seconds_spent)
        probabilities[fold] = done[number]["probabilities"]
        decisions[fold] = done[number]["decisions"]
    figures = [part["figures"] for part in done]
    names = FIGURES[first_task.kind]
    columns = {name: [part[name] for part in figures] for name in names}
    complete = {name: values for name, values in columns.items() if None not in values}
    return {
        "num_folds": num_folds,
        "task": first_task.kind,
        "folds": figures,
        "mean": {name: float(np.mean(complete[name])) if name in complete else None for name in names},
        "spread": {
            name: float(np.std(complete[name], ddof=1)) if name in complete else None for name in names
        },
        "all_rows": evaluate_decisions(first_task, probabilities, decisions, labels),
    }


def _tested(
    texts: Sequence[str],
    labels: Sequence[Label],
    rest: np.ndarray,
    fold: np.ndarray,
    config: Config,
    task: Task,
    *,
    validation: tuple[Sequence[str], Sequence[Label | list[str]]] | None,
    groups: Sequence[str] | None,
    token_table: TokenTable | None,
    tokenizer: FileTokenizer | None,
    encoder: LanguageModelEncoder | None,
    progress: Progress,
) -> dict[str, Any]:
    """One fold: its figures, and probabilities and decisions of its rows in the labels of the whole table."""
    fold_texts, fold_labels = ([values[row] for row in fold.tolist()] for values in (texts, labels))
    known = {name for row in rest.tolist() for name in each_label(labels[row])}
    if len(known) < 2:
        raise DataError(
            f"cross-validation: expected rows of two or more labels outside each fold, got {len(known)}; "
            "take fewer folds or give more rows."
        )
    trained = fit(
        [texts[row] for row in rest.tolist()],
        [labels[row] for row in rest.tolist()],
        config,
        task=task.kind,
        label_order=task.labels if task.kind == "ordinal" else None,
        validation=validation,
        groups=None if groups is None else [groups[row] for row in rest.tolist()],
        token_table=token_table,
        tokenizer=tokenizer,
        encoder=encoder,
        progress=progress,
    )
    progress.begin("testing the fold")
    found = predictor_of(trained).probabilities(fold_texts)
    progress.end()
    figures = evaluate_answers(trained.task, found, fold_labels, num_bootstrap=0)
    seen = texts_seen(fold_texts, trained.digests, trained.reader)
    places = [task.labels.index(name) for name in trained.task.labels]
    probabilities = np.zeros((len(fold), len(task.labels)))
    probabilities[:, places] = found
    return {
        "figures": {
            "num_train": len(rest),
            "num_test": len(fold),
            "num_seen": int(seen.sum()),
            **{name: figures[name] for name in FIGURES[task.kind]},
        },
        "probabilities": probabilities,
        "decisions": task.targets(trained.task.names(trained.task.decide(found))).astype(np.int64),
    }
