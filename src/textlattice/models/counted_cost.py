"""What the published model costs, counted on tiny texts: right for every ablation without a formula for each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from textlattice.batch.collators import make_collator
from textlattice.batch.published_collate import PublishedCollator
from textlattice.batch.text_batch import map_arrays
from textlattice.config import Config, PublishedConfig
from textlattice.models.published import PublishedClassifier
from textlattice.runtime.cost import mean_cost
from textlattice.text.document import Document, read_document
from textlattice.text.vocabulary import Vocabulary

_NO_WORDS = np.empty(0, np.uint64)


def counted_model_cost(config: Config, vocabulary: Vocabulary | None, num_outputs: int) -> dict[str, Any]:
    """Parameters and FLOPs (2 x multiply-add of matrices) of the published model.

    Args:
        config: Settings of that family.
        vocabulary: Words of the token table, or None to leave it out.
        num_outputs: Logits a document.

    Returns:
        `parameters` (all numbers), `dense_parameters` (without the tables of characters and of words),
        `flops_per_char`, `flops_per_token`, `flops_per_doc` (constant term), of each that the text has.
    """
    model = PublishedClassifier(config, num_outputs=num_outputs).eval().requires_grad_(False)
    characters = model.reader.characters.weight.numel()
    learned = sum(value.numel() for value in model.parameters())
    assert isinstance(config.model, PublishedConfig)
    words = 0 if vocabulary is None else (len(vocabulary.injected) + 1) * config.model.table_channels
    one, longer, two = (_flops(model, config, text) for text in ("a", "aa", "a a"))
    per_char = longer - one
    per_token = two - one - 2 * per_char
    return {
        "parameters": learned + words,
        "dense_parameters": learned - characters,
        "flops_per_char": per_char,
        "flops_per_token": per_token,
        "flops_per_doc": one
        - 3 * per_char
        - 2 * per_token,  # the letter, a space and the end, which is a token
    }


def counted_document_cost(
    collator: PublishedCollator, config: Config, num_outputs: int, documents: Sequence[Document]
) -> dict[str, int]:
    """What a mean document touches and computes.

    Active parameters are the dense ones and the distinct rows that a document reads: characters, injected vectors.

    Args:
        collator: Makes the batches of the model.
        config: Settings of that family.
        num_outputs: Logits a document.
        documents: A sample; the empty ones are left out.

    Returns:
        `active_parameters` and `mean_flops` (2 x multiply-add); nothing without a document.
    """
    assert isinstance(config.model, PublishedConfig)
    cost = counted_model_cost(config, collator.vocabulary, num_outputs)
    active, flops = [], []
    for document in documents:
        if not document.num_tokens:
            continue
        batch = collator.collate([document])
        known = np.unique(batch.injected[batch.injected > 0])
        active.append(
            cost["dense_parameters"]
            + len(np.unique(batch.characters)) * config.model.channels
            + len(known) * config.model.table_channels
        )
        flops.append(
            cost["flops_per_char"] * len(batch.characters)
            + cost["flops_per_token"] * len(batch.injected)
            + cost["flops_per_doc"]
        )
    return mean_cost(active, flops)


def _flops(model: PublishedClassifier, config: Config, text: str) -> int:
    collator = make_collator(config, Vocabulary(words=_NO_WORDS, ngrams=_NO_WORDS))
    batch = map_arrays(collator.collate([read_document(text, config.text)]), torch.from_numpy)
    with FlopCounterMode(display=False) as counter:
        model(batch)
    return counter.get_total_flops()
