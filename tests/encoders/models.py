"""A tiny language model of random weights, in the folder form of real ones."""

import json
from pathlib import Path

import torch

from tables.models import vocabulary, word_piece


def write_bert(folder: Path, *, positions: int = 24, layers: int = 4, seed: int = 0) -> Path:
    """A BERT of 8 channels over the tokens of `word_piece`."""
    import transformers

    frame = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    tokenizer = word_piece() | {"post_processor": frame}
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary(tokenizer)),
        hidden_size=8,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=positions,
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder
