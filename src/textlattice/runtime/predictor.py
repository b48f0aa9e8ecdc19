"""The one door: every surface gets its answers here."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from textlattice.batch.sampler import bounded_batches
from textlattice.errors import ArtefactError, TextTooLongError
from textlattice.runtime.engine import Engine
from textlattice.runtime.forking import unforked
from textlattice.task import Label, Task
from textlattice.text.document import Document, TextReader

MAX_TOKENS = 4_096
"""Tokens of a batch at prediction, so that its features stay in the cache; a longer document goes alone."""
MAX_DOCUMENTS = 256
"""Documents of a batch at prediction, so that answers stream."""
_MAX_CHARACTERS = 8_000_000
"""Characters of texts that are cut before they are answered; one text may have more."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one text.

    Args:
        label: The label; a tuple of them, perhaps empty, where a text may have any number.
        probabilities: By label, in the order of the task; they sum to 1 where a text has exactly one label.
        status: `empty` where nothing is left of the text after normalising; the answer is then the training priors.
    """

    label: Label
    probabilities: dict[str, float]
    status: Literal["ok", "empty"]


class Predictor:
    """Answers texts. Safe for use by several threads, and in children that are forked meanwhile.

    Args:
        engine: Computes logits.
        task: Turns logits into answers.
        reader: Cuts texts.
    """

    def __init__(self, *, engine: Engine, task: Task, reader: TextReader) -> None:
        self.engine, self.task, self.reader = engine, task, reader

    def predict(self, texts: Iterable[str]) -> list[Label]:
        """The label of each text, in order; a tuple of them where a text may have any number."""
        return [answer.label for answer in self.answers(texts)]

    def probabilities(self, texts: Iterable[str]) -> Float[np.ndarray, "num_texts num_classes"]:
        """Calibrated probabilities of each text, in the order of `task.labels`."""
        parts = [self.batch_probabilities(batch) for batch in self._batches(texts)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.task.labels)))

    def logits(self, texts: Iterable[str]) -> Float[np.ndarray, "num_texts num_outputs"]:
        """Logits of each text, float64; those of an empty text are `task.empty_logits`."""
        parts = [self.batch_logits(batch) for batch in self._batches(texts)]
        return np.concatenate(parts) if parts else np.empty((0, self.task.num_outputs))

    def answers(self, texts: Iterable[str]) -> Iterator[Answer]:
        """An answer a text, in order; streams, batch by batch.

        Raises:
            TextTooLongError: A text has more tokens or characters than are read; so do `predict`, `probabilities` and
                `logits`.
        """
        for batch in self._batches(texts):
            yield from self._batch_answers(batch)

    def answers_or_errors(self, texts: Iterable[str]) -> Iterator[Answer | TextTooLongError]:
        """The same; a text that is too long has the error in place of an answer."""
        for chunk in self._chunks(texts):
            documents = [document for document in chunk if isinstance(document, Document)]
            answers = (answer for batch in _batched(documents) for answer in self._batch_answers(batch))
            for document in chunk:
                yield next(answers) if isinstance(document, Document) else document

    def _batch_answers(self, batch: Sequence[Document]) -> Iterator[Answer]:
        probabilities = self.batch_probabilities(batch)
        labels = self.task.names(self.task.decide(probabilities))
        for document, row, label in zip(batch, probabilities.tolist(), labels, strict=True):
            yield Answer(
                label=label,
                probabilities=dict(zip(self.task.labels, row, strict=True)),
                status="ok" if document.num_tokens else "empty",
            )

    def batch_logits(self, documents: Sequence[Document]) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of documents as one batch; the empty ones are answered without the engine."""
        logits = np.tile(self.task.empty_logits, (len(documents), 1))
        places = [place for place, document in enumerate(documents) if document.num_tokens]
        if places:
            with unforked():
                logits[places] = self.engine.logits([documents[place] for place in places])
        return logits

    def batch_probabilities(self, documents: Sequence[Document]) -> Float[np.ndarray, "num_docs num_classes"]:
        """Calibrated probabilities of documents as one batch; the training priors for an empty one.

        Raises:
            ArtefactError: The weights give a logit that is not finite, so there is no answer.
        """
        logits = self.batch_logits(documents)
        finite = np.isfinite(logits)
        if not finite.all():
            raise ArtefactError(
                f"the model: expected logits that are finite, got {logits[~finite][0]}; its weights are damaged or "
                "forged, so train it or copy it again."
            )
        probabilities = self.task.probabilities(logits)
        empty = np.array([document.num_tokens == 0 for document in documents], bool)
        probabilities[empty] = self.task.priors
        return probabilities

    def _batches(self, texts: Iterable[str]) -> Iterator[list[Document]]:
        for chunk in self._chunks(texts):
            documents = []
            for document in chunk:
                if not isinstance(document, Document):
                    raise document
                documents.append(document)
            yield from _batched(documents)

    def _chunks(self, texts: Iterable[str]) -> Iterator[list[Document | TextTooLongError]]:
        """Texts, cut, a few hundred or fewer long ones at a time; of one that is too long the error."""
        chunk: list[Document | TextTooLongError] = []
        load = 0
        for place, text in enumerate(texts):
            try:
                chunk.append(self.reader.read(text))
            except TextTooLongError as error:
                chunk.append(error.at(place))
            load += len(text)
            if len(chunk) == MAX_DOCUMENTS or load > _MAX_CHARACTERS:
                yield chunk
                chunk, load = [], 0
        if chunk:
            yield chunk


def _batched(documents: list[Document]) -> Iterator[list[Document]]:
    loads = (document.num_tokens for document in documents)
    return bounded_batches(documents, loads, max_load=MAX_TOKENS, max_items=MAX_DOCUMENTS)
