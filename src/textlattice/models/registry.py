"""Which network belongs to which settings, and the engine that runs it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from textlattice.batch.collate import Collator
from textlattice.batch.collators import BatchMaker
from textlattice.batch.published_collate import PublishedCollator
from textlattice.batch.pyramid_collate import PyramidCollator
from textlattice.batch.text_batch import map_arrays
from textlattice.config import Config, PublishedConfig, PyramidConfig
from textlattice.models.classifier import Classifier
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.models.counted_cost import counted_document_cost, counted_model_cost
from textlattice.models.published import PublishedClassifier, flip_rate
from textlattice.models.pyramid import PyramidClassifier
from textlattice.models.pyramid_cost import pyramid_document_cost, pyramid_model_cost
from textlattice.models.torch_backend import TorchBackend
from textlattice.runtime.cost import document_cost, model_cost
from textlattice.runtime.engine import Engine
from textlattice.runtime.form_engine import FormEngine
from textlattice.text.document import Document
from textlattice.text.vocabulary import Vocabulary


def make_classifier(config: Config, *, num_outputs: int, vocabulary: Vocabulary) -> Classifier:
    """A fresh network for these settings, its tables as long as the vocabulary asks."""
    num_injected = len(vocabulary.injected)
    if isinstance(config.model, PublishedConfig):
        return PublishedClassifier(config, num_outputs=num_outputs, num_injected=num_injected)
    family = PyramidClassifier if isinstance(config.model, PyramidConfig) else CnnGnnClassifier
    return family(
        config,
        num_outputs=num_outputs,
        num_words=len(vocabulary.words),
        num_ngrams=len(vocabulary.ngrams),
        num_injected=num_injected,
    )


def make_engine(model: Classifier, collator: BatchMaker) -> Engine:
    """The engine of a network and its collator."""
    if isinstance(model, CnnGnnClassifier):
        assert isinstance(collator, Collator)
        return FormEngine(TorchBackend(model), collator)
    return WholeEngine(model, collator)


def model_cost_of(config: Config, vocabulary: Vocabulary | None, num_outputs: int) -> dict[str, Any]:
    """What a model costs; see `runtime.cost.model_cost`."""
    if isinstance(config.model, PublishedConfig):
        return counted_model_cost(config, vocabulary, num_outputs)
    if isinstance(config.model, PyramidConfig):
        return pyramid_model_cost(config, vocabulary, num_outputs)
    return model_cost(config, vocabulary, num_outputs)


def cost_of(
    config: Config, collator: BatchMaker, num_outputs: int, documents: Sequence[Document]
) -> dict[str, Any]:
    """What a model costs, and a mean document in it; see `runtime.cost`."""
    model = model_cost_of(config, collator.vocabulary, num_outputs)
    if isinstance(collator, PublishedCollator):
        return model | counted_document_cost(collator, config, num_outputs, documents)
    if isinstance(collator, PyramidCollator):
        return model | pyramid_document_cost(collator, config, num_outputs, documents)
    assert isinstance(collator, Collator)
    return model | document_cost(collator, config, num_outputs, documents)


def flips_of(model: Classifier, collator: BatchMaker, documents: Sequence[Document]) -> dict[str, float]:
    """`flip_rate` of a network that cuts its kept edges hard, see there; nothing of another, and without a document."""
    if not (isinstance(model, PublishedClassifier) and model.num_kept and len(documents)):
        return {}
    batch = map_arrays(collator.collate(documents), torch.from_numpy)
    return {"flip_rate": round(flip_rate(model.eval(), batch), 6)}


class WholeEngine:
    """An engine that reads each batch anew.

    Args:
        model: The network; put into evaluation mode here.
        collator: Makes the batches.
    """

    def __init__(self, model: Classifier, collator: BatchMaker) -> None:
        self.model, self.collator = model.eval(), collator

    def logits(self, documents: Sequence[Document]) -> Float[np.ndarray, "num_docs num_outputs"]:
        """Logits of documents as one batch, float32."""
        batch: Any = map_arrays(self.collator.collate(documents), torch.from_numpy)
        with torch.inference_mode():
            logits: np.ndarray = self.model(batch).numpy()
        return logits
