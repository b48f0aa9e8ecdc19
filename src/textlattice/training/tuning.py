"""A pyramid's language model during training: set among the layers that learn, and frozen again afterwards.

So a model folder, and whoever reads it, knows frozen language models alone.
"""

import dataclasses

from textlattice.batch.collators import BatchMaker
from textlattice.batch.pyramid_collate import PyramidCollator
from textlattice.config import TrainConfig
from textlattice.encoders.language_model import LanguageModelEncoder
from textlattice.encoders.states import StateEncoder
from textlattice.encoders.tuned import TunedEncoder
from textlattice.models.classifier import Classifier
from textlattice.models.pyramid import PyramidClassifier


def begin_tuning(model: Classifier, collator: BatchMaker, config: TrainConfig) -> BatchMaker:
    """Sets a copy of the language model into the network, if it is to learn; gives the collator for it."""
    if config.tune == "none":
        return collator
    assert isinstance(model, PyramidClassifier)
    assert isinstance(collator, PyramidCollator)
    encoder = collator.encoder
    assert isinstance(encoder, LanguageModelEncoder)
    model.encoder = TunedEncoder(encoder, config.tune, rank=config.lora_rank, bfloat16=config.tune_bfloat16)
    return dataclasses.replace(collator, encoder=None, pieces=encoder)


def end_tuning(model: Classifier, collator: BatchMaker) -> BatchMaker:
    """Takes the language model out of the network again, with what it has learned; gives the collator that reads it."""
    if not (isinstance(model, PyramidClassifier) and isinstance(model.encoder, TunedEncoder)):
        return collator
    assert isinstance(collator, PyramidCollator)
    former, tuned = collator.pieces, model.encoder
    assert isinstance(former, LanguageModelEncoder)
    model.encoder = StateEncoder(len(tuned.layers), former.channels)
    encoder = LanguageModelEncoder(tuned.network_alone(), former.tokenizer, num_layers=len(tuned.layers))
    return dataclasses.replace(collator, encoder=encoder, pieces=None)
