"""One training as both ways of choosing share it: rows made ready, branches fitted, built, trained and joined."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from textlattice.batch.collators import BatchMaker, make_collator
from textlattice.batch.pyramid_collate import StateReader
from textlattice.config import Config
from textlattice.data.splits import affordable_rows, strata
from textlattice.errors import DataError, TrainingError
from textlattice.evaluation.calibrate import Mixture, fit_temperature, fit_thresholds
from textlattice.models.classifier import Classifier, WideAndDeep
from textlattice.models.registry import make_classifier
from textlattice.progress import Progress
from textlattice.runtime.token_table import TokenTable
from textlattice.task import Label, Task, each_label
from textlattice.text.vocabulary import MOST_WORDS, Vocabulary
from textlattice.training.checkpoint import Checkpoint
from textlattice.training.corpus import Corpus
from textlattice.training.documents import ReadTexts
from textlattice.training.keys import TokenKeys, frequent_among
from textlattice.training.network import Budget, NetworkRecord, begin_norms, train_network
from textlattice.training.noise import Noise
from textlattice.training.objectives import objective_of
from textlattice.training.optim import keep_freed_memory
from textlattice.training.selection import Candidate, Judge, history_entry
from textlattice.training.tuning import begin_tuning, end_tuning
from textlattice.training.wide import FittedWide, KeyedDocuments, WideFitter
from textlattice.training.word_vectors import MOST_TOKENS, cooccurrence_vectors


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a way of choosing comes to.

    Args:
        model: Both branches on their common scale.
        collator: Makes its batches.
        task: With temperature, thresholds and cut points.
        record: Slices, choices, history.
    """

    model: Classifier
    collator: BatchMaker
    task: Task
    record: dict[str, Any]


class Fitting:
    """One call of `fit`: its settings, task, clock and listener.

    Args:
        config: Settings.
        task: Kind, labels and shares; what is fitted of it comes last.
        progress: Told of each stage.
        token_table: Vectors of words, or None.
        checkpoint: Keeps what was fitted and chosen; None keeps it in memory alone.
        encoder: A language model whose states the network reads, or None.
    """

    def __init__(
        self,
        config: Config,
        task: Task,
        progress: Progress,
        token_table: TokenTable | None = None,
        checkpoint: Checkpoint | None = None,
        encoder: StateReader | None = None,
    ) -> None:
        self.encoder = encoder
        self.config, self.task, self.progress, self.token_table = config, task, progress, token_table
        self.checkpoint = checkpoint or Checkpoint()
        self.budget = Budget(config.train.max_minutes, time.monotonic() - self.checkpoint.seconds_spent)
        self.objective = objective_of(task, config.train)

    def corpus(
        self, read: ReadTexts, labels: Sequence[Label], sample_weight: Sequence[float] | None
    ) -> tuple[Corpus, np.ndarray]:
        """The documents that are not empty and whose label is known, and their places."""
        targets = self.task.targets(labels)
        usable = read.documents.num_tokens > 0
        rows = np.flatnonzero(usable if targets.ndim == 2 else usable & (targets >= 0))
        if not len(rows):
            raise DataError("training needs at least one text with a token, got none; check the text column.")
        targets = targets[rows]
        weights = self.objective.weigh(
            torch.from_numpy(targets),
            None if sample_weight is None else torch.tensor(np.asarray(sample_weight, np.float32)[rows]),
            balanced=self.config.train.class_weight == "balanced",
        )
        corpus = Corpus(
            documents=read.documents.take(rows),
            ngrams=KeyedDocuments(tokens=read.tokens.take(rows), order=self.config.text.ngram_order),
            targets=targets,
            weights=weights,
            digests=read.digests[rows],
        )
        return corpus, rows

    def validation(self, read: ReadTexts, labels: Sequence[Label]) -> Corpus:
        """Rows that choose; a label that no training row has is left out and told, and its row if nothing is left."""
        known = set(self.task.labels)
        strange = [sorted(set(each_label(label)) - known) for label in labels]
        count = sum(map(bool, strange))
        if count:
            unknown = sorted({name for names in strange for name in names})
            if count == len(labels) and self.task.kind != "multi":
                raise DataError(
                    f"validation needs labels of the training rows, {', '.join(self.task.labels[:5])}, "
                    f"got only others, such as {unknown[0]!r}; check the label column."
                )
            what = "lose a label" if self.task.kind == "multi" else "left out"
            self.progress.note(
                f"validation: {count} of {len(labels)} rows {what}, for no training row has their label "
                f"({', '.join(map(repr, unknown[:5]))})"
            )
        return self.corpus(read, labels, None)[0]

    def table_record(self, table: TokenTable, tokens: TokenKeys) -> dict[str, Any]:
        """What the record says of a token table: its size, and the share of the training tokens that it knows."""
        share = tokens.share_in(table.keys)
        if not share:
            raise DataError(
                f"token table: expected words of the training texts, got {len(table.keys)} keys and none of "
                f"{tokens.num_tokens} tokens among them; make it with the text settings of this training."
            )
        self.progress.note(
            f"token table: {len(table.keys):,} vectors of {table.dim} numbers add {table.num_bytes / 1e6:.1f} MB "
            f"to the model; {100 * share:.1f} % of the training tokens have one"
        )
        record = {"num_words": len(table.keys), "channels": table.dim, "bytes": table.num_bytes}
        return {"token_table": record | {"known_token_share": round(share, 5)}}

    def strata(self, corpus: Corpus) -> list[str]:
        """By what rows are spread evenly over slices."""
        return strata(self.task.names(corpus.targets))

    def judge(self, corpus: Corpus) -> Judge:
        """These rows as those that choose."""
        return Judge(
            objective=self.objective,
            targets=corpus.targets,
            weights=corpus.weights.numpy().astype(np.float64),
        )

    def steps_per_epoch(self, num_rows: int) -> int:
        """Batches of so many rows."""
        return -(-num_rows // self.config.train.batch_size_for(num_rows))

    def total_steps(self, num_rows: int) -> int:
        """Length of the schedule for so many rows, before any budget."""
        return self.config.train.total_steps(num_rows)

    def fit_wides(self, corpus: Corpus, grid: tuple[float, ...], share: float = 1.0) -> Iterator[FittedWide]:
        """The wide branch for each penalty; the grid is cut short where it would take a third of the time budget.

        Args:
            corpus: Rows to fit.
            grid: Penalties, the most useful first; the first is always fitted. Of none nothing is fitted.
            share: Part of the budget that this call may reckon with.
        """
        if not grid:
            return
        if self.config.train.wide == "none":
            yield FittedWide.absent(self.task.num_outputs)
            return
        started = time.monotonic()
        weights = corpus.weights.numpy().astype(np.float64)
        fitter = WideFitter(
            corpus.ngrams,
            self.objective.regressions(corpus.targets, weights),
            strata=self.strata(corpus),
            seed=self.config.train.seed,
        )
        if fitter.num_rows < len(corpus.documents):
            self.progress.note(
                f"memory: the wide branch is fitted on {fitter.num_rows:,} of {len(corpus.documents):,} rows"
            )
        self.progress.begin("fitting the wide branch", len(grid) * fitter.num_regressions)
        for place, penalty in enumerate(grid):
            seconds = time.monotonic() - started
            if place and seconds * (place + 1) / place > share * self.budget.seconds / 3:
                self.progress.note(f"time budget: the wide branch tried {place} of {len(grid)} penalties")
                break
            yield fitter.fit(penalty, self.progress)
        self.progress.end()

    def entry(self, epoch: int, train_loss: float, figures: Mapping[str, float]) -> dict[str, Any]:
        """What the record keeps of one epoch; of branches alone nothing where there is but one."""
        entry = history_entry(epoch, train_loss, figures)
        if self.config.train.wide == "none":
            entry = {name: value for name, value in entry.items() if not name.startswith(("wide_", "deep_"))}
        return entry

    def keep(self) -> None:
        """Writes the checkpoint if it is due; between trainings of the network, for that writes its own."""
        if self.checkpoint.due():
            self.checkpoint.write(self.budget.elapsed)

    def build(self, corpus: Corpus, wide: FittedWide) -> tuple[Classifier, BatchMaker]:
        """A fresh network over the words of these rows, the wide branch's tables and the token table."""
        vocabulary = self._vocabulary(corpus, wide)
        collator = make_collator(self.config, vocabulary, self.encoder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.train.seed)
            model = make_classifier(self.config, num_outputs=self.task.num_outputs, vocabulary=vocabulary)
            collator = begin_tuning(model, collator, self.config.train)
        if self.token_table is not None:
            model.fill_injected(torch.from_numpy(self.token_table.vectors))
        if isinstance(model, WideAndDeep):
            if model.word_channels and self.config.train.word_vectors == "cooccurrence":
                vectors = self._word_vectors(corpus, vocabulary, model.word_channels)
                model.fill_words(torch.from_numpy(vectors))
            begin_norms(model, collator, corpus.documents, seed=self.config.train.seed)
        return model, collator

    def train(
        self,
        model: Classifier,
        collator: BatchMaker,
        corpus: Corpus,
        on_epoch: Callable[[int, float], bool],
        *,
        name: str,
        total_steps: int | None = None,
        stop_epoch: int | None = None,
        budget_shares: float | None = 1.0,
        held_out_share: float = 0.0,
    ) -> NetworkRecord:
        """Trains the network of a model, or goes on with it; see `train_network`."""
        keep_freed_memory()  # not before: what counting and the wide branch freed goes back to the system
        train, num_rows = self.config.train, len(corpus.documents)
        return train_network(
            model,
            collator,
            corpus.documents,
            corpus.targets,
            corpus.weights,
            dataclasses.replace(train, batch_size=train.batch_size_for(num_rows)),
            objective=objective_of(self.task, train),
            total_steps=total_steps or self.total_steps(num_rows),
            stop_epoch=stop_epoch,
            budget=self.budget,
            budget_shares=budget_shares,
            held_out_share=held_out_share,
            on_epoch=on_epoch,
            progress=self.progress,
            noise=Noise(share=train.noise, reader=corpus.documents.reader) if train.noise else None,
            checkpoint=self.checkpoint,
            name=name,
        )

    def join(self, model: Classifier, collator: BatchMaker, best: Candidate, wide: FittedWide) -> BatchMaker:
        """Best weights, with the two scales folded in, so that the forward stays a sum; gives the collator for them."""
        a, b = best.mixture.a, best.mixture.b
        if best.state:
            model.load_state_dict(best.state, strict=False)  # tables that do not learn are not in it
        bias = a * wide.bias
        if not (
            b or a * wide.num_rows
        ):  # no branch says anything: the shares do, or the cut points that say them
            bias = np.zeros_like(bias) if self.task.kind == "ordinal" else self.task.empty_logits
        model.join(torch.from_numpy(a * wide.weight), torch.from_numpy(bias), b)
        model.eval()
        if not all(torch.isfinite(value).all() for value in model.state_dict().values()):
            raise TrainingError("the trained weights are not finite; try a smaller train.learning_rate.")
        return end_tuning(model, collator)

    def calibrated(
        self, mixture: Mixture, logits: Float[np.ndarray, "num_rows num_outputs"], corpus: Corpus
    ) -> Task:
        """The task with the cut points of the sum, and temperature and thresholds by logits of held-out rows."""
        task = dataclasses.replace(self.task, cut_points=mixture.cut_points)
        temperature = fit_temperature(
            logits,
            corpus.targets,
            kind=task.kind,
            cut_points=task.cut_points,
            weights=corpus.weights.numpy(),
        )
        task = dataclasses.replace(task, temperature=round(temperature, 6))
        if task.kind != "multi":
            return task
        return dataclasses.replace(
            task, thresholds=fit_thresholds(task.probabilities(logits), corpus.targets)
        )

    def record(
        self,
        slices: dict[str, int],
        wide: FittedWide,
        wide_losses: dict[float, float],
        best: Candidate,
        history: list[dict[str, Any]],
        network: NetworkRecord,
    ) -> dict[str, Any]:
        """What `training.json` keeps of the choices."""
        return {
            "task": self.task.kind,
            "measure": self.objective.measure,
            "slices": slices,
            "wide": {
                "num_ngrams": len(wide.ngrams),
                "num_rows": wide.num_rows,
                "penalty": wide.penalty,
                "selection_log_loss": {str(c): round(v, 5) for c, v in wide_losses.items()},
            },
            "sum": {"a": best.mixture.a, "b": best.mixture.b, "epoch": best.epoch},
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

    def _vocabulary(self, corpus: Corpus, wide: FittedWide) -> Vocabulary:
        """The words that the network knows, as far as its family asks, the n-grams, the words of the token table."""
        injected = np.empty(0, np.uint64) if self.token_table is None else self.token_table.keys
        words, counts = np.empty(0, np.uint64), np.empty(0, np.float32)
        if self.config.model.reads_words:
            words = frequent_among(corpus.tokens.key_parts(), most=MOST_WORDS)
        if self.config.model.reads_counts:
            counts = corpus.tokens.document_counts(words).astype(np.float32)
        return Vocabulary(words=words, ngrams=wide.ngrams, injected=injected, counts=counts)

    def _word_vectors(
        self, corpus: Corpus, vocabulary: Vocabulary, channels: int
    ) -> Float32[np.ndarray, "num_words channels"]:
        """What the rows of the known words begin as, by the company that words keep."""
        self.progress.begin("reading which words keep company")
        tokens = self._company(corpus)
        vectors = cooccurrence_vectors(
            tokens.rows(lambda keys: vocabulary.word_rows(keys) - 1),
            tokens.doc_ptr,
            len(vocabulary.words),
            channels,
            seed=self.config.train.seed,
        )
        self.progress.end()
        return vectors

    def _company(self, corpus: Corpus) -> TokenKeys:
        """The tokens whose company is counted."""
        tokens = corpus.tokens
        if tokens.num_tokens <= MOST_TOKENS:
            return tokens
        seed = self.config.train.seed
        chosen = tokens.take(affordable_rows(tokens.counts, MOST_TOKENS, self.strata(corpus), seed=seed))
        self.progress.note(
            f"memory: word vectors begin with the company of {chosen.num_tokens:,} of {tokens.num_tokens:,} tokens"
        )
        return chosen


def snapshot(model: Classifier) -> dict[str, Tensor]:
    """What training has made of the network so far, copied."""
    return {name: value.detach().clone() for name, value in model.learned().items()}
