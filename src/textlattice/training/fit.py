"""Rows to a fitted classifier: slices, the wide branch, the graph network, their sum, the temperature."""

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt64
from torch import Tensor

from textlattice.batch.collate import Collator
from textlattice.config import Config
from textlattice.data.splits import slice_sizes, stratified_folds, stratified_slices
from textlattice.errors import ConfigError, DataError, TrainingError
from textlattice.evaluation.calibrate import fit_mixture, fit_temperature, log_loss
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.progress import Progress
from textlattice.runtime.cost import document_cost, model_cost
from textlattice.runtime.token_table import TokenTable
from textlattice.task import Task
from textlattice.text.document import Document, read_document
from textlattice.text.lookup import find_rows
from textlattice.text.vocabulary import Vocabulary, frequent_keys
from textlattice.training.corpus import Corpus
from textlattice.training.network import Budget, NetworkRecord, network_logits, train_network
from textlattice.training.objectives import SingleObjective
from textlattice.training.optim import keep_freed_memory
from textlattice.training.wide import GRID, FittedWide, WideFitter, read_keys
from textlattice.training.word_vectors import cooccurrence_vectors

CROSS_FIT_BELOW = 2_000
"""With fewer rows, three-fold cross-fitting takes the place of held-out slices."""
NUM_FOLDS = 3
_COUNTED = 500  # documents whose cost is counted


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A fitted classifier.

    Args:
        config: Settings, as asked for; a token table sets `model.injected_channels`.
        model: In evaluation mode, the wide branch and the network already on their common scale.
        collator: Makes its batches.
        task: Labels, priors, temperature.
        record: What `training.json` holds: slices, choices, history, seconds.
    """

    config: Config
    model: CnnGnnClassifier
    collator: Collator
    task: Task
    record: dict[str, Any]


@dataclass
class Candidate:
    """The best network of a training so far, on the selection rows."""

    loss: float = np.inf
    epoch: int = 0
    scales: tuple[float, float] = (1.0, 0.0)
    deep: np.ndarray | None = None
    state: dict[str, Tensor] = field(default_factory=dict)


def fit(
    texts: Sequence[str],
    labels: Sequence[str],
    config: Config,
    *,
    validation: tuple[Sequence[str], Sequence[str]] | None = None,
    sample_weight: Sequence[float] | None = None,
    groups: Sequence[str] | None = None,
    token_table: TokenTable | None = None,
    progress: Progress | None = None,
) -> Trained:
    """A classifier of texts.

    From 2,000 rows on, a selection slice chooses epoch, penalty and the scales of the sum, and a calibration slice the
    temperature; below, three-fold cross-fitting does, and the final model is trained on all rows.

    Args:
        texts: Any strings; those of which nothing is left teach the priors alone.
        labels: One a text.
        config: Settings.
        validation: Texts and labels in place of the selection slice.
        sample_weight: Weight of each row in all losses.
        groups: Rows of one group stay in one slice.
        token_table: Vectors of words, frozen, that the network reads beside its own; words of a text that training
            has not seen bring theirs too, so the whole table becomes part of the model.
        progress: Told of each stage.

    Raises:
        ConfigError: `model.injected_channels` is set, and not to the width of the token table.
        DataError: There is no text, only one label, lengths differ, or no token has a vector in the token table.
        TrainingError: Nothing could be trained.
    """
    progress = progress or Progress()
    names, counts = _check(texts, labels, sample_weight)
    config = _injecting(config, token_table)
    threads = torch.get_num_threads()
    keep_freed_memory()
    try:
        if config.train.threads:
            torch.set_num_threads(config.train.threads)
        documents = _read(texts, config, progress)
        fitting = _Fitting(config, names, progress, token_table)
        corpus, rows = fitting.corpus(documents, labels, sample_weight)
        if len(rows) < NUM_FOLDS:
            raise DataError(
                f"training needs at least {NUM_FOLDS} texts with a token, got {len(rows)}; "
                "check the text column."
            )
        table_record = {} if token_table is None else fitting.table_record(token_table, corpus.tokens.keys)
        held_out = None
        if validation is not None:
            held_out = fitting.validation(_read(validation[0], config, progress), validation[1])
        group_names = None if groups is None else [groups[row] for row in rows]
        if held_out is not None or len(corpus.documents) >= CROSS_FIT_BELOW:
            model, collator, temperature, record = fitting.with_slices(corpus, held_out, group_names)
        else:
            model, collator, temperature, record = fitting.with_folds(corpus, group_names)
    finally:
        torch.set_num_threads(threads)
    task = Task(
        labels=names, priors=tuple((counts / counts.sum()).tolist()), temperature=round(temperature, 6)
    )
    record = {
        "num_rows": len(texts),
        "num_empty_rows": len(texts) - len(corpus.documents),
        "seconds": round(fitting.budget.elapsed, 1),
        **table_record,
        **record,
        "cost": model_cost(config, collator.vocabulary, len(names))
        | document_cost(collator, config, len(names), corpus.documents[:_COUNTED]),
    }
    return Trained(config=config, model=model.eval(), collator=collator, task=task, record=record)


def _check(
    texts: Sequence[str], labels: Sequence[str], sample_weight: Sequence[float] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the labels, ascending, and their counts."""
    if len(texts) != len(labels) or (sample_weight is not None and len(sample_weight) != len(texts)):
        weights = "no" if sample_weight is None else str(len(sample_weight))
        raise DataError(
            f"training needs one label (and weight) a text, got {len(texts)} texts, {len(labels)} labels "
            f"and {weights} weights."
        )
    counts = Counter(map(str, labels))
    names = tuple(sorted(counts))
    if len(names) < 2:
        found = f"only {names[0]!r} in {len(texts)} rows" if names else "no rows"
        raise DataError(f"training needs rows of two or more labels, got {found}; check the label column.")
    return names, np.array([counts[name] for name in names], np.float64)


def _injecting(config: Config, table: TokenTable | None) -> Config:
    """The settings with the width of the token table's vectors."""
    asked, width = config.model.injected_channels, 0 if table is None else table.dim
    if asked not in (0, width):
        found = "no token table" if table is None else f"a table of width {width}"
        raise ConfigError(
            f"model.injected_channels must be the width of the token table, got {asked} and {found}; "
            f"{'give the table' if table is None else 'leave the setting out'}."
        )
    return dataclasses.replace(config, model=dataclasses.replace(config.model, injected_channels=width))


def _read(texts: Sequence[str], config: Config, progress: Progress) -> list[Document]:
    documents = []
    progress.begin("reading texts", len(texts))
    for text in texts:
        documents.append(read_document(text, config.text))
        progress.advance()
    progress.end()
    return documents


class _Fitting:
    """One call of `fit`: its settings, labels, clock and listener."""

    def __init__(
        self,
        config: Config,
        names: tuple[str, ...],
        progress: Progress,
        token_table: TokenTable | None = None,
    ) -> None:
        self.config, self.names, self.progress, self.token_table = config, names, progress, token_table
        self.budget = Budget(config.train.max_minutes)
        priors = (1 / len(names),) * len(names)
        self.objective = SingleObjective(Task(labels=names, priors=priors), config.train.label_smoothing)

    def corpus(
        self, documents: list[Document], labels: Sequence[str], sample_weight: Sequence[float] | None
    ) -> tuple[Corpus, np.ndarray]:
        """The documents that are not empty and whose label is known, and their places."""
        place = {name: target for target, name in enumerate(self.names)}
        rows = np.array(
            [r for r, doc in enumerate(documents) if doc.num_tokens and str(labels[r]) in place], np.int64
        )
        if not len(rows):
            raise DataError("training needs at least one text with a token, got none; check the text column.")
        documents = [documents[row] for row in rows]
        targets = np.array([place[str(labels[row])] for row in rows], np.int64)
        weights = self.objective.weigh(
            torch.from_numpy(targets),
            None if sample_weight is None else torch.tensor(np.asarray(sample_weight, np.float32)[rows]),
            balanced=self.config.train.class_weight == "balanced",
        )
        tokens, ngrams = read_keys(documents, self.config.text, self.progress)
        return Corpus(
            documents=documents, tokens=tokens, ngrams=ngrams, targets=targets, weights=weights
        ), rows

    def table_record(self, table: TokenTable, keys: UInt64[np.ndarray, " num_tokens"]) -> dict[str, Any]:
        """What the record says of a token table: its size, and the share of the training tokens that it knows."""
        share = float((find_rows(keys, table.keys) >= 0).mean())
        if not share:
            raise DataError(
                f"token table: expected words of the training texts, got {len(table.keys)} keys and none of "
                f"{len(keys)} tokens among them; make it with the text settings of this training."
            )
        self.progress.note(
            f"token table: {len(table.keys):,} vectors of {table.dim} numbers add {table.num_bytes / 1e6:.1f} MB "
            f"to the model; {100 * share:.1f} % of the training tokens have one"
        )
        record = {"num_words": len(table.keys), "channels": table.dim, "bytes": table.num_bytes}
        return {"token_table": record | {"known_token_share": round(share, 5)}}

    def validation(self, documents: list[Document], labels: Sequence[str]) -> Corpus:
        """Rows that choose; those with a label that no training row has are left out, and told."""
        unknown = sorted({str(label) for label in labels} - set(self.names))
        if unknown:
            count = sum(str(label) in set(unknown) for label in labels)
            if count == len(labels):
                raise DataError(
                    f"validation needs labels of the training rows, {', '.join(self.names[:5])}, "
                    f"got only others, such as {unknown[0]!r}; check the label column."
                )
            self.progress.note(
                f"validation: {count} of {len(labels)} rows left out, for no training row has their label "
                f"({', '.join(map(repr, unknown[:5]))})"
            )
        return self.corpus(documents, labels, None)[0]

    def with_slices(
        self, corpus: Corpus, held_out: Corpus | None, groups: list[str] | None
    ) -> tuple[CnnGnnClassifier, Collator, float, dict[str, Any]]:
        """Selection and calibration on held-out slices."""
        labels = [self.names[target] for target in corpus.targets]
        size = min(slice_sizes(len(labels)), max(1, len(labels) // 5))  # small with validation: a fifth
        sizes = [size] if held_out is not None else [size, size]
        slices = stratified_slices(labels, sizes, seed=self.config.train.seed, groups=groups)
        fit_rows, calibration = corpus.take(slices[-1]), corpus.take(slices[-2])
        selection = held_out if held_out is not None else corpus.take(slices[0])

        wide, wide_losses = self._select_wide(fit_rows, selection)
        wide_logits = wide.logits(selection.ngrams)
        model, collator = self._build(fit_rows, wide)
        best = Candidate(scales=(_wide_scale(wide_logits, selection.targets, selection.weights.numpy()), 0.0))
        history: list[dict[str, Any]] = []
        patience = self.config.train.patience

        def on_epoch(epoch: int, train_loss: float) -> bool:
            deep = network_logits(model, collator, selection.documents)
            figures = _judge(wide_logits, deep, selection.targets, selection.weights.numpy())
            self._report(history, epoch, train_loss, figures)
            if figures["log_loss"] < best.loss:
                best.loss, best.epoch, best.scales = figures["log_loss"], epoch, (figures["a"], figures["b"])
                best.state = _snapshot(model)
            return epoch - best.epoch < patience

        record = self._train(
            model,
            collator,
            fit_rows,
            on_epoch,
            held_out_share=len(selection.documents) / len(fit_rows.documents),
        )
        self._finish(model, best, wide, fit_rows.targets)
        logits = best.scales[0] * wide.logits(calibration.ngrams)
        logits = logits + network_logits(model, collator, calibration.documents)
        temperature = fit_temperature(logits, calibration.targets, weights=calibration.weights.numpy())
        slices_used = {
            "fit": len(fit_rows.documents),
            "selection": len(selection.documents),
            "calibration": len(calibration.documents),
        }
        return (
            model,
            collator,
            temperature,
            self._record(slices_used, wide, wide_losses, best, history, record),
        )

    def with_folds(
        self, corpus: Corpus, groups: list[str] | None
    ) -> tuple[CnnGnnClassifier, Collator, float, dict[str, Any]]:
        """Choices by out-of-fold logits, then one training on all rows."""
        labels = [self.names[target] for target in corpus.targets]
        folds = stratified_folds(labels, NUM_FOLDS, seed=self.config.train.seed, groups=groups)
        shape = (len(labels), len(self.names))
        wide_logits: dict[float, np.ndarray] = {}
        deep_logits: dict[int, np.ndarray] = {}  # by epoch, NaN where a fold did not reach it
        history: list[dict[str, Any]] = []
        runs: list[NetworkRecord] = []
        self.progress.note(f"{len(labels)} rows: choices by {NUM_FOLDS}-fold cross-fitting")
        epochs = self._total_steps(len(labels)) / self._steps_per_epoch(len(labels))
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(labels)), fold)
            fit_rows, out = corpus.take(rest), corpus.take(fold)
            grid = tuple(wide_logits) or GRID
            for wide in self._fit_wides(fit_rows, grid, 1 / NUM_FOLDS):
                wide_logits.setdefault(wide.penalty, np.zeros(shape))[fold] = wide.logits(out.ngrams)
            model, collator = self._build(fit_rows, wide)

            def on_epoch(
                epoch: int,
                train_loss: float,
                model: CnnGnnClassifier = model,
                collator: Collator = collator,
                out: Corpus = out,
                fold: np.ndarray = fold,
            ) -> bool:
                deep = network_logits(model, collator, out.documents)
                deep_logits.setdefault(epoch, np.full(shape, np.nan))[fold] = deep
                return True

            planned = max(1, round(epochs * self._steps_per_epoch(len(rest))))
            record = self._train(
                model,
                collator,
                fit_rows,
                on_epoch,
                total_steps=planned,
                budget_shares=None if runs else NUM_FOLDS + NUM_FOLDS / (NUM_FOLDS - 1),
                held_out_share=len(fold) / len(rest),
            )
            runs.append(record)
            if record.stopped:
                self.progress.note(record.stopped)
                break
            if record.total_steps < planned:  # the budget cut the schedule of the first; the others follow
                epochs = record.total_steps / self._steps_per_epoch(len(rest))
        weights = corpus.weights.numpy()
        losses = {
            c: log_loss(
                z / fit_temperature(z, corpus.targets, weights=weights), corpus.targets, weights=weights
            )
            for c, z in wide_logits.items()
        }
        penalty = min(losses, key=lambda c: losses[c])
        best = Candidate(scales=(_wide_scale(wide_logits[penalty], corpus.targets, weights), 0.0))
        for epoch, deep in sorted(deep_logits.items()):
            if np.isfinite(deep).all():
                figures = _judge(wide_logits[penalty], deep, corpus.targets, weights)
                self._report(history, epoch, float("nan"), figures)
                if figures["log_loss"] < best.loss:
                    best.loss, best.epoch = figures["log_loss"], epoch
                    best.scales = (figures["a"], figures["b"])
        (wide,) = self._fit_wides(corpus, (penalty,))
        model, collator = self._build(corpus, wide)
        if best.epoch:

            def keep(epoch: int, train_loss: float) -> bool:
                best.state = _snapshot(model)
                return epoch < best.epoch

            record = self._train(
                model,
                collator,
                corpus,
                keep,
                total_steps=max(1, round(epochs * self._steps_per_epoch(len(labels)))),
                budget_shares=None,
                stop_epoch=best.epoch,
            )
            if not best.state:
                best.scales = (best.scales[0], 0.0)
        self._finish(model, best, wide, corpus.targets)
        a, b = best.scales
        mixed = a * wide_logits[penalty] + (b * deep_logits[best.epoch] if b else 0.0)
        temperature = fit_temperature(mixed, corpus.targets, weights=weights)
        slices_used = {"fit": len(labels), "folds": NUM_FOLDS}
        done = self._record(slices_used, wide, losses, best, history, record)
        done["cross_fitting"] = {
            "steps": sum(run.steps for run in runs),
            "seconds": round(sum(run.seconds for run in runs), 1),
        }
        return model, collator, temperature, done

    def _steps_per_epoch(self, num_rows: int) -> int:
        return -(-num_rows // self.config.train.batch_size)

    def _total_steps(self, num_rows: int) -> int:
        """Length of the schedule for so many rows, before any budget."""
        train = self.config.train
        return train.steps or train.epochs * self._steps_per_epoch(num_rows)

    def _fit_wides(self, corpus: Corpus, grid: tuple[float, ...], share: float = 1.0) -> Iterator[FittedWide]:
        """The wide branch for each penalty; the grid is cut short where it would take a third of the time budget.

        Args:
            corpus: Rows to fit.
            grid: Penalties, the most useful first; the first is always fitted.
            share: Part of the budget that this call may reckon with.
        """
        started = time.monotonic()
        weights = corpus.weights.numpy().astype(np.float64)
        fitter = WideFitter(corpus.ngrams, corpus.targets, weights, len(self.names))
        self.progress.begin("fitting the wide branch", len(grid) * fitter.num_regressions)
        for place, penalty in enumerate(grid):
            seconds = time.monotonic() - started
            if place and seconds * (place + 1) / place > share * self.budget.seconds / 3:
                self.progress.note(f"time budget: the wide branch tried {place} of {len(grid)} penalties")
                break
            yield fitter.fit(penalty, self.progress)
        self.progress.end()

    def _select_wide(self, fit_rows: Corpus, selection: Corpus) -> tuple[FittedWide, dict[float, float]]:
        """The branch with the penalty of least log loss on the selection rows, after one common scale."""
        losses: dict[float, float] = {}
        best: FittedWide | None = None
        for wide in self._fit_wides(fit_rows, GRID):
            logits = wide.logits(selection.ngrams)
            weights = selection.weights.numpy()
            temperature = fit_temperature(logits, selection.targets, weights=weights)
            losses[wide.penalty] = log_loss(logits / temperature, selection.targets, weights=weights)
            if losses[wide.penalty] == min(losses.values()):
                best = wide
        assert best is not None
        return best, losses

    def _build(self, corpus: Corpus, wide: FittedWide) -> tuple[CnnGnnClassifier, Collator]:
        """A fresh network over the words of these rows, the wide branch's tables and the token table."""
        words = frequent_keys(corpus.tokens.keys)
        vocabulary = Vocabulary(words=words, ngrams=wide.ngrams)
        if self.token_table is not None:
            vocabulary = dataclasses.replace(vocabulary, injected=self.token_table.keys)
        collator = Collator(text=self.config.text, graph=self.config.graph, vocabulary=vocabulary)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.train.seed)
            model = CnnGnnClassifier(
                self.config,
                num_outputs=len(self.names),
                num_words=len(words),
                num_ngrams=len(wide.ngrams),
                num_injected=len(vocabulary.injected),
            )
        if self.config.train.word_vectors == "cooccurrence":
            self.progress.begin("reading which words keep company")
            rows = vocabulary.word_rows(corpus.tokens.keys) - np.int32(1)
            vectors = cooccurrence_vectors(
                rows,
                corpus.tokens.doc_ptr,
                len(words),
                self.config.model.channels,
                seed=self.config.train.seed,
            )
            model.fill_words(torch.from_numpy(vectors))
            self.progress.end()
        if self.token_table is not None:
            model.fill_injected(torch.from_numpy(self.token_table.vectors))
        return model, collator

    def _train(
        self,
        model: CnnGnnClassifier,
        collator: Collator,
        corpus: Corpus,
        on_epoch: Any,
        *,
        total_steps: int | None = None,
        stop_epoch: int | None = None,
        budget_shares: float | None = 1.0,
        held_out_share: float = 0.0,
    ) -> NetworkRecord:
        return train_network(
            model,
            collator,
            corpus.documents,
            corpus.targets,
            corpus.weights,
            self.config.train,
            objective=self.objective,
            total_steps=total_steps or self._total_steps(len(corpus.documents)),
            stop_epoch=stop_epoch,
            budget=self.budget,
            budget_shares=budget_shares,
            held_out_share=held_out_share,
            on_epoch=on_epoch,
            progress=self.progress,
        )

    def _report(
        self, history: list[dict[str, Any]], epoch: int, train_loss: float, figures: dict[str, float]
    ) -> None:
        entry = {"epoch": epoch, "train_loss": train_loss, **figures}
        entry = {k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items() if v == v}
        history.append(entry)
        self.progress.epoch(entry)

    def _finish(
        self, model: CnnGnnClassifier, best: Candidate, wide: FittedWide, targets: np.ndarray
    ) -> None:
        """Best weights, with the two scales folded in, so that the forward stays a sum."""
        a, b = best.scales
        if best.state:
            model.load_state_dict(best.state, strict=False)  # tables that do not learn are not in it
        priors = np.bincount(targets, minlength=len(self.names)) / len(targets)
        bias = (
            a * wide.bias if a or b else np.log(np.maximum(priors, 1e-6))
        )  # neither branch says anything: the shares do
        with torch.no_grad():
            model.wide.weight.copy_(torch.from_numpy(a * wide.weight))
            model.wide.bias.copy_(torch.from_numpy(bias))
            model.head.output.weight.mul_(b)
            model.head.output.bias.mul_(b)
        model.eval()
        if not all(torch.isfinite(value).all() for value in model.state_dict().values()):
            raise TrainingError("the trained weights are not finite; try a smaller train.learning_rate.")

    def _record(
        self,
        slices: dict[str, int],
        wide: FittedWide,
        wide_losses: dict[float, float],
        best: Candidate,
        history: list[dict[str, Any]],
        network: NetworkRecord,
    ) -> dict[str, Any]:
        return {
            "slices": slices,
            "wide": {
                "num_ngrams": len(wide.ngrams),
                "penalty": wide.penalty,
                "selection_log_loss": {str(c): round(v, 5) for c, v in wide_losses.items()},
            },
            "sum": {"a": best.scales[0], "b": best.scales[1], "epoch": best.epoch},
            "history": history,
            "network": {
                "total_steps": network.total_steps,
                "steps": network.steps,
                "seconds": round(network.seconds, 1),
                "stopped": network.stopped,
                "diverged": network.diverged,
            },
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


def _wide_scale(wide: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    return fit_mixture(wide, np.zeros_like(wide), targets, weights=weights).a


def _judge(wide: np.ndarray, deep: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Log loss and accuracy of each branch and of their best sum, and its scales."""
    mixture = fit_mixture(wide, deep, targets, weights=weights)
    a, b = mixture.a, mixture.b
    mixed = a * wide + b * deep
    return {
        "log_loss": log_loss(mixed, targets, weights=weights),
        "accuracy": float((mixed.argmax(1) == targets).mean()),
        "deep_log_loss": log_loss(deep, targets, weights=weights),
        "deep_accuracy": float((deep.argmax(1) == targets).mean()),
        "wide_accuracy": float((wide.argmax(1) == targets).mean()),
        "a": a,
        "b": b,
    }


def _snapshot(model: CnnGnnClassifier) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}
