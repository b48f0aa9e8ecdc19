"""The algorithms again, slow and plain: loops, one document at a time.

Tests hold the fast code against these.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from textlattice.graph.neighbours import neighbour_table
from textlattice.text.lookup import character_ids, subword_ids
from textlattice.text.vocabulary import word_keys

VOID_SCORE = -1e4


def attend(query, message, weight, neighbours, gate, slot_bias):
    """Token by token, head by head, over open slots only."""
    num_tokens, degree = neighbours.shape
    num_heads, width = weight.shape
    mixed = torch.zeros_like(query)
    scores = torch.full((num_tokens, degree, num_heads), VOID_SCORE, dtype=query.dtype)
    for i in range(num_tokens):
        for head in range(num_heads):
            part = slice(head * width, (head + 1) * width)
            heard = []
            for slot, j in enumerate(neighbours[i].tolist()):
                if gate[i, slot] > 0:
                    hidden = F.leaky_relu(query[i, part] + message[j, part], 0.2)
                    scores[i, slot, head] = (weight[head] * hidden).sum() + slot_bias[slot, head]
                    heard.append((gate[i, slot], scores[i, slot, head], message[j, part]))
            highest = max((score for _, score, _ in heard), default=0)
            shares = [openness * (score - highest).exp() for openness, score, _ in heard]
            for share, (_, _, said) in zip(shares, heard, strict=True):
                mixed[i, part] += share / sum(shares) * said
    return mixed, scores


def convolve(rows, weight, bias):
    """One document's rows through a convolution with zeros beyond its ends; weight is [taps, out, in]."""
    radius = len(weight) // 2
    result = []
    for i in range(len(rows)):
        total = bias
        for tap in range(len(weight)):
            j = i + tap - radius
            if 0 <= j < len(rows):
                total = total + weight[tap] @ rows[j]
        result.append(total)
    return torch.stack(result)


def keep_edges(neighbours, scores, num_kept, temperature):
    """The strongest slots of each token and their openness."""
    kept, openness = [], []
    for row, row_scores in zip(neighbours.tolist(), scores.mean(2).tolist(), strict=True):
        best = sorted(range(len(row)), key=lambda slot: -row_scores[slot])[: num_kept + 1]
        floor = row_scores[best[-1]]
        kept.append([row[slot] for slot in best[:-1]])
        openness.append([min(1.0, (row_scores[slot] - floor) / temperature) for slot in best[:-1]])
    return kept, openness


def cross_entropy(logits, targets, weights, label_smoothing):
    """Weighted mean of -sum_c q_c log p_c."""
    total = mass = 0.0
    for row, target, weight in zip(logits, targets, weights, strict=True):
        exponents = [math.exp(value) for value in row]
        for place, exponent in enumerate(exponents):
            share = label_smoothing / len(row) + (1 - label_smoothing) * (place == target)
            total -= weight * share * math.log(exponent / sum(exponents))
        mass += weight
    return total / mass


def token_rows(documents, known, config):
    """Row of each token in a table of words: its place among the known keys, from 1; 0 if unknown."""
    rows = {key: row for row, key in enumerate(known.tolist(), 1)}
    return [rows.get(int(word_keys([form], config)[0]), 0) for doc in documents for form in doc.forms()]


def deep_logits(model, collator, config, document):
    """Logits of the graph network for one document that is not empty."""
    vectors = [form_vector(model.spelling, form, config.text) for form in document.forms()]
    rows = token_rows([document], collator.vocabulary.words, config.text)
    tokens = [vectors, [model.word_input.words.weight[row] * (row > 0) for row in rows]]
    if config.model.injected_channels:
        layer = model.word_input
        rows = token_rows([document], collator.vocabulary.injected, config.text)
        tokens.append([layer.projection.weight @ layer.vectors[row] * (row > 0) for row in rows])
    tokens = torch.stack([torch.cat(parts) for parts in zip(*tokens, strict=True)])
    tokens = convolve(tokens, model.token_conv.weight, model.token_conv.bias)
    table, mask = graph(config.graph, len(tokens), 0)
    tokens, scores = graph_block(model.blocks.block1, tokens, table, mask)
    kept, openness = keep_edges(table, scores, config.graph.num_kept_edges, config.graph.keep_temperature)
    table, mask = graph(config.graph, len(tokens), 1)
    for i in range(len(tokens)):
        heard = {j for j, edge in zip(table[i].tolist(), mask[i].tolist(), strict=True) if edge}
        openness[i] = [0.0 if j in heard else w for j, w in zip(kept[i], openness[i], strict=True)]
    table, mask = torch.cat([table, torch.tensor(kept)], 1), torch.cat([mask, torch.tensor(openness)], 1)
    tokens, _ = graph_block(model.blocks.block2, tokens, table, mask)
    weights = torch.softmax(model.readout.score(tokens), 0)
    document = torch.cat([tokens.amax(0), tokens.mean(0), (weights * tokens).sum(0)])
    document = model.norm.scale * document + model.norm.shift
    return model.head.output(F.elu(model.head.hidden(document)))


def form_vector(spelling, form, config):
    """The vector of one form."""
    letters = spelling.characters.weight[torch.from_numpy(character_ids(form, config.num_characters)).long()]
    for conv in (spelling.conv1, spelling.conv2):
        letters = F.relu(convolve(letters, conv.weight, conv.bias))
    vector = spelling.output(torch.cat([letters.amax(0), letters.mean(0)]))
    rows, _ = subword_ids([form], config.subword_lengths, config.num_subwords)
    if len(rows):
        vector = vector + torch.stack([spelling.subwords.weight[row] for row in rows.tolist()]).mean(0)
    return vector


def graph(config, num_tokens, block):
    """Neighbours and mask of a document alone."""
    table = neighbour_table(
        np.array([0, num_tokens]),
        lattice_offsets=config.lattice_offsets[block],
        num_random_edges=config.num_random_edges[block],
        random=config.random,
        seed=config.seed,
        block=block,
    )
    return torch.from_numpy(table.neighbours).long(), torch.from_numpy(table.mask).float()


def graph_block(block, tokens, table, gate):
    """x + W [ReLU(conv) ; ReLU(attention)] of one document."""
    normed = block.norm(tokens)
    near = convolve(normed, block.conv.weight, block.conv.bias)
    layer = block.attention
    rows = [min(slot, len(layer.slot_bias) - 1) for slot in range(table.shape[1])]  # kept ones share the last
    slot_bias = layer.slot_bias[rows]
    far, scores = attend(layer.query(normed), layer.message(normed), layer.weight, table, gate, slot_bias)
    return tokens + block.mix(F.relu(torch.cat([near, far + layer.bias], 1))), scores
