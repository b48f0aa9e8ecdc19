"""Neural baselines of the pyramid's tables: recurrent, convolutional, graphs of words, a language model frozen or not.

Each is trained on the fit rows, its epoch or penalty chosen by log loss on the selection rows; none reads test rows.
"""

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from textlattice.batch.pyramid_batch import PieceWindows
from textlattice.batch.text_batch import ArrayT, Documents
from textlattice.config import Config, TextConfig
from textlattice.encoders.language_model import LEARN_AT_ONCE, LanguageModelEncoder
from textlattice.encoders.tuned import TunedEncoder
from textlattice.models.classifier import Classifier
from textlattice.nn.ragged import segment_max, segment_mean
from textlattice.progress import Progress
from textlattice.task import Task, softmax
from textlattice.text.document import Document, TextReader
from textlattice.text.lookup import find_rows
from textlattice.text.vocabulary import Vocabulary, known_words, word_keys
from textlattice.training.checkpoint import Checkpoint, training_run
from textlattice.training.network import Budget, network_logits
from textlattice.training.network import train_network as train_steps
from textlattice.training.objectives import objective_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the import itself warns
    from torch_geometric.nn import GATConv, GCNConv

Probabilities = Callable[[Sequence[str]], np.ndarray]
WIDTH, HIDDEN, DROPOUT = 128, 128, 0.3
EPOCHS, LEAST_STEPS, BATCH, RATE = 8, 1200, 64, 1e-3
NO_KEYS = np.empty(0, np.uint64)
NO_VOCABULARY = Vocabulary(words=NO_KEYS, ngrams=NO_KEYS, injected=NO_KEYS)
WINDOW = 3
"""Words on each side that a word of a graph is joined with."""
TUNING = {
    **{"train.epochs": 3, "train.batch_size": 32, "train.least_steps": 1, "train.learning_rate": 1e-3},
    **{"train.tune": "full", "train.tune_learning_rate": 5e-5, "train.tune_bfloat16": True},
    **{"train.weight_decay": 0.01, "train.ema_decay": 0.0, "train.label_smoothing": 0.0},
}
"""How a language model learns that stands beside the pyramid: the usual way."""
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Inverse penalties of the regression over states."""
DECAYS, PERCEPTRON_PASSES = (1e-4, 1e-2, 1.0, 10.0), 30
"""Penalties of the perceptron over states, and its passes."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Rows to fit and rows that choose: texts and places of labels."""

    fit_texts: list[str]
    fit_targets: np.ndarray
    selection_texts: list[str]
    selection_targets: np.ndarray
    num_labels: int


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A model that is not ours, trained.

    Args:
        probabilities: It answers with.
        chosen: What the selection rows chose, by name.
        read_seconds: What of its time went into states of a frozen language model.
        former_seconds: What a run before this one, which was cut, spent on it.
    """

    probabilities: Probabilities
    chosen: dict[str, float] = field(default_factory=dict)
    read_seconds: float = 0.0
    former_seconds: float = 0.0


class BiGru(nn.Module):
    """A bidirectional GRU over words; largest and mean state."""

    def __init__(self, num_words: int, num_labels: int) -> None:
        super().__init__()
        self.words = word_table(num_words)
        self.gru = nn.GRU(WIDTH, HIDDEN // 2, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * HIDDEN, num_labels)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """Logits of padded rows of words [num_docs, longest]."""
        packed = pack_padded_sequence(
            self.dropout(self.words(rows)), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        return self.output(self.dropout(_pooled(states, lengths)))


class TextCnn(nn.Module):
    """Convolutions over 3, 4 and 5 words, the largest value of each channel (arXiv 1408.5882)."""

    def __init__(self, num_words: int, num_labels: int) -> None:
        super().__init__()
        self.words = word_table(num_words)
        self.convs = nn.ModuleList(nn.Conv1d(WIDTH, 100, size, padding=size // 2) for size in (3, 4, 5))
        self.output = nn.Linear(300, num_labels)
        self.dropout = nn.Dropout(0.5)

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """Logits of padded rows of words [num_docs, longest]."""
        words, largest = self.words(rows).transpose(1, 2), []
        for conv in self.convs:
            found = F.relu(conv(words))
            many = lengths + found.shape[2] - rows.shape[1]  # of a text alone
            beyond = torch.arange(found.shape[2]) >= many[:, None]
            largest.append(found.masked_fill(beyond[:, None], 0.0).amax(2))
        return self.output(self.dropout(torch.cat(largest, 1)))


class WordGraph(nn.Module):
    """Two graph layers over the words of a document, each joined with those within a window; largest and mean."""

    def __init__(self, num_words: int, num_labels: int, *, attention: bool) -> None:
        super().__init__()
        self.words = word_table(num_words)
        make: Callable[[], nn.Module] = (
            (lambda: GATConv(WIDTH, WIDTH // 4, heads=4)) if attention else (lambda: GCNConv(WIDTH, WIDTH))
        )
        self.layers = nn.ModuleList(make() for _ in range(2))
        self.output = nn.Linear(2 * WIDTH, num_labels)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """Logits of padded rows of words [num_docs, longest]."""
        doc_index = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
        doc_ptr = F.pad(lengths.cumsum(0), (1, 0))
        features = self.dropout(self.words(rows[rows_mask(rows, lengths)]))
        edges = window_edges(doc_index)
        for layer in self.layers:
            features = self.dropout(F.relu(layer(features, edges)))
        pooled = [segment_max(features, doc_index, len(lengths)), segment_mean(features, doc_index, doc_ptr)]
        return self.output(torch.cat(pooled, 1))


def word_table(num_words: int) -> nn.Embedding:
    """Small rows, so that those of rare words can be learned; row 0 fills up and is zero."""
    table = nn.Embedding(num_words, WIDTH, padding_idx=0)
    nn.init.uniform_(table.weight, -0.1, 0.1)
    table.weight.data[0] = 0
    return table


def rows_mask(rows: Tensor, lengths: Tensor) -> Tensor:
    """True where a padded row holds a word."""
    return torch.arange(rows.shape[1]) < lengths[:, None]


def window_edges(doc_index: Tensor) -> Tensor:
    """Edges both ways between words of one document that stand within the window, [2, num_edges]."""
    places = torch.arange(len(doc_index))
    edges = []
    for distance in range(1, WINDOW + 1):
        same = doc_index[distance:] == doc_index[: len(doc_index) - distance]
        first, second = places[: len(places) - distance][same], places[distance:][same]
        edges += [torch.stack([first, second]), torch.stack([second, first])]
    return torch.cat(edges, 1)


def _pooled(states: Tensor, lengths: Tensor) -> Tensor:
    mask = rows_mask(states, lengths)[:, :, None]
    return torch.cat([states.masked_fill(~mask, -1e4).amax(1), (states * mask).sum(1) / lengths[:, None]], 1)


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "Bi-GRU": BiGru,
    "TextCNN": TextCnn,
    "GCN": lambda num_words, num_labels: WordGraph(num_words, num_labels, attention=False),
    "GAT": lambda num_words, num_labels: WordGraph(num_words, num_labels, attention=True),
}


def train_network(name: str, parts: Parts, reader: TextReader, *, seed: int) -> Learned:
    """A network over words; the best pass by log loss on the selection rows stays.

    There are `EPOCHS` passes, or as many as give `LEAST_STEPS`.
    """
    torch.manual_seed(seed)
    documents = [reader.read(text) for text in parts.fit_texts]
    known = known_words((document.forms() for document in documents), reader.config)
    rows = [_word_rows(document, reader, known) for document in documents]
    model = NETWORKS[name](len(known) + 2, parts.num_labels)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE)
    generator = np.random.default_rng(seed)

    def probabilities(texts: Sequence[str]) -> np.ndarray:
        model.eval()
        words = [_word_rows(reader.read(text), reader, known) for text in texts]
        order = np.argsort([len(row) for row in words], kind="stable")
        found = np.zeros((len(texts), parts.num_labels))
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                found[chosen] = model(*_padded([words[row] for row in chosen])).double().softmax(1).numpy()
        return found

    best, best_pass, state = np.inf, 0, model.state_dict()
    num_passes = max(EPOCHS, -(-LEAST_STEPS // -(-len(rows) // BATCH)))
    for number in range(1, num_passes + 1):
        model.train()
        order = generator.permutation(len(rows))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            logits = model(*_padded([rows[row] for row in chosen]))
            optimiser.zero_grad()
            F.cross_entropy(logits, torch.from_numpy(parts.fit_targets[chosen])).backward()
            optimiser.step()
        loss = _log_loss(parts, probabilities(parts.selection_texts))
        if loss < best:
            best, best_pass = loss, number
            state = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    return Learned(probabilities=probabilities, chosen={"pass": best_pass, "of": num_passes})


@dataclass(frozen=True, kw_only=True)
class PieceBatch(Generic[ArrayT]):
    """The first pieces of texts.

    Args:
        pieces: As a language model reads them.
        documents: Whose each piece is.
    """

    pieces: PieceWindows[ArrayT]
    documents: Documents[ArrayT]


@dataclass(frozen=True, kw_only=True)
class FirstPieces:
    """Makes batches of the first pieces of texts.

    Args:
        encoder: The language model that they are for.
        most_tokens: Pieces of a text at most, special ones included.
    """

    encoder: LanguageModelEncoder
    most_tokens: int
    vocabulary: Vocabulary = NO_VOCABULARY

    def collate(self, documents: Sequence[Document]) -> PieceBatch[np.ndarray]:
        """A batch."""
        most = own_tokens(self.encoder, self.most_tokens)
        cut = [self.encoder.tokenizer.pieces(document.normalised.text)[0][:most] for document in documents]
        counts = np.array([*map(len, cut)], np.int32)
        owner = np.repeat(np.arange(len(cut), dtype=np.int32), counts)
        doc_ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        pieces = self.encoder.windows_of(cut, LEARN_AT_ONCE)
        return PieceBatch(pieces=pieces, documents=Documents(doc_ptr=doc_ptr, doc_index=owner))

    def collate_for_training(self, documents: Sequence[Document], salt: int) -> PieceBatch[np.ndarray]:
        """The same: nothing is drawn."""
        return self.collate(documents)


class FineTuned(Classifier):
    """The mean last state of a language model that learns, and one layer.

    Args:
        encoder: The language model; a copy of it learns.
        num_labels: Labels.
    """

    def __init__(self, encoder: LanguageModelEncoder, num_labels: int) -> None:
        super().__init__()
        self.encoder = TunedEncoder(encoder, "full", rank=0, bfloat16=True)
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(encoder.channels, num_labels)

    def tuned(self) -> list[nn.Parameter]:
        """Parameters of the language model."""
        return [*self.encoder.parameters()]

    def deep_logits(self, batch: PieceBatch[Tensor]) -> Tensor:
        """Logits; those of a text without a piece are of zeros."""
        states = self.encoder.read(batch.pieces)[-1]
        mean = segment_mean(states, batch.documents.doc_index, batch.documents.doc_ptr)
        return self.output(self.dropout(mean))


def fine_tuned(
    parts: Parts, encoder: LanguageModelEncoder, *, most_tokens: int, seed: int, folder: Path
) -> Learned:
    """A language model that learns; the best pass by log loss on the selection rows stays.

    A run that was cut goes on after its last pass.

    Args:
        parts: Rows.
        encoder: The language model, of which a copy learns.
        most_tokens: Pieces from the beginning of a text that are read, special ones included.
        seed: Of the first weights of the layer, the order of rows and dropout.
        folder: Where passes are kept until all are done.
    """
    config = Config().with_settings(TUNING | {"train.seed": seed}).train
    learned_from = {"rows": parts, "language model": encoder.digest.hex(), "most tokens": most_tokens}
    run = training_run(Config(train=config), learned_from, threads=torch.get_num_threads())
    checkpoint = Checkpoint(folder / run.digest[:16], run)
    if checkpoint.exists():
        checkpoint.resume()
    former, best = checkpoint.seconds_spent, checkpoint.stage("best")
    torch.manual_seed(seed)
    model, collator = (
        FineTuned(encoder, parts.num_labels),
        FirstPieces(encoder=encoder, most_tokens=most_tokens),
    )
    reader = TextReader(config=TextConfig(tokenizer="file"), cut=encoder.tokenizer)
    documents = [reader.read(text) for text in parts.fit_texts]
    names = tuple(map(str, range(parts.num_labels)))
    task = Task(labels=names, priors=(1 / parts.num_labels,) * parts.num_labels)

    def probabilities(texts: Sequence[str]) -> np.ndarray:
        return softmax(network_logits(model.eval(), collator, [reader.read(text) for text in texts]))

    def on_epoch(epoch: int, train_loss: float) -> bool:
        loss = _log_loss(parts, probabilities(parts.selection_texts))
        print(f"  pass {epoch}: log loss {loss:.4f}", file=sys.stderr, flush=True)
        if loss < best.get("loss", np.inf):
            state = {name: value.numpy().copy() for name, value in model.state_dict().items()}
            best.update({"loss": loss, "state": state, "pass": epoch})
        return True

    train_steps(
        model,
        collator,
        documents,
        parts.fit_targets,
        torch.ones(len(documents)),
        config,
        objective=objective_of(task, config),
        total_steps=config.total_steps(len(documents)),
        budget=Budget(None, time.monotonic() - former),
        on_epoch=on_epoch,
        progress=Progress(),
        checkpoint=checkpoint,
    )
    model.load_state_dict({name: torch.from_numpy(value) for name, value in best["state"].items()})
    checkpoint.remove()
    chosen = {"pass": best["pass"], "of": config.epochs or 0}
    return Learned(probabilities=probabilities, chosen=chosen, former_seconds=former)


def own_tokens(encoder: LanguageModelEncoder, most_tokens: int) -> int:
    """Tokens of a text that are read where so many are read with the special ones."""
    return most_tokens - len(encoder.before) - len(encoder.after)


def _word_rows(document: Document, reader: TextReader, known: np.ndarray) -> np.ndarray:
    """Rows of the words of a text: 0 pads, 1 stands for an unknown word; a text without words is one unknown word."""
    rows = find_rows(word_keys(document.forms(), reader.config), known).astype(np.int64) + 2
    return rows if len(rows) else np.ones(1, np.int64)


def _padded(rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    padded = nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)
    return padded, lengths


def _log_loss(parts: Parts, probabilities: np.ndarray) -> float:
    return float(log_loss(parts.selection_targets, probabilities, labels=range(parts.num_labels)))


def over_frozen_states(
    parts: Parts,
    encoder: LanguageModelEncoder,
    reader: TextReader,
    *,
    seed: int,
    most_tokens: int | None = None,
    hidden: int | None = None,
) -> Learned:
    """A classifier over the mean last state of a frozen language model, the penalty by the selection rows.

    With the penalty that was chosen it is fitted to these rows too, as linear baselines are.

    Args:
        parts: Rows.
        encoder: The language model; its last layer is read.
        reader: Cuts texts into its tokens.
        seed: Of the perceptron.
        most_tokens: Tokens from the beginning of a text that are read, special ones included; None reads all.
        hidden: Width of the hidden layer of a perceptron; None takes a logistic regression.
    """

    def cut(text: str) -> Document:
        document = reader.read(text)
        if most_tokens is None or document.num_tokens <= own_tokens(encoder, most_tokens):
            return document
        end = document.ends[own_tokens(encoder, most_tokens) - 1]
        return reader.read(document.normalised.text[:end])

    def features(texts: Sequence[str]) -> np.ndarray:
        documents = [cut(text) for text in texts]
        order = np.argsort([document.num_tokens for document in documents], kind="stable")
        found = np.zeros((len(texts), encoder.channels), np.float32)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            states = encoder.states([documents[row] for row in chosen])[:, -encoder.channels :]
            bounds = np.cumsum([documents[row].num_tokens for row in chosen])
            for row, own in zip(chosen, np.split(states, bounds[:-1]), strict=True):
                mean = own.mean(0) if len(own) else found[row]
                found[row] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return found

    def fitted(penalty: float, rows: np.ndarray, targets: np.ndarray) -> Any:
        if hidden is None:
            return LogisticRegression(C=penalty, max_iter=1000).fit(rows, targets)
        settings = {"alpha": penalty, "batch_size": min(BATCH, len(rows)), "max_iter": PERCEPTRON_PASSES}
        model = make_pipeline(StandardScaler(), MLPClassifier((hidden,), random_state=seed, **settings))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped by the number of passes
            return model.fit(rows, targets)

    start = time.perf_counter()
    fit_rows, selection = features(parts.fit_texts), features(parts.selection_texts)
    read_seconds = time.perf_counter() - start
    penalties = STRENGTHS if hidden is None else DECAYS
    losses = {
        penalty: _log_loss(parts, fitted(penalty, fit_rows, parts.fit_targets).predict_proba(selection))
        for penalty in penalties
    }
    penalty = min(losses, key=lambda penalty: losses[penalty])
    targets = np.concatenate([parts.fit_targets, parts.selection_targets])
    best = fitted(penalty, np.concatenate([fit_rows, selection]), targets)
    return Learned(
        probabilities=lambda texts: best.predict_proba(features(texts)),
        chosen={"C" if hidden is None else "alpha": penalty},
        read_seconds=read_seconds,
    )
