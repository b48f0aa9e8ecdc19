"""Hidden states of a language model: texts of any length in overlapping windows, stitched, kept on disk."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Float32, Int64

from textlattice.artefact.model_files import read_plain
from textlattice.batch.pyramid_batch import Pieces, PieceWindows
from textlattice.batch.text_batch import map_arrays
from textlattice.encoders.network import (
    network_files,
    network_of_files,
    open_network,
    run_layers,
    settings_of,
)
from textlattice.encoders.state_cache import StateCache
from textlattice.errors import DataError
from textlattice.text.document import Document
from textlattice.text.hf_tokenizer import TOKENIZER, FileTokenizer
from textlattice.text.tokenizer_json import MAX_BYTES

_LONGEST = 4096  # pieces of a window where the model names no limit, or a larger one
_OVERLAP = 4  # a window shares 1/4 of its pieces with the one before it
_RUN_AT_ONCE = 8192  # pieces, padding included
LEARN_AT_ONCE = 2048
"""The same where it learns: the fewer, the less is filled up and the less must be remembered."""
_SPARE = 2  # positions that some models leave unused at the start
_ROUNDING = 0.02  # of the largest state: more than that is no rounding


class LanguageModelEncoder:
    """The states of each token of a text, of some layers, float16 on disk and float32 for whom it is asked.

    A text is read in windows that overlap by a quarter; each token takes its states from the window in whose inside it
    stands deepest, so nothing is cut off, and a text of one window is read as the model reads it. States are rounded to
    float16, so what texts are read together may change one by its last bit; from the cache they are the same bits.

    Args:
        network: A model of the library `transformers`, frozen here.
        tokenizer: Its tokenizer; tokens of documents are its pieces.
        num_layers: Layers whose states are given, evenly spread up to the last.
        cache: Keeps states by the digest of model and text; None keeps nothing.
    """

    def __init__(
        self, network: Any, tokenizer: FileTokenizer, *, num_layers: int, cache: StateCache | None = None
    ) -> None:
        self.network, self.tokenizer, self.cache = network.eval().requires_grad_(False), tokenizer, cache
        depth = int(network.config.num_hidden_layers)
        if not 1 <= num_layers <= depth:
            raise DataError(
                f"model.num_states must lie in 1..{depth}, the layers of the language model, got {num_layers}."
            )
        rows = len(network.get_input_embeddings().weight)
        self.before, self.after = tokenizer.frame()
        largest = max([tokenizer.num_rows - 1, *self.before, *self.after])
        if largest >= rows:
            raise DataError(
                f"expected {TOKENIZER} to number its pieces below {rows:,}, the rows of the model's table, got "
                f"{largest:,}; take the tokenizer that the model was trained with."
            )
        self.layers = [round(depth * (place + 1) / num_layers) for place in range(num_layers)]
        self.channels = int(network.config.hidden_size)
        limit = int(getattr(network.config, "max_position_embeddings", 0) or 0)
        limit = min(limit, _LONGEST) if limit > 0 else _LONGEST  # some models say 0 or -1 for none
        self.window = limit - len(self.before) - len(self.after) - _SPARE
        if self.window < 1:
            raise DataError(
                f"expected a language model that reads more than {limit - self.window} pieces at once, the special "
                f"ones among them, got {limit}; take another model."
            )
        self._digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of weights, settings, tokenizer, layers and windows: of what states depend on beside the text."""
        if self._digest is None:
            digest = hashlib.sha256(self.tokenizer.content)
            for name, value in self.network.state_dict().items():
                digest.update(f"{name} {tuple(value.shape)}".encode())
                digest.update(value.contiguous().numpy().tobytes())
            digest.update(json.dumps([settings_of(self.network), self.layers, self.window]).encode())
            self._digest = digest.digest()
        return self._digest

    def states(self, documents: Sequence[Document]) -> Float32[np.ndarray, "num_tokens width"]:
        """Of each token of these documents, the states of all layers side by side, the lowest first."""
        texts = [document.normalised.text for document in documents]
        passing = {text for text, document in zip(texts, documents, strict=True) if document.is_spoiled}
        kept = {text: self._kept(text) for text in dict.fromkeys(texts)}
        found = {text: states for text, states in kept.items() if states is not None}
        sizes = {text: len(found[text] if text in found else self.tokenizer(text)[0]) for text in kept}
        is_whole = [document.num_tokens == sizes[document.normalised.text] for document in documents]
        missing = [text for text in dict.fromkeys(compress(texts, is_whole)) if text not in found]
        for text, states in zip(missing, self.read(missing), strict=True):
            found[text] = states
            if self.cache is not None and text not in passing:
                self.cache.put(self._key(text), states)
        parts = [document for document, whole in zip(documents, is_whole, strict=True) if not whole]
        of_parts = iter(self._of_parts(parts))
        rows = [found[text] if whole else next(of_parts) for text, whole in zip(texts, is_whole, strict=True)]
        nothing = np.empty((0, len(self.layers) * self.channels), np.float32)
        return np.concatenate([nothing, *(states.astype(np.float32) for states in rows)])

    def _of_parts(self, documents: Sequence[Document]) -> list[Float16[np.ndarray, "_ width"]]:
        """States of documents that are less than their texts, as explanations make them: nothing of these is kept.

        The text is read without what no token covers; a token takes the mean of the pieces that share characters with
        it, zeros without any.
        """
        cut = [_covered(document) for document in documents]
        found = []
        for (text, starts, ends), states in zip(cut, self.read([text for text, _, _ in cut]), strict=True):
            first, last = self.tokenizer(text)
            begin, end = np.searchsorted(last, starts, "right"), np.searchsorted(first, ends, "left")
            sums = np.concatenate([np.zeros((1, states.shape[1])), np.cumsum(states, 0, np.float64)])
            count = np.maximum(end - begin, 1)[:, None]
            found.append(((sums[np.maximum(end, begin)] - sums[begin]) / count).astype(np.float16))
        return found

    def _kept(self, text: str) -> Float16[np.ndarray, "num_tokens width"] | None:
        kept = None if self.cache is None else self.cache.get(self._key(text))
        fits = kept is not None and kept.dtype == np.float16 and kept.ndim == 2
        return kept if fits and kept.shape[1] == len(self.layers) * self.channels else None  # type: ignore[union-attr]

    def _key(self, text: str) -> bytes:
        return self.digest + text.encode("utf-8", "surrogatepass")

    def read(self, texts: Sequence[str]) -> list[Float16[np.ndarray, "_ width"]]:
        """The states of texts by running the model."""
        cut = [self.tokenizer.pieces(text) for text in texts]
        pieces = self.windows_of([ids for ids, _ in cut], _RUN_AT_ONCE)
        nothing = np.empty((0, len(self.layers) * self.channels), np.float16)
        rows = np.concatenate([nothing, *map(self._run, pieces.windows)])
        bounds = np.cumsum([len(ids) for ids, _ in cut])[:-1]
        of_texts = np.split(pieces.place, bounds) if cut else []
        return [rows[place[tokens]] for place, (_, tokens) in zip(of_texts, cut, strict=True)]

    def pieces(self, documents: Sequence[Document]) -> PieceWindows[np.ndarray]:
        """The same windows for a network that learns; documents are whole texts."""
        cut = [self.tokenizer.pieces(document.normalised.text) for document in documents]
        read = self.windows_of([ids for ids, _ in cut], LEARN_AT_ONCE)
        starts = np.cumsum([0, *(len(ids) for ids, _ in cut)])
        tokens = [start + places for start, (_, places) in zip(starts[:-1], cut, strict=True)]
        return PieceWindows(
            windows=read.windows, place=read.place[np.concatenate([np.empty(0, np.int64), *tokens])]
        )

    def windows_of(self, texts: Sequence[Int64[np.ndarray, " _"]], most: int) -> PieceWindows[np.ndarray]:
        """Windows of texts given as numbers of pieces, each piece of them a token.

        Args:
            texts: Numbers of the pieces of each.
            most: Pieces that are run together, what is filled up included; at least one window.
        """
        found = [np.empty(len(ids), np.int64) for ids in texts]
        windows, offset = [], 0
        for part in self._batches(texts, most):
            windows.append(self._framed([ids for _, _, ids in part]))
            width = windows[-1].ids.shape[1]
            for number, (row, start, ids) in enumerate(part):
                owned = owned_pieces(start, len(ids), len(found[row]), self.window)
                first = offset + number * width + len(self.before)
                found[row][start + owned.start : start + owned.stop] = first + np.arange(len(ids))[owned]
            offset += windows[-1].ids.size
        return PieceWindows(windows=tuple(windows), place=np.concatenate([np.empty(0, np.int64), *found]))

    def _batches(
        self, texts: Sequence[Int64[np.ndarray, " _"]], most: int
    ) -> list[list[tuple[int, int, Any]]]:
        """Windows as (text, start, pieces): those of about one length together, at most so many pieces once padded."""
        windows = [
            (row, start, ids[start : start + self.window])
            for row, ids in enumerate(texts)
            for start in window_starts(len(ids), self.window).tolist()
        ]
        batches: list[list[tuple[int, int, Any]]] = []
        for window in sorted(windows, key=lambda window: len(window[2])):
            size = len(window[2]) + len(self.before) + len(self.after)
            if batches and size * (len(batches[-1]) + 1) <= most:
                batches[-1].append(window)
            else:
                batches.append([window])
        return batches

    def _framed(self, windows: Sequence[Int64[np.ndarray, " _"]]) -> Pieces[np.ndarray]:
        """Windows between the special tokens, filled up to the longest."""
        rows = [[*self.before, *ids.tolist(), *self.after] for ids in windows]
        width = max(map(len, rows))
        return Pieces(
            ids=np.array([row + [0] * (width - len(row)) for row in rows], np.int64),
            filled=np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows], np.int64),
        )

    def _run(self, windows: Pieces[np.ndarray]) -> Float16[np.ndarray, "num_pieces width"]:
        """The states of windows, row by row, those of special pieces and of what is filled up too."""
        framed = map_arrays(windows, torch.from_numpy)
        with torch.inference_mode():
            try:
                states = run_layers(self.network, framed, self.layers)
            except (
                Exception
            ) as error:  # of a network that wants other input, or whose settings and weights differ
                raise DataError(
                    f"gives no hidden states of a text ({type(error).__name__}: {' '.join(str(error).split())[:200]}); "
                    "take another language model."
                ) from error
            if states.shape[2] != len(self.layers) * self.channels:
                raise DataError(
                    f"expected hidden states of width {self.channels}, got {states.shape[2] // len(self.layers)}; take "
                    "another language model."
                )
            if not states[framed.filled.bool()].isfinite().all():
                raise DataError("the language model gives states that are not finite; take another model.")
            largest = torch.finfo(torch.float16).max
            halves: np.ndarray = states.clamp(-largest, largest).half().flatten(0, 1).numpy()
        return halves

    def files(self) -> dict[str, bytes]:
        """What a model folder keeps of it, the tokenizer aside."""
        return network_files(self.network)

    def __reduce__(self) -> tuple[Any, ...]:
        """As what a model folder keeps: the library hangs functions on its networks that cannot be pickled."""
        again = partial(encoder_of_files, num_layers=len(self.layers), cache=self.cache)
        return again, (self.files(), self.tokenizer)

    def cost(self) -> dict[str, int]:
        """Numbers in the model, those of its table of pieces and of a row of it, and FLOPs (2 x multiply-add) a piece
        in a window of 64, attention included.
        """
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.utils.flop_counter import FlopCounterMode

        length = min(64, self.window)
        unfused = sdpa_kernel(SDPBackend.MATH)  # a fused attention is not counted
        with unfused, FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.network(
                input_ids=torch.zeros(1, length, dtype=torch.int64),
                attention_mask=torch.ones(1, length, dtype=torch.int64),
            )
        words = self.network.get_input_embeddings().weight
        return {
            "parameters": sum(value.numel() for value in self.network.parameters()),
            "word_parameters": words.numel(),
            "word_channels": words.shape[1],
            "flops_per_token": round(counter.get_total_flops() / length),
        }


def _covered(
    document: Document,
) -> tuple[str, Int64[np.ndarray, " num_tokens"], Int64[np.ndarray, " num_tokens"]]:
    """The text of a document without the characters, other than spaces, of no token; and its tokens in it."""
    text = document.normalised.text
    is_kept = np.array([letter.isspace() for letter in text], bool)
    for start, end in zip(document.starts.tolist(), document.ends.tolist(), strict=True):
        is_kept[start:end] = True
    before = np.concatenate([[0], np.cumsum(is_kept)])
    kept = "".join(letter for letter, stays in zip(text, is_kept.tolist(), strict=True) if stays)
    return kept, before[document.starts], before[document.ends]


def window_starts(num_pieces: int, window: int) -> Int64[np.ndarray, " num_windows"]:
    """Where windows begin: one if the text fits, else each a quarter into the one before, the last at the end."""
    if num_pieces <= window:
        return np.zeros(min(num_pieces, 1), np.int64)
    step = max(window - window // _OVERLAP, 1)
    return np.append(np.arange(0, num_pieces - window, step), num_pieces - window).astype(np.int64)


def owned_pieces(start: int, size: int, num_pieces: int, window: int) -> slice:
    """The pieces of a window that stand deeper in it than in its neighbours.

    Borders lie in the middle of what two windows share; those of the text belong to the window that touches them.

    Args:
        start: Where the window begins.
        size: Its pieces.
        num_pieces: Of the text.
        window: Pieces of a full window.
    """
    starts = window_starts(num_pieces, window)
    place = int(np.searchsorted(starts, start))
    first = 0 if place == 0 else (int(starts[place - 1]) + window - start) // 2
    last = size
    if place + 1 < len(starts):
        following = int(starts[place + 1])
        last = following - start + (start + window - following) // 2
    return slice(first, last)


def open_encoder(
    folder: Path, name: str, *, num_layers: int, cache: StateCache | None = None
) -> LanguageModelEncoder:
    """The encoder of a folder that holds a language model and its `tokenizer.json`.

    Raises:
        DataError: The folder lacks one of them, they cannot be read, or they do not go together.
        MissingExtraError: The extra `hf` is not installed.
    """
    try:
        tokenizer = FileTokenizer(read_plain(folder / TOKENIZER, MAX_BYTES, inside=folder))
    except FileNotFoundError as error:
        raise DataError(
            f"{name}: expected {TOKENIZER} beside the weights, got: {error.strerror}; save the model's fast tokenizer "
            "there."
        ) from error
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    network = open_network(folder, name)
    try:
        encoder = LanguageModelEncoder(network, tokenizer, num_layers=num_layers, cache=cache)
        alone, beside = (encoder.read(texts)[0].astype(np.float32) for texts in (["a"], ["a", "a a a a"]))
    except DataError as error:
        if str(error).startswith("model."):
            raise
        raise DataError(f"{name}: {error}") from error
    if np.abs(alone - beside).max(initial=0) > _ROUNDING * np.abs(alone).max(initial=0):
        raise DataError(
            f"{name}: reads a text otherwise beside a longer one, for it does not leave out what is filled up; take a "
            "language model that heeds attention_mask."
        )
    return encoder


def encoder_of_files(
    files: Mapping[str, bytes], tokenizer: FileTokenizer, *, num_layers: int, cache: StateCache | None = None
) -> LanguageModelEncoder:
    """The encoder that a model folder holds.

    Raises:
        ArtefactError: Its files are missing or do not fit one another.
        DataError: It has fewer layers.
        MissingExtraError: The extra `hf` is not installed.
    """
    return LanguageModelEncoder(network_of_files(files), tokenizer, num_layers=num_layers, cache=cache)
