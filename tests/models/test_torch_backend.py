import numpy as np
import pytest

from textlattice.batch.collate import Collator
from textlattice.models.cnn_gnn import CnnGnnClassifier
from textlattice.models.torch_backend import TorchBackend
from textlattice.presets import preset
from textlattice.runtime.form_engine import FormBackend
from textlattice.text.document import read_document
from textlattice.text.vocabulary import Vocabulary

TINY = preset("tiny")
VOCABULARY = Vocabulary(words=np.array([3, 9], np.uint64), ngrams=np.array([5], np.uint64))


@pytest.fixture
def model():
    return CnnGnnClassifier(TINY, num_outputs=3, num_words=2, num_ngrams=1)


def logits(engine):
    collator = Collator(text=TINY.text, graph=TINY.graph, vocabulary=VOCABULARY)
    batch = collator.collate([read_document("a few words", TINY.text)])
    return engine.classify(batch, engine.encode_forms(batch.forms))


def test_is_an_engine_in_evaluation_mode(model):
    engine = TorchBackend(model.train())
    assert isinstance(engine, FormBackend)
    assert not model.training
    assert engine.form_channels == TINY.model.channels
    found = logits(engine)
    assert found.dtype == np.float32
    assert found.shape == (1, 3)
