"""What a model costs: numbers stored, numbers touched, arithmetic by length."""

from typing import Any

import numpy as np

from textlattice.config import Config
from textlattice.text.vocabulary import Vocabulary


def model_cost(config: Config, vocabulary: Vocabulary | None, num_outputs: int) -> dict[str, Any]:
    """Parameters and FLOPs (2 x multiply-add of matrices and attention) by the formulas of the layers.

    Args:
        config: Settings.
        vocabulary: Known words and n-grams, or None to leave both tables out.
        num_outputs: Logits a document.

    Returns:
        `parameters` (all numbers in the tables and layers), `dense_parameters` (without the tables of characters,
        sub-words, words and n-grams), `flops_per_char` (of each distinct form once), `flops_per_token`,
        `flops_per_form`, `flops_per_doc` (constant term).
    """
    text, graph, model = config.text, config.graph, config.model
    c, h = model.char_channels, model.channels
    tables = text.num_characters * c + text.num_subwords * h
    if vocabulary is not None:
        tables += (len(vocabulary.words) + 1) * h + len(vocabulary.ngrams) * num_outputs + num_outputs
    char_conv = 2 * (5 * c * c + c)
    form_output = 2 * c * h + h
    token_conv = 3 * 2 * h * h + h
    near = 3 * h * h + h
    norm = 2 * h
    if model.graph_attention:
        attention = 2 * (h * h + h) + 2 * h
        block = norm + near + attention + 2 * h * h + h
        degrees = [graph.degree(0), graph.degree(1) + graph.num_kept_edges]
        # a slot: sum, score and mixture, 2 + 2 + 2 operations a channel
        block_flops = sum(2 * (3 * h * h + 2 * h * h + 2 * h * h) + 6 * h * degree for degree in degrees)
    else:
        width = h + round((3 * h * h + 4 * h) / (4 * h + 1))
        block = norm + 3 * h * width + width + width * h + h
        block_flops = 2 * 2 * (3 * h * width + width * h)
    readout = h + 1
    head = 3 * h * model.head_channels + model.head_channels + model.head_channels * num_outputs + num_outputs
    dense = char_conv + form_output + token_conv + 2 * block + readout + head
    return {
        "parameters": dense + tables,
        "dense_parameters": dense,
        "flops_per_char": 2 * 2 * 5 * c * c,
        "flops_per_form": 2 * 2 * c * h,
        "flops_per_token": 2 * 3 * 2 * h * h + block_flops + 4 * h,
        "flops_per_doc": 2 * (3 * h * model.head_channels + model.head_channels * num_outputs),
    }


def document_cost(
    cost: dict[str, Any],
    config: Config,
    num_outputs: int,
    *,
    num_tokens: np.ndarray,
    num_forms: np.ndarray,
    num_form_characters: np.ndarray,
    num_subwords: np.ndarray,
    num_known_words: np.ndarray,
    num_ngrams: np.ndarray,
) -> dict[str, float]:
    """Active parameters and FLOPs of a mean document, from counts of each document.

    Active are the dense parameters and the rows that a mean document touches: characters, sub-words, words, n-grams.
    Each distinct form of a document is counted once, as with an empty cache.

    Args:
        cost: As `model_cost` gives it.
        config: Settings.
        num_outputs: Logits a document.
        num_tokens: Tokens of each document.
        num_forms: Distinct forms of each.
        num_form_characters: Characters of these forms.
        num_subwords: Rows of the sub-word table that it touches.
        num_known_words: Rows of the word table that it touches.
        num_ngrams: Rows of the wide table that it touches.
    """
    model = config.model
    distinct_characters = np.minimum(num_form_characters, 100).mean()  # rows of the character table, at most
    active = (
        cost["dense_parameters"]
        + distinct_characters * model.char_channels
        + (num_subwords.mean() + num_known_words.mean()) * model.channels
        + num_ngrams.mean() * num_outputs
        + num_outputs
    )
    flops = (
        cost["flops_per_char"] * num_form_characters.mean()
        + cost["flops_per_form"] * num_forms.mean()
        + cost["flops_per_token"] * num_tokens.mean()
        + cost["flops_per_doc"]
        + num_ngrams.mean() * num_outputs
    )
    return {"active_parameters": float(active), "mean_flops": float(flops)}
