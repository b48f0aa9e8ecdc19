"""Tiny language models made by hand, in the folder form of real ones: a word or two of each kind of mark."""

import json
from pathlib import Path

import numpy as np
import safetensors.numpy

SPECIAL = {"special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
CARD = "---\nlanguage: en\nlicense: cc-by-4.0\n---\n# A model\n"


def write_model(folder: Path, tokenizer: dict, num_tokens: int, *, name="embeddings.word_embeddings.weight"):
    """A folder whose token t has the vector (t, t * t)."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.arange(num_tokens, dtype=np.float32)
    rows = np.stack([numbers, numbers**2], 1)
    safetensors.numpy.save_file({name: rows, "other.weight": rows[:, :1]}, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return folder


def tokenizer_json(model: dict, special: dict[str, int], **parts) -> dict:
    added = [{"id": number, "content": text, **SPECIAL} for text, number in special.items()]
    empty = dict.fromkeys(
        ("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder")
    )
    return {"version": "1.0", **empty, "added_tokens": added, **parts, "model": model}


def word_piece() -> dict:
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[unused0]",
        "a",
        "film",
        "hope",
        "##less",
        "##ful",
        ".",
        "##ly",
        "é",
    ]
    vocab = {token: number for number, token in enumerate(tokens)}
    return tokenizer_json(
        {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
        {token: number for token, number in vocab.items() if token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")},
        normalizer={"type": "Lowercase"},
        pre_tokenizer={"type": "BertPreTokenizer"},
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
        padding={
            "strategy": {"Fixed": 8},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        truncation={"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
    )


def byte_pairs() -> dict:
    """Marks of spaces (`Ġ`), bytes that are no letters by themselves, a capital, and pieces."""
    vocab = ["<|end|>", *"afilmhopess.", "Ã", "©", "Ġ"]
    merges, tokens = [], list(dict.fromkeys(vocab))
    for word in ("Ġa", "Ġfilm", "Ġhope", "less", "film", "ĠFilm"):
        pieces = list(word)
        tokens += [piece for piece in pieces if piece not in tokens]
        while len(pieces) > 1:
            pair = " ".join(pieces[:2])
            pieces[:2] = ["".join(pieces[:2])]
            if pair not in merges:
                merges.append(pair)
            if pieces[0] not in tokens:
                tokens.append(pieces[0])
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return tokenizer_json(
        {"type": "BPE", "vocab": {token: number for number, token in enumerate(tokens)}, "merges": merges},
        {"<|end|>": 0},
        pre_tokenizer=level,
        decoder=level,
    )


def marked_ends() -> dict:
    """Pieces whose mark stands at the end of a word."""
    vocab = [
        "<unk>",
        *"afilmhopes",
        "a</w>",
        "m</w>",
        "e</w>",
        "s</w>",
        ".</w>",
        "fi",
        "fil",
        "film</w>",
        "ho",
        "hop",
    ]
    vocab += ["hope</w>", "es</w>"]
    merges = ["f i", "fi l", "fil m</w>", "h o", "ho p", "hop e</w>", "e s</w>"]
    return tokenizer_json(
        {
            "type": "BPE",
            "vocab": {token: number for number, token in enumerate(vocab)},
            "merges": merges,
            "unk_token": "<unk>",
            "end_of_word_suffix": "</w>",
        },
        {"<unk>": 0},
        pre_tokenizer={"type": "BertPreTokenizer"},
        decoder={"type": "BPEDecoder", "suffix": "</w>"},
    )


def unigram() -> dict:
    pieces = ["<unk>", "▁", "▁a", "▁film", "▁hope", "less", "film", ".", "s", "<extra>"]
    level = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    return tokenizer_json(
        {"type": "Unigram", "unk_id": 0, "vocab": [[piece, -float(n)] for n, piece in enumerate(pieces)]},
        {"<unk>": 0, "<extra>": 9},
        pre_tokenizer=level,
        decoder=level,
    )


def vocabulary(tokenizer: dict) -> list[str]:
    """Tokens in the order of their numbers."""
    vocab = tokenizer["model"]["vocab"]
    return [piece for piece, _ in vocab] if isinstance(vocab, list) else sorted(vocab, key=vocab.get)
