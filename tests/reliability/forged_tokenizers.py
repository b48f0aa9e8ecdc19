"""Tokenizer files that nobody would make but to do harm: each must be refused, fast and in one line."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

from tables.models import SPECIAL, byte_pairs, unigram, word_piece

RUNAWAY = (
    "(a+)+$",
    "(.*)*x",
    "(a|a)*b",
    "(?:a|aa)+$",
    "(.+)+",
    "a*",
    r"\s*",
    "a+b",
    r"^(\w+\s?)*$",
    "(?=a)",
    r"(a)\1",
)
"""Patterns that take time without bound on some text, or that match nothing at all, or may."""
HARMLESS = (
    r"\s+",
    " {2,}",
    "[0-9]",
    r"\p{N}{1,3}",
    r"\s?\p{L}+",
    "[一-龥]+",
    "[0-9][0-9][0-9]",
    r"\d+|[^\d]+",
    ".",
)
"""Patterns that take time in proportion to the text."""

INSIDE = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}
"""What the parts of a sequence stand under."""


def charsmap(
    letter: str = "a", replacement: bytes = b"b\0", *, value: int = 0, offset: int = 0x100, units: int = 512
) -> str:
    """The table of a Precompiled normalizer that replaces one letter of ASCII."""
    trie = [0] * units
    trie[0] = offset << 10
    node = 0x100 ^ ord(letter)
    trie[node] = 1 << 10 | 1 << 8 | ord(letter)
    trie[node ^ 1] = 0x80000000 | value
    numbers = struct.pack(f"<{units}I", *trie)
    return base64.b64encode(struct.pack("<I", len(numbers)) + numbers + replacement).decode()


def crafted_tokenizers() -> Iterator[tuple[str, bytes]]:
    """Names and contents."""
    for name, value in _crafted():
        yield name, value if isinstance(value, bytes) else json.dumps(value).encode()


def _crafted() -> Iterator[tuple[str, Any]]:
    piece, pairs, scores = word_piece(), byte_pairs(), unigram()
    yield "nothing", b""
    yield "no UTF-8", b"\xff\xfe"
    yield "nested deeply", b'{"model":' * 100_000
    yield "a number of 5,000 digits", b'{"model": ' + b"9" * 5_000 + b"}"
    yield "a list", [piece]
    yield "model is a list", piece | {"model": []}
    yield "a key twice", json.dumps(piece)[:-1].encode() + b', "model": {"type": "BPE"}}'
    for place in ("normalizer", "pre_tokenizer", "post_processor", "decoder", "model"):
        yield f"{place} of an unknown kind", piece | {place: {"type": "Python", "code": "import os"}}
        yield f"{place} without a kind", piece | {place: {"pattern": 1}}
        yield f"{place} is a text", piece | {place: "NFC"}
        if place != "model":
            yield f"{place} nested 300 times", piece | {place: _nested(place, 300)}
            yield f"{place} of 100,000 parts", piece | {place: _sequence(place, [{"type": "NFC"}] * 100_000)}
    for pattern in RUNAWAY:
        for place, more in (
            ("pre_tokenizer", {"type": "Split", "behavior": "Isolated", "invert": False}),
            ("normalizer", {"type": "Replace", "content": ""}),
            ("decoder", {"type": "Replace", "content": ""}),
        ):
            yield (
                f"{place} with the pattern {pattern}",
                piece | {place: more | {"pattern": {"Regex": pattern}}},
            )
    yield "a pattern of 100,000 letters", piece | {"normalizer": _replace("[ab]" * 25_000, "", form="Regex")}
    yield "a text that is replaced by a thousand", piece | {"normalizer": _replace("a", "b" * 1_000)}
    yield (
        "a text that grows sixtyfold thrice",
        piece | {"normalizer": _sequence("normalizer", [_replace("a", "a" * 60)] * 3)},
    )
    yield (
        "a text that grows twofold thirty times",
        piece | {"normalizer": _sequence("normalizer", [_replace("a", "aa")] * 30)},
    )
    yield (
        "a text that grows by a pattern",
        piece | {"normalizer": _sequence("normalizer", [_replace(".", "b" * 64, form="Regex")] * 2)},
    )
    yield "an empty pattern", piece | {"normalizer": _replace("", "a")}
    yield "an empty prefix", piece | {"normalizer": {"type": "Prepend", "prepend": ""}}
    for name, table in _charsmaps():
        yield (
            f"a table {name}",
            scores | {"normalizer": {"type": "Precompiled", "precompiled_charsmap": table}},
        )
    for name, model in _models(piece, pairs, scores):
        yield f"a model {name}", model
    for name, entry in _added():
        yield f"an added token {name}", piece | {"added_tokens": [*piece["added_tokens"], entry]}
    yield "70,000 added tokens", piece | {"added_tokens": [_token(f"<{n}>", n) for n in range(70_000)]}
    gone = _token("a", 5) | {"normalized": True}
    yield (
        "an added token of which nothing is left",
        piece | {"normalizer": _replace("a", ""), "added_tokens": [gone]},
    )
    for name, template in _templates():
        yield f"a template {name}", piece | {"post_processor": template}
    yield (
        "a frame without numbers",
        piece | {"post_processor": {"type": "BertProcessing", "sep": ["x"], "cls": 1}},
    )
    yield (
        "a decoder that cuts more than there is",
        piece | {"decoder": {"type": "Strip", "content": "a", "start": 0, "stop": 9}},
    )
    yield "pieces of no length", piece | {"pre_tokenizer": {"type": "FixedLength", "length": 0}}
    yield "a mark of two letters", scores | {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁▁"}}


def _charsmaps() -> Iterator[tuple[str, Any]]:
    yield "that is none", None
    yield "that is no base64", "%%%"
    yield "of no bytes", ""
    yield "that is longer than its text", base64.b64encode(struct.pack("<I", 1 << 30) + bytes(8)).decode()
    yield "of half a number", base64.b64encode(struct.pack("<I", 6) + bytes(8)).decode()
    yield "without an end of its texts", charsmap(replacement=b"b")
    yield "that leads out", charsmap(offset=0x3FF00)
    yield "with a text behind the end", charsmap(value=1_000)
    yield "with a text inside a letter", charsmap(replacement="é\0".encode(), value=1)
    yield "with texts that are no UTF-8", charsmap(replacement=b"\xff\0")
    yield "with a text of 10,000 letters", charsmap(replacement=b"b" * 10_000 + b"\0")


def _models(piece: dict, pairs: dict, scores: dict) -> Iterator[tuple[str, Any]]:
    def of(base: dict, **changes: Any) -> dict:
        return base | {"model": base["model"] | changes}

    yield "whose numbers are texts", of(piece, vocab={"a": "b"})
    yield "with a number of 400 digits", of(piece, vocab={"[UNK]": 10**400})
    yield "with a number of 2^31", of(piece, vocab={"[UNK]": 2**31})
    yield "with a negative number", of(piece, vocab={"[UNK]": -1})
    yield (
        "with 16 million numbers that no token has",
        of(piece, vocab=piece["model"]["vocab"] | {"x": 16_000_000}),
    )
    yield "without its unknown token", of(piece, unk_token="[NONE]")
    yield "with words of a million letters", of(piece, max_input_chars_per_word=10**6)
    yield "with words of no letters", of(piece, max_input_chars_per_word=0)
    yield "with a token of 10,000 letters", of(piece, vocab=piece["model"]["vocab"] | {"a" * 10_000: 13})
    yield "that draws at random", of(pairs, dropout=0.5)
    yield "without merges", of(pairs, merges=None)
    yield "with a prefix that is no part of its pieces", of(pairs, continuing_subword_prefix="#####")
    yield (
        "with a prefix inside a letter",
        of(pairs, vocab={"a": 0, "é": 1, "aé": 2}, merges=["a é"], continuing_subword_prefix="x"),
    )
    yield "with merges of what it has not", of(pairs, merges=["q q"])
    yield "without pieces", of(scores, vocab=[])
    yield "with an empty piece", of(scores, vocab=[["", 0.0], *scores["model"]["vocab"]])
    yield "with a score without bound", of(scores, vocab=[["a", 1e308], ["b", -1e308]])
    yield "with an unknown piece beyond the last", of(scores, unk_id=10**6)
    yield (
        "with a piece of 10,000 letters",
        of(scores, vocab=[*scores["model"]["vocab"], ["a" * 10_000, -1.0]]),
    )


def _added() -> Iterator[tuple[str, Any]]:
    yield "without a text", _token("", 5)
    yield "of spaces that takes the spaces around", _token(" ", 5) | {"lstrip": True, "rstrip": True}
    yield "of 10,000 letters", _token("a" * 10_000, 5)
    yield "of the number 2^40", _token("<x>", 2**40)
    yield "of a negative number", _token("<x>", -5)
    yield "that is a text", "<x>"


def _templates() -> Iterator[tuple[str, Any]]:
    text, other = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    mark = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
    known = {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}

    def of(single: Any, special: Any = known) -> dict:
        return {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [text, other],
            "special_tokens": special,
        }

    yield "without the text", of([mark])
    yield "with the text twice", of([text, text])
    yield "of a mark that nobody knows", of([mark, text], {})
    yield "of 100,000 marks", of([mark] * 100_000 + [text])
    yield (
        "of numbers without a text",
        of([mark, text], {"[CLS]": {"id": "[CLS]", "ids": [2, 3], "tokens": ["x"]}}),
    )
    yield "of the number 2^40", of([mark, text], {"[CLS]": {"id": "[CLS]", "ids": [2**40], "tokens": ["x"]}})
    yield "of texts", of("A")


def _token(text: str, number: int) -> dict[str, Any]:
    return {"id": number, "content": text, **SPECIAL}


def _replace(pattern: str, content: str, *, form: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {form: pattern}, "content": content}


def _sequence(place: str, parts: list[Any]) -> dict[str, Any]:
    return {"type": "Sequence", INSIDE[place]: parts}


def _nested(place: str, depth: int) -> Any:
    part: Any = {"type": "NFC"}
    for _ in range(depth):
        part = _sequence(place, [part])
    return part
