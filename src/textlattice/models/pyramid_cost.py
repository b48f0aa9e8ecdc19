"""What the pyramid costs, counted on texts: its similarity windows make a formula by length long-winded."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch.utils.flop_counter import FlopCounterMode

from textlattice.batch.collators import make_collator
from textlattice.batch.pyramid_collate import PyramidCollator
from textlattice.batch.scales import WHOLE
from textlattice.batch.text_batch import map_arrays
from textlattice.config import Config, PyramidConfig
from textlattice.errors import ConfigError
from textlattice.models.pyramid import PyramidClassifier
from textlattice.runtime.cost import mean_cost
from textlattice.text.document import Document, read_document
from textlattice.text.vocabulary import Vocabulary

_NO_WORDS = np.empty(0, np.uint64)
_NO_COST = dict.fromkeys(["parameters", "word_parameters", "word_channels", "flops_per_token"], 0)
_COUNTED = 200  # documents whose arithmetic is counted
_LONG = (
    4096  # tokens from which on cost grows evenly: similarity windows are of one width in all of four scales
)


def pyramid_model_cost(config: Config, vocabulary: Vocabulary | None, num_outputs: int) -> dict[str, Any]:
    """Parameters and FLOPs (2 x multiply-add of matrices) of the pyramid.

    Args:
        config: Settings of that family.
        vocabulary: Known words and n-grams and the words of the token table, or None to leave those tables out.
        num_outputs: Logits a document.

    Returns:
        `parameters` (all numbers), `dense_parameters` (without the tables of characters, sub-words, words, n-grams and
        injected vectors), `flops_per_char` and `flops_per_form` (of each distinct form once), `flops_per_token` of a
        text of some thousand tokens, `flops_per_doc` (constant term).
    """
    sizes = config.model
    assert isinstance(sizes, PyramidConfig)
    wanted = {"table": "injected_channels", "language_model": "state_channels"}.get(sizes.encoder)
    if wanted is not None and not getattr(sizes, wanted):
        raise ConfigError(
            f"model.{wanted} must be set to say what a pyramid with model.encoder={sizes.encoder} costs, got 0; "
            "training sets it by itself."
        )
    model = _bare(config, num_outputs)
    dense = sum(value.numel() for name, value in model.named_parameters() if not _is_table(name))
    stored = sum(value.numel() for value in model.state_dict().values())
    if vocabulary is not None:
        stored += _added(config, vocabulary, num_outputs)
    long = max(_LONG, 2 * WHOLE << (sizes.num_scales - 1))
    one, longer, two_forms, two, many, more = (
        _flops(model, config, text) for text in ("a", "aa", "a b", "a a", "a " * long, "a " * 2 * long)
    )
    per_char, per_form = longer - one, two_forms - two - (longer - one)
    return {
        "parameters": stored,
        "dense_parameters": dense,
        "flops_per_char": per_char,
        "flops_per_form": per_form,
        "flops_per_token": round((more - many) / long),
        "flops_per_doc": max(0, 2 * many - more - per_char - per_form),
    }


def pyramid_document_cost(
    collator: PyramidCollator, config: Config, num_outputs: int, documents: Sequence[Document]
) -> dict[str, int]:
    """What a mean document touches and computes, of the first documents of a sample.

    Returns:
        `active_parameters` (dense ones, and the distinct rows that a document reads) and `mean_flops`, both with those
        of a language model, whose own stand under `encoder_parameters` and `encoder_flops_per_token`; no means without
        a document.
    """
    model = _bare(config, num_outputs)
    dense = pyramid_model_cost(config, None, num_outputs)["dense_parameters"]
    sizes = config.model
    assert isinstance(sizes, PyramidConfig)
    reads = _NO_COST if collator.encoder is None else collator.encoder.cost()
    active, flops = [], []
    for document in [document for document in documents if document.num_tokens][:_COUNTED]:
        batch = collator.collate([document])
        rows = len(np.unique(batch.ngrams.row)) * num_outputs if batch.ngrams is not None else 0
        if batch.forms is not None:
            rows += len(np.unique(batch.forms.characters)) * sizes.char_channels
            rows += len(np.unique(batch.forms.subwords)) * sizes.word_channels
            rows += len(np.unique(batch.tokens.word)) * sizes.word_channels
        if batch.tokens.injected is not None:
            rows += len(np.unique(batch.tokens.injected)) * sizes.injected_channels
        rows += len(np.unique(batch.tokens.form)) * reads["word_channels"]
        active.append(dense + rows + reads["parameters"] - reads["word_parameters"])
        flops.append(_flops(model, config, document) + reads["flops_per_token"] * document.num_tokens)
    named = () if collator.encoder is None else ("parameters", "flops_per_token")
    encoder_cost = {f"encoder_{name}": reads[name] for name in named}
    return mean_cost(active, flops) | encoder_cost


def _bare(config: Config, num_outputs: int) -> PyramidClassifier:
    """The network without rows for words, n-grams and vectors."""
    model = PyramidClassifier(config, num_outputs=num_outputs, num_words=0, num_ngrams=0)
    return model.eval().requires_grad_(False)


def _is_table(name: str) -> bool:
    return name.endswith(("characters.weight", "subwords.weight", "words.weight"))


def _added(config: Config, vocabulary: Vocabulary, num_outputs: int) -> int:
    """Numbers that the vocabulary's tables add."""
    model = config.model
    assert isinstance(model, PyramidConfig)
    return (
        len(vocabulary.words) * model.word_channels * model.reads_words
        + len(vocabulary.ngrams) * num_outputs
        + len(vocabulary.injected) * model.injected_channels
    )


def _flops(model: PyramidClassifier, config: Config, text: str | Document) -> int:
    document = read_document(text, config.text) if isinstance(text, str) else text
    assert isinstance(config.model, PyramidConfig)
    some = (
        np.zeros(1, np.uint64) if config.model.injected_channels else _NO_WORDS
    )  # so that the table is read
    collator = make_collator(config, Vocabulary(words=_NO_WORDS, ngrams=_NO_WORDS, injected=some))
    if config.model.encoder == "language_model":
        assert isinstance(collator, PyramidCollator)
        collator = dataclasses.replace(collator, encoder=_NoStates(config.model))
    batch = map_arrays(collator.collate([document]), torch.from_numpy)
    with FlopCounterMode(display=False) as counter:
        model(batch)
    return counter.get_total_flops()


class _NoStates:
    """Zeros in place of the states of a language model."""

    def __init__(self, model: PyramidConfig) -> None:
        self._width = model.num_states * model.state_channels

    def states(self, documents: Sequence[Document]) -> Float32[np.ndarray, "num_tokens width"]:
        """Zeros."""
        return np.zeros((sum(document.num_tokens for document in documents), self._width), np.float32)

    def files(self) -> dict[str, bytes]:
        """None."""
        return {}

    def cost(self) -> dict[str, int]:
        """Nothing."""
        return {}
