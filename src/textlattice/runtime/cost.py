"""What a CNN-GNN costs: numbers stored, numbers touched, arithmetic by length."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from textlattice.batch.collate import Collator
from textlattice.config import CnnGnnConfig, Config
from textlattice.text.document import Document
from textlattice.text.vocabulary import Vocabulary


def model_cost(config: Config, vocabulary: Vocabulary | None, num_outputs: int) -> dict[str, Any]:
    """Parameters and FLOPs (2 x multiply-add of matrices and attention) by the formulas of the layers.

    Args:
        config: Settings.
        vocabulary: Known words and n-grams and the words of the token table, or None to leave those tables out.
        num_outputs: Logits a document.

    Returns:
        `parameters` (all numbers in the tables and layers), `dense_parameters` (without the tables of characters,
        sub-words, words, n-grams and injected vectors), `flops_per_char` (of each distinct form once),
        `flops_per_token`, `flops_per_form`, `flops_per_doc` (constant term).
    """
    text, graph, model = config.text, config.graph, config.model
    assert isinstance(model, CnnGnnConfig)
    c, h, dim = model.char_channels, model.channels, model.injected_channels
    parts = 3 if dim else 2  # of a token: form, word and, where there is a table, injected vector
    tables = text.num_characters * c + text.num_subwords * h
    if vocabulary is not None:
        tables += (len(vocabulary.words) + 1) * h + len(vocabulary.ngrams) * num_outputs + num_outputs
        tables += (len(vocabulary.injected) + 1) * dim
    char_conv = 2 * (5 * c * c + c)
    form_output = 2 * c * h + h
    projection = dim * h
    token_conv = 3 * parts * h * h + h
    near = 3 * h * h + h
    norm = 2 * h
    if model.graph_attention:
        attention = 2 * (h * h + h) + 2 * h
        biases = model.num_heads * (graph.degree(0) + graph.degree(1) + min(graph.num_kept_edges, 1))
        blocks = 2 * (norm + near + attention + 2 * h * h + h) + biases
        degrees = [graph.degree(0), graph.degree(1) + graph.num_kept_edges]
        # a slot: sum, score and mixture, 2 + 2 + 2 operations a channel
        block_flops = sum(2 * (3 * h * h + 2 * h * h + 2 * h * h) + 6 * h * degree for degree in degrees)
    else:
        width = h + round((3 * h * h + 4 * h) / (4 * h + 1))
        blocks = 2 * (norm + 3 * h * width + width + width * h + h)
        block_flops = 2 * 2 * (3 * h * width + width * h)
    readout = h + 2 * 3 * h  # scores; scale and shift of the document
    head = 3 * h * model.head_channels + model.head_channels + model.head_channels * num_outputs + num_outputs
    dense = char_conv + form_output + projection + token_conv + blocks + readout + head
    return {
        "parameters": dense + tables,
        "dense_parameters": dense,
        "flops_per_char": 2 * 2 * 5 * c * c,
        "flops_per_form": 2 * 2 * c * h,
        "flops_per_token": 2 * projection + 2 * 3 * parts * h * h + block_flops + 4 * h,
        "flops_per_doc": 2 * 3 * h + 2 * (3 * h * model.head_channels + model.head_channels * num_outputs),
    }


def document_cost(
    collator: Collator, config: Config, num_outputs: int, documents: Sequence[Document]
) -> dict[str, int]:
    """What a mean document touches and computes, with an empty cache.

    Active parameters are the dense ones and the distinct rows that a document reads: characters, sub-words, words,
    n-grams, injected vectors. Each distinct form of a document is computed once.

    Args:
        collator: Makes the batches of the model.
        config: Settings.
        num_outputs: Logits a document.
        documents: A sample; the empty ones are left out.

    Returns:
        `active_parameters` and `mean_flops` (2 x multiply-add); nothing without a document.
    """
    assert isinstance(config.model, CnnGnnConfig)
    cost = model_cost(config, collator.vocabulary, num_outputs)
    active, flops = [], []
    for document in documents:
        if not document.num_tokens:
            continue
        batch = collator.collate([document])
        assert batch.forms is not None
        assert batch.ngrams is not None
        num_ngrams = len(batch.ngrams.row)
        active.append(
            cost["dense_parameters"]
            + len(np.unique(batch.forms.characters)) * config.model.char_channels
            + (len(np.unique(batch.forms.subwords)) + _num_known(batch.tokens.word)) * config.model.channels
            + _num_known(batch.tokens.injected) * config.model.injected_channels
            + (num_ngrams + 1) * num_outputs
        )
        flops.append(
            cost["flops_per_char"] * len(batch.forms.characters)
            + cost["flops_per_form"] * (len(batch.forms.form_ptr) - 1)
            + cost["flops_per_token"] * document.num_tokens
            + cost["flops_per_doc"]
            + num_ngrams * num_outputs
        )
    return mean_cost(active, flops)


def mean_cost(active: list[int], flops: list[int]) -> dict[str, int]:
    """The means over documents, by the names of the record; nothing without a document."""
    if not active:
        return {}
    return {"active_parameters": round(float(np.mean(active))), "mean_flops": round(float(np.mean(flops)))}


def _num_known(rows: np.ndarray | None) -> int:
    """Distinct rows that are read; row 0 is zeros, and None means that there is no table."""
    return 0 if rows is None else len(np.unique(rows[rows > 0]))
