"""A tiny language model of random weights, in the folder form of real ones."""

import json
from pathlib import Path

import torch

from tables.models import byte_pairs, vocabulary, word_piece


def write_network(folder: Path, network: torch.nn.Module, tokenizer: dict) -> Path:
    """A network of the library and its tokenizer, in the number form that the network has."""
    network.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder


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
    return write_network(folder, transformers.BertModel(config, add_pooling_layer=False), tokenizer)


DECODERS = ("gpt2", "llama")


def write_decoder(folder: Path, kind: str) -> Path:
    """A model of 8 channels that reads from left to right, over the tokens of `byte_pairs`; no special ones frame it.

    Args:
        folder: Where it goes.
        kind: One of `DECODERS`.
    """
    import transformers

    tokenizer = byte_pairs()
    torch.manual_seed(0)
    sizes = {"vocab_size": len(vocabulary(tokenizer)), "bos_token_id": 0, "eos_token_id": 0}
    if kind == "gpt2":
        settings = transformers.GPT2Config(n_embd=8, n_layer=4, n_head=2, n_positions=24, **sizes)
        network = transformers.GPT2Model(settings)
    else:
        settings = transformers.LlamaConfig(
            hidden_size=8,
            num_hidden_layers=4,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=16,
            max_position_embeddings=24,
            **sizes,
        )
        network = transformers.LlamaModel(settings)
    return write_network(folder, network, tokenizer)
