"""Which tokens speak for the answer: what the answer loses when each is left out. Works with any engine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from textlattice.batch.sampler import bounded_batches
from textlattice.errors import ConfigError
from textlattice.runtime.predictor import MAX_DOCUMENTS, MAX_TOKENS, Predictor
from textlattice.task import Label, Task
from textlattice.text.document import Document
from textlattice.text.normalise import Normalised

LONGEST_SPELLED = 64
"""The characters of a longer token are not weighed one by one."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What one piece of the text adds to the answer.

    Args:
        start: First character of the piece in the original text.
        end: One past its last character.
        text: The piece, `text[start:end]` of the original.
        weight: Log-odds of the label that go when the piece is left out, natural-log units; negative where
            the piece speaks against the label.
    """

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """What each character of one token adds.

    Args:
        token: The token.
        characters: Its characters in order; those that normalising made of one are one piece.
    """

    token: Attribution
    characters: tuple[Attribution, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """An answer, and what each piece of the text adds to it.

    Args:
        text: The original text.
        answer: The answer; a tuple of labels, perhaps empty, where a text may have any number.
        label: The label that is explained.
        probability: Its probability.
        status: `empty` where nothing is left of the text after normalising; there are no tokens then.
        window: Tokens a piece; 1 unless the text has more tokens than passes were allowed.
        tokens: Pieces in order; they do not overlap.
        spellings: The heaviest tokens, heaviest first, by character; none where `window` exceeds 1.
    """

    text: str
    answer: Label
    label: str
    probability: float
    status: Literal["ok", "empty"]
    window: int
    tokens: tuple[Attribution, ...]
    spellings: tuple[Spelling, ...]


def explain(
    predictor: Predictor,
    text: str,
    *,
    label: str | None = None,
    max_passes: int = 512,
    num_characters: int = 5,
) -> Explanation:
    """The answer to a text, with the weight of each token.

    Every pass reads the whole text but one piece, so time grows with tokens times passes. The tokens around a
    piece that is left out become neighbours, as in a text without it.

    Args:
        predictor: Gives the answers.
        text: Any string.
        label: What to explain; None takes the answer, or the most probable label where a text may have any number.
        max_passes: Pieces at most; a longer text is cut into windows of ceil(tokens / max_passes) tokens.
        num_characters: How many of the heaviest tokens are taken apart by character; tokens of more than 64
            characters are passed over.

    Raises:
        ConfigError: `max_passes` is below 1, or the model does not know the label.

    Source: Zeiler and Fergus (arXiv 1311.2901), section 4.2, on tokens in place of squares of an image;
    erasure of words after Li, Monroe and Jurafsky (arXiv 1612.08220), with log-odds for log-likelihood.
    """
    if max_passes < 1:
        raise ConfigError(f"max_passes must be 1 or more, got {max_passes}; try 512.")
    document = predictor.reader.read(text)
    probabilities = predictor.batch_probabilities([document])
    (answer,) = predictor.task.names(predictor.task.decide(probabilities))
    chosen = _chosen(predictor.task, answer, probabilities[0], label)
    num_tokens = document.num_tokens
    window = max(1, -(-num_tokens // max_passes))
    bounds = np.append(np.arange(0, num_tokens, window), num_tokens)
    full = _log_odds(predictor, [document], chosen)[0]

    def drops(documents: Iterator[Document], count: int) -> Float[np.ndarray, " count"]:
        return full - _label_log_odds(predictor, documents, [num_tokens] * count, chosen)

    pieces = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    weights = drops((_without_tokens(document, *piece) for piece in pieces), len(pieces))
    spans = [(int(document.starts[first]), int(document.ends[last - 1])) for first, last in pieces]
    tokens = _attributions(text, document.normalised, spans, weights)
    spellings = []
    heaviest = np.argsort(-np.abs(weights), kind="stable").tolist() if window == 1 else []
    short = [token for token in heaviest if document.ends[token] - document.starts[token] <= LONGEST_SPELLED]
    for token in short[:num_characters]:
        parts = _characters(document, token)
        losses = drops((_without_characters(document, token, *part) for part in parts), len(parts))
        spellings.append(
            Spelling(token=tokens[token], characters=_attributions(text, document.normalised, parts, losses))
        )
    return Explanation(
        text=text,
        answer=answer,
        label=predictor.task.labels[chosen],
        probability=float(probabilities[0, chosen]),
        status="ok" if num_tokens else "empty",
        window=window,
        tokens=tokens,
        spellings=tuple(spellings),
    )


def _label_log_odds(
    predictor: Predictor, documents: Iterator[Document], loads: Sequence[int], label: int
) -> Float[np.ndarray, " num_docs"]:
    batches = bounded_batches(documents, loads, max_load=MAX_TOKENS, max_items=MAX_DOCUMENTS)
    parts = [_log_odds(predictor, batch, label) for batch in batches]
    return np.concatenate([np.empty(0), *parts])


def _log_odds(
    predictor: Predictor, documents: Sequence[Document], label: int
) -> Float[np.ndarray, " num_docs"]:
    """log p - log(1 - p), computed so that neither vanishes beside 1."""
    if predictor.task.kind == "multi":
        return predictor.batch_logits(documents)[:, label] / predictor.task.temperature
    probabilities = predictor.batch_probabilities(documents)
    others = np.delete(probabilities, label, axis=1).sum(axis=1)
    tiny = np.finfo(np.float64).tiny
    return np.log(np.maximum(probabilities[:, label], tiny)) - np.log(np.maximum(others, tiny))


def _chosen(
    task: Task, answer: Label, probabilities: Float[np.ndarray, " num_labels"], asked: str | None
) -> int:
    """Place of the label that is explained."""
    if asked is None:
        return int(probabilities.argmax()) if isinstance(answer, tuple) else task.labels.index(answer)
    if asked not in task.labels:
        shown = ", ".join(task.labels[:10]) + (" and others" if len(task.labels) > 10 else "")
        raise ConfigError(f"label must be one that the model knows ({shown}), got {asked!r}.")
    return task.labels.index(asked)


def _without_tokens(document: Document, first: int, last: int) -> Document:
    """The document without the tokens from `first` up to `last`."""
    left_out = slice(first, last)
    return Document(
        normalised=document.normalised,
        starts=np.delete(document.starts, left_out),
        ends=np.delete(document.ends, left_out),
    )


def _without_characters(document: Document, token: int, start: int, end: int) -> Document:
    """The document with some characters cut from one token; without the token where nothing is left of it."""
    if (start, end) == (document.starts[token], document.ends[token]):
        return _without_tokens(document, token, token + 1)
    text, cut = document.normalised.text, np.int32(end - start)
    return Document(
        normalised=Normalised(text=text[:start] + text[end:], origins=None, num_removed=0),
        starts=np.where(document.starts >= end, document.starts - cut, document.starts),
        ends=np.where(document.ends >= end, document.ends - cut, document.ends),
    )


def _characters(document: Document, token: int) -> list[tuple[int, int]]:
    """Bounds of the characters of a token, in normalised characters; those of one origin are one."""
    offsets = np.arange(document.starts[token], document.ends[token])
    origins = document.normalised.original_offsets(offsets)
    firsts = offsets[np.append(True, origins[1:] != origins[:-1])].tolist()
    return list(zip(firsts, [*firsts[1:], int(document.ends[token])], strict=True))


def _attributions(
    text: str, normalised: Normalised, spans: list[tuple[int, int]], weights: Float[np.ndarray, " num_spans"]
) -> tuple[Attribution, ...]:
    """Spans in normalised characters as pieces of the original."""
    bounds: Int[np.ndarray, "num_spans 2"] = np.array(spans, np.int64).reshape(-1, 2)
    original = normalised.original_spans(bounds).tolist()
    return tuple(
        Attribution(start=start, end=end, text=text[start:end], weight=weight)
        for (start, end), weight in zip(original, weights.tolist(), strict=True)
    )
