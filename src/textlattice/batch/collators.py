"""Which collator belongs to which settings."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from textlattice.batch.collate import Collator
from textlattice.batch.published_collate import PublishedCollator
from textlattice.batch.pyramid_collate import PyramidCollator, StateReader
from textlattice.config import Config, PublishedConfig, PyramidConfig
from textlattice.text.document import Document
from textlattice.text.vocabulary import Vocabulary


@runtime_checkable
class BatchMaker(Protocol):
    """What training and engines ask of the collator of every family."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Known keys."""
        ...

    def collate(self, documents: Sequence[Document]) -> Any:
        """A batch for prediction: everything a forward pass reads."""
        ...

    def collate_for_training(self, documents: Sequence[Document], salt: int) -> Any:
        """A batch for a training step of the network.

        Args:
            documents: None of them empty.
            salt: Number of the draw of random edges, other than 0.
        """
        ...


def make_collator(config: Config, vocabulary: Vocabulary, encoder: StateReader | None = None) -> BatchMaker:
    """The collator of a model; the encoder is that of a pyramid over a language model."""
    if isinstance(config.model, PublishedConfig):
        return PublishedCollator(
            text=config.text,
            graph=config.graph,
            edge_sampling=config.model.edge_sampling,
            vocabulary=vocabulary,
        )
    words = Collator(text=config.text, graph=config.graph, vocabulary=vocabulary)
    if isinstance(config.model, PyramidConfig):
        return PyramidCollator(model=config.model, words=words, encoder=encoder)
    return words
