"""Neural baselines of the pyramid's tables: recurrent, convolutional, graphs of words, a language model frozen or not.

Each is trained on the fit rows, its epoch or penalty chosen by log loss on the selection rows; none reads test rows.
"""

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from textlattice.batch.sampler import balanced_batches
from textlattice.batch.text_batch import map_arrays
from textlattice.encoders.language_model import LanguageModelEncoder
from textlattice.encoders.tuned import TunedEncoder
from textlattice.hashing import mix
from textlattice.nn.ragged import segment_max, segment_mean
from textlattice.text.document import Document, TextReader
from textlattice.text.lookup import find_rows
from textlattice.text.vocabulary import known_words, word_keys
from textlattice.training.optim import one_cycle

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the import itself warns
    from torch_geometric.nn import GATConv, GCNConv

Probabilities = Callable[[Sequence[str]], np.ndarray]
WIDTH, HIDDEN, DROPOUT = 128, 128, 0.3
EPOCHS, BATCH, RATE = 8, 64, 1e-3
WINDOW = 3
"""Words on each side that a word of a graph is joined with."""
TUNE_EPOCHS, TUNE_BATCH, TUNE_RATE = 3, 32, 5e-5
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Rows to fit and rows that choose: texts and places of labels."""

    fit_texts: list[str]
    fit_targets: np.ndarray
    selection_texts: list[str]
    selection_targets: np.ndarray
    num_labels: int


class BiGru(nn.Module):
    """A bidirectional GRU over words; largest and mean state."""

    def __init__(self, num_words: int, num_labels: int) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words, WIDTH, padding_idx=0)
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
        self.words = nn.Embedding(num_words, WIDTH, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(WIDTH, 100, size, padding=size // 2) for size in (3, 4, 5))
        self.output = nn.Linear(300, num_labels)
        self.dropout = nn.Dropout(0.5)

    def forward(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """Logits of padded rows of words [num_docs, longest]."""
        words = self.words(rows).transpose(1, 2)
        largest = [F.relu(conv(words)).amax(2) for conv in self.convs]
        return self.output(self.dropout(torch.cat(largest, 1)))


class WordGraph(nn.Module):
    """Two graph layers over the words of a document, each joined with those within a window; largest and mean."""

    def __init__(self, num_words: int, num_labels: int, *, attention: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words, WIDTH, padding_idx=0)
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


def train_network(name: str, parts: Parts, reader: TextReader, *, seed: int) -> Probabilities:
    """A network over words, trained for `EPOCHS` passes; the best pass by log loss on the selection rows stays."""
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

    best, state = np.inf, model.state_dict()
    for _ in range(EPOCHS):
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
            best, state = loss, {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    return probabilities


class FineTuned(nn.Module):
    """The mean last state of a language model that learns, and one layer.

    Args:
        encoder: The language model; a copy of it learns.
        num_labels: Labels.
        most_tokens: Pieces from the beginning of a text that are read, special ones included.
    """

    def __init__(self, encoder: LanguageModelEncoder, num_labels: int, most_tokens: int) -> None:
        super().__init__()
        self.tuned = TunedEncoder(encoder, "full", rank=0, bfloat16=True)
        self.output = nn.Linear(encoder.channels, num_labels)
        self.dropout = nn.Dropout(0.1)
        self.encoder = encoder
        self.most_pieces = most_tokens - len(encoder.before) - len(encoder.after)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Logits; a text without a token has the logits of zeros."""
        cut = [self.encoder.tokenizer.pieces(text)[0][: self.most_pieces] for text in texts]
        rows = torch.zeros(len(texts), self.encoder.channels)
        pieces = map_arrays(self.encoder.windows_of(cut), torch.from_numpy)
        doc_index = torch.repeat_interleave(torch.arange(len(texts)), torch.tensor([*map(len, cut)]))
        if len(doc_index):
            doc_ptr = F.pad(torch.tensor([*map(len, cut)]).cumsum(0), (1, 0))
            rows = segment_mean(self.tuned.read(pieces)[-1], doc_index, doc_ptr)
        return self.output(self.dropout(rows))


def fine_tuned(
    parts: Parts, encoder: LanguageModelEncoder, *, most_tokens: int, seed: int, folder: Path
) -> Probabilities:
    """A language model that learns for `TUNE_EPOCHS` passes; the best pass by log loss on the selection rows stays.

    After each pass it is written, and a run that was cut goes on from there.

    Args:
        parts: Rows.
        encoder: The language model.
        most_tokens: Tokens from the beginning of a text that are read.
        seed: Of the first layer's weights, the order of rows and dropout.
        folder: Where passes are kept while it is under way.
    """
    torch.manual_seed(seed)
    model = FineTuned(encoder, parts.num_labels, most_tokens)
    optimiser = torch.optim.AdamW(model.parameters(), lr=TUNE_RATE, weight_decay=0.01)
    loads = np.array([*map(len, parts.fit_texts)])
    batches = [balanced_batches(loads, TUNE_BATCH, seed=seed, epoch=epoch) for epoch in range(TUNE_EPOCHS)]
    total = sum(map(len, batches))

    def probabilities(texts: Sequence[str]) -> np.ndarray:
        model.eval()
        with torch.inference_mode():
            found = [model(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return torch.cat(found).double().softmax(1).numpy()

    losses = _take_up(model, optimiser, folder)
    for epoch in range(len(losses), TUNE_EPOCHS):
        model.train()
        step = sum(map(len, batches[:epoch]))
        for number, rows in enumerate(batches[epoch], step):
            for group in optimiser.param_groups:
                group["lr"] = TUNE_RATE * one_cycle(number, total, warm_up=0.1)
            torch.manual_seed(mix(seed, number))
            logits = model([parts.fit_texts[row] for row in rows])
            optimiser.zero_grad()
            F.cross_entropy(logits, torch.from_numpy(parts.fit_targets[rows])).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        losses.append(_log_loss(parts, probabilities(parts.selection_texts)))
        print(f"  pass {epoch + 1}: log loss {losses[-1]:.4f}", file=sys.stderr, flush=True)
        _put_down(model, optimiser, losses, folder)
    best = load_file(folder / f"{int(np.argmin(losses))}.safetensors")
    model.load_state_dict({name: best[name] for name in model.state_dict()})
    return probabilities


def _put_down(model: nn.Module, optimiser: torch.optim.Optimizer, losses: list[float], folder: Path) -> None:
    """Writes what the next pass reads of this one: weights, moments, losses."""
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for moment, value in optimiser.state.get(parameter, {}).items():
            tensors[f"{moment} {name}"] = value
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / "aside"
    save_file(tensors, aside, metadata={"losses": json.dumps(losses)})
    aside.replace(folder / f"{len(losses) - 1}.safetensors")


def _take_up(model: nn.Module, optimiser: torch.optim.Optimizer, folder: Path) -> list[float]:
    """Puts back the newest pass of a folder; the losses of all, none where nothing was written."""
    paths = [folder / f"{epoch}.safetensors" for epoch in range(TUNE_EPOCHS)]
    newest = max((path for path in paths if path.exists()), default=None)
    if newest is None:
        return []
    tensors = load_file(newest)
    model.load_state_dict({name: tensors[name] for name in model.state_dict()})
    for name, parameter in model.named_parameters():
        if f"exp_avg {name}" in tensors:
            moments = ("step", "exp_avg", "exp_avg_sq")
            optimiser.state[parameter] = {moment: tensors[f"{moment} {name}"].clone() for moment in moments}
    with safe_open(newest, "pt") as file:
        losses: list[float] = json.loads(file.metadata()["losses"])
    return losses


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


def frozen_regression(
    parts: Parts, encoder: LanguageModelEncoder, reader: TextReader, *, most_tokens: int | None = None
) -> Probabilities:
    """Logistic regression over the mean last state of a frozen language model, the penalty by the selection rows.

    Args:
        parts: Rows.
        encoder: The language model; its last layer is read.
        reader: Cuts texts into its tokens.
        most_tokens: Tokens from the beginning of a text that are read; None reads all.
    """

    def features(texts: Sequence[str]) -> np.ndarray:
        rows = []
        for text in texts:
            states = encoder.states([reader.read(text)])[:most_tokens, -encoder.channels :]
            mean = states.mean(0) if len(states) else np.zeros(encoder.channels, np.float32)
            rows.append(mean / max(float(np.linalg.norm(mean)), 1e-12))
        return np.array(rows)

    fit_rows, selection = features(parts.fit_texts), features(parts.selection_texts)
    models: list[tuple[float, Any]] = []
    for penalty in PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=1000).fit(fit_rows, parts.fit_targets)
        models.append((_log_loss(parts, model.predict_proba(selection)), model))
    best = min(models, key=lambda scored: scored[0])[1]
    return lambda texts: best.predict_proba(features(texts))
