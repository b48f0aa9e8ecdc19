"""What a `tokenizer.json` may hold: known parts, patterns that cannot run away, texts that cannot grow without bound.

The library that reads these files believes them: there are patterns that it follows for ever, replacements by which a
text grows a thousandfold, and tables at which it panics. So each part is looked at first, and what is not known is
refused.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from reprlib import repr as short
from typing import Any

import numpy as np

from textlattice.config_json import distinct_keys
from textlattice.errors import DataError

MAX_BYTES = 64 << 20
"""Longest file; the largest that we know have half of it."""

_MOST_ID = 1 << 24
_MOST_UNUSED = 100_000  # numbers below the largest that no token has
_MOST_ADDED = 1 << 16
_MOST_PARTS = 32
_MOST_FRAME = 64
_LONGEST_TOKEN = 1024
_LONGEST_WORD = 256  # the time that WordPiece takes grows with its cube
_LONGEST_PATTERN = 512
_LONGEST_REPLACEMENT = 64
_MOST_GROWTH = 64.0

_KINDS = {
    "normalizer": """Sequence BertNormalizer NFC NFD NFKC NFKD Lowercase Strip StripAccents Nmt Prepend Replace
        Precompiled ByteLevel""",
    "pre_tokenizer": """Sequence BertPreTokenizer ByteLevel Whitespace WhitespaceSplit Metaspace Punctuation Digits
        Split CharDelimiterSplit UnicodeScripts FixedLength""",
    "post_processor": "Sequence BertProcessing RobertaProcessing ByteLevel TemplateProcessing",
    "decoder": "Sequence BPEDecoder ByteLevel WordPiece Metaspace CTC ByteFallback Fuse Strip Replace",
}
_MODELS = frozenset({"BPE", "WordPiece", "WordLevel", "Unigram"})
_INSIDE = ("normalizers", "pretokenizers", "processors", "decoders")

_ENDINGS = "'s|'t|'re|'ve|'m|'ll|'d"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SIGNS, _SPACES = r" ?[^\s\p{L}\p{N}]+", r"\s+(?!\S)|\s+"
_BEFORE = r"[^\r\n\p{L}\p{N}]?"
PATTERNS = frozenset(
    {
        rf"{_ENDINGS}| ?\p{{L}}+| ?\p{{N}}+|{_SIGNS}|{_SPACES}",  # GPT-2
        *(
            rf"(?i:{_ENDINGS})|{_BEFORE}\p{{L}}+|{numbers}|{_SIGNS}[\r\n]*|\s*[\r\n]+|{_SPACES}"
            for numbers in (r"\p{N}{1,3}", r"\p{N}", r"\p{N}+")  # Llama 3, Qwen 2
        ),
        rf"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{{L}}\p{{N}}]?+\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]++[\r\n]*"
        rf"|\s*[\r\n]|{_SPACES}",  # cl100k
        *(
            rf"{_BEFORE}{_UPPER}*{_LOWER}+{ending}|{_BEFORE}{_UPPER}+{_LOWER}*{ending}|{numbers}"
            rf"|{_SIGNS}[\r\n/]*|\s*[\r\n]+|{_SPACES}"
            for ending in ("", f"(?i:{_ENDINGS})?")
            for numbers in (r"\p{N}{1,3}", r"\p{N}")  # o200k, Tekken
        ),
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
        rf"| ?[\p{{P}}\p{{S}}]+[\r\n]*|\s*[\r\n]+|{_SPACES}",  # DeepSeek V3
        r" ?[^(\s|[.,!?…。，、।۔،])]+",  # BLOOM
        rf"<\|startoftext\|>|<\|endoftext\|>|{_ENDINGS}|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+",  # CLIP
    }
)
"""Patterns of well-known tokenizers, which take time in proportion to the text; of others `is_harmless` says it."""

_ESCAPE = r"\\(?:[pP]\{\^?[A-Za-z_]{1,32}\}|[sSdDwWrnt]|[^\w\s])"
_ATOM = re.compile(rf"{_ESCAPE}|\[\^?(?:{_ESCAPE}|(?!&&)[^\\\[\]])+\]|[^\\\[\](){{}}*+?|^$]")
_TIMES = re.compile(r"\?|\+|\*|\{(\d{1,3})(,(\d{0,3}))?\}")
_MOST_WAYS = 64  # in which the bounded atoms of a pattern may match


def check_tokenizer(content: bytes) -> dict[str, Any]:
    """What the file says, but for the tables of its model, that is their tokens and merges.

    Raises:
        DataError: The file is too long or no JSON, or a part of it is not known or out of bounds.
    """
    if len(content) > MAX_BYTES:
        raise DataError(
            f"expected at most {MAX_BYTES:,} bytes, got {len(content):,}; take another tokenizer."
        )
    try:
        values = json.loads(content.decode("utf-8"), object_pairs_hook=distinct_keys)
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected JSON, got: {' '.join(str(error).split())[:200]}; save it again.") from None
    if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
        raise DataError("expected the settings of a model under 'model', got none; save it again.")
    growth = 1.0
    for place, kinds in _KINDS.items():
        for part in _each_part(place, values.get(place), set(kinds.split())):
            growth *= _check_part(place, part)
    if growth > _MOST_GROWTH:
        raise DataError(
            f"its normalizer may lengthen a text {growth:,.0f} times, at most {_MOST_GROWTH:.0f} are allowed; take "
            "another tokenizer."
        )
    model = values["model"]
    _check_model(model)
    added = values.get("added_tokens") or []
    _check_added(added)
    numbers = [entry["id"] for entry in added]
    if isinstance(model["vocab"], dict):
        numbers += model["vocab"].values()
    if max(numbers, default=0) > len(model["vocab"]) + len(added) + _MOST_UNUSED:
        raise DataError(
            f"its largest number is {max(numbers):,} of {len(numbers):,} tokens, {_MOST_UNUSED:,} may be unused; "
            "save it again."
        )
    return values | {
        "model": {name: value for name, value in model.items() if not isinstance(value, list | dict)}
    }


def is_harmless(pattern: str) -> bool:
    """Whether a pattern takes time in proportion to the text, whatever the text, and never matches nothing.

    So are alternatives of a few characters or classes each, of which the last alone may repeat without bound: what
    comes before it can match in a few ways only, and nothing comes after it that could make it give back.
    """
    return len(pattern) <= _LONGEST_PATTERN and all(map(_is_harmless_branch, _branches(pattern)))


def _branches(pattern: str) -> Iterator[str]:
    """Alternatives of a pattern without groups."""
    place = start = 0
    while place < len(pattern):
        if pattern[place] == "|":
            yield pattern[start:place]
            start = place = place + 1
            continue
        atom = _ATOM.match(pattern, place)
        place = atom.end() if atom else place + 1
    yield pattern[start:]


def _is_harmless_branch(branch: str) -> bool:
    place, least, ways, is_open = 0, 0, 1, False
    while place < len(branch):
        atom = _ATOM.match(branch, place)
        if atom is None or is_open:
            return False
        place = atom.end()
        low = high = 1
        if times := _TIMES.match(branch, place):
            place = times.end()
            low, high, is_open = _bounds(times)
            if branch[place : place + 1] in ("?", "+", "*", "{") or high > _MOST_WAYS or low > high:
                return False
        least, ways = least + low, ways * (high - low + 1)
    return least > 0 and ways <= _MOST_WAYS


def _bounds(times: re.Match[str]) -> tuple[int, int, bool]:
    """Least and largest number of repeats, and whether there is no largest."""
    if times[0] in "?+*":
        low = int(times[0] == "+")
        return low, 1 if times[0] == "?" else low, times[0] != "?"
    low = int(times[1])
    if times[2] is None:
        return low, low, False
    return (low, int(times[3]), False) if times[3] else (low, low, True)


def _each_part(place: str, part: Any, kinds: set[str], depth: int = 4) -> Iterator[dict[str, Any]]:
    """The parts of a sequence of them, each of a known kind; at most so many."""
    if part is None:
        return
    found, todo = 0, [(part, depth)]
    while todo:
        part, depth = todo.pop(0)
        kind = part.get("type") if isinstance(part, dict) else None
        found += 1
        if not isinstance(kind, str) or kind not in kinds or not depth or found > _MOST_PARTS:
            raise DataError(
                f"its {place} must be at most {_MOST_PARTS} of {', '.join(sorted(kinds))}, got "
                f"{short(kind) if found <= _MOST_PARTS else 'more'}; take another tokenizer."
            )
        if kind != "Sequence":
            yield part
            continue
        inside: list[Any] = next((part[name] for name in _INSIDE if isinstance(part.get(name), list)), [])
        if len(inside) > _MOST_PARTS:
            raise DataError(
                f"its {place} has {len(inside)} parts, {_MOST_PARTS} at most are read; take another tokenizer."
            )
        todo = [(inner, depth - 1) for inner in inside] + todo


def _check_part(place: str, part: dict[str, Any]) -> float:
    """By what factor a part of the normalizer may lengthen a text; 1 of other parts."""
    kind = part["type"]
    texts = [value for value in part.values() if isinstance(value, str)]
    if kind == "Precompiled":
        return _growth_of_map(part.get("precompiled_charsmap"))
    if any(len(text) > _LONGEST_REPLACEMENT for text in texts):
        raise DataError(
            f"its {place} {kind} has a text of more than {_LONGEST_REPLACEMENT} characters; take another tokenizer."
        )
    if kind == "TemplateProcessing":
        _check_template(part)
    if kind in ("BertProcessing", "RobertaProcessing"):
        for name in ("sep", "cls"):
            pair = part.get(name)
            if not (isinstance(pair, list) and len(pair) == 2 and _is_id(pair[1])):
                raise DataError(f"its {place} {kind} has no number for {name}; save it again.")
    if kind in ("FixedLength", "Strip"):
        numbers = [part.get(name) for name in ("length", "start", "stop") if name in part]
        if not all(map(_is_id, numbers)) or part.get("length") == 0 or part.get("stop"):
            raise DataError(f"its {place} {kind} has {short(numbers)} as lengths; save it again.")
    if kind in ("Metaspace", "CharDelimiterSplit"):
        letter = part.get("replacement", part.get("delimiter"))
        if not isinstance(letter, str) or len(letter) != 1:
            raise DataError(f"its {place} {kind} needs one character, got {short(letter)}; save it again.")
    if kind == "Prepend" and not part.get("prepend"):
        raise DataError(
            f"its {place} Prepend sets nothing before the text; leave it out, save the file again."
        )
    if kind not in ("Replace", "Split"):
        return 2.0 if place == "normalizer" and kind == "ByteLevel" else 1.0
    return _check_pattern(place, kind, part)


def _check_pattern(place: str, kind: str, part: dict[str, Any]) -> float:
    pattern = part.get("pattern")
    form, text = (
        next(iter(pattern.items())) if isinstance(pattern, dict) and len(pattern) == 1 else ("", None)
    )
    if form not in ("String", "Regex") or not isinstance(text, str) or not text:
        raise DataError(
            f"its {place} {kind} needs a pattern that is a text or a regular expression, got {short(pattern)}; save it "
            "again."
        )
    if form == "Regex" and text not in PATTERNS and not is_harmless(text):
        raise DataError(
            f"its {place} has the pattern {text[:80]!r}, which is none of those known to end on every text; take "
            "another tokenizer, or write it as characters and classes of which only the last repeats without bound."
        )
    if place != "normalizer":
        return 1.0
    least = len(text.encode("utf-8", "surrogatepass")) if form == "String" else 1
    content = part.get("content")
    length = len(content.encode("utf-8", "surrogatepass")) if isinstance(content, str) else 0
    return max(1.0, length / least)


def _growth_of_map(encoded: Any) -> float:
    """By what factor a table of SentencePiece may lengthen a text, if the library can follow it to its end.

    Source: sentencepiece, `normalizer.cc`: bytes of the trie, the trie as a double array of Darts-clone, then the
    replacements, each ended by a NUL.
    """
    try:
        blob = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except (binascii.Error, ValueError):
        blob = b""
    size = int.from_bytes(blob[:4], "little")
    texts = blob[4 + size :]
    if len(blob) < 8 or size % 4 or size < 4 or 4 + size > len(blob) or (texts and texts[-1]):
        raise DataError("its normalizer Precompiled holds no table; save it again.")
    units = np.frombuffer(blob, "<u4", size // 4, 4).astype(np.int64)
    place = np.arange(len(units))
    following = place ^ ((units >> 10) << ((units & 0x200) >> 6))
    is_node = (units & 0x80000000) == 0
    leads_out = is_node & ((following | 0xFF) >= len(units))
    leaves = following[is_node & ~leads_out & ((units & 0x100) != 0)]
    starts = units[leaves] & 0x7FFFFFFF
    bytes_ = np.frombuffer(texts, np.uint8)
    if leads_out.any() or (
        len(starts) and (starts.max() >= len(texts) or (bytes_[starts] & 0xC0 == 0x80).any())
    ):
        raise DataError("its normalizer Precompiled holds a table that leads out of itself; save it again.")
    try:
        texts.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError("its normalizer Precompiled holds texts that are no UTF-8; save it again.") from None
    longest = max(map(len, texts.split(b"\0")), default=0)
    if longest > _LONGEST_REPLACEMENT:
        raise DataError(
            f"its normalizer Precompiled replaces a character by {longest} bytes, at most {_LONGEST_REPLACEMENT} are "
            "allowed; take another tokenizer."
        )
    return max(1.0, longest / 3)


def _check_template(part: dict[str, Any]) -> None:
    special = part.get("special_tokens")
    fine = isinstance(special, dict) and all(map(_is_special, special.values()))
    for name, texts in (("single", ["A"]), ("pair", ["A", "B"])):
        pieces = part.get(name)
        fine = fine and isinstance(pieces, list) and len(pieces) <= _MOST_FRAME
        names: dict[str, list[str]] = {"Sequence": [], "SpecialToken": []}
        for piece in pieces if fine and pieces else []:
            kind, entry = next(iter(piece.items()), ("", None)) if isinstance(piece, dict) else ("", None)
            token = entry.get("id") if isinstance(entry, dict) else None
            fine = fine and kind in names and isinstance(token, str)
            names.setdefault(kind, []).append(str(token))
        fine = (
            fine and sorted(names["Sequence"]) == texts and set(names["SpecialToken"]) <= set(special or ())
        )
    if not fine:
        raise DataError(
            "its post_processor TemplateProcessing must set known special tokens around the text; save it again."
        )


def _is_special(entry: Any) -> bool:
    """Whether an entry is a special token that stands for numbers, a text for each."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("ids"), list)
        and isinstance(entry.get("tokens"), list)
        and len(entry["ids"]) == len(entry["tokens"]) <= _MOST_FRAME
        and all(map(_is_id, entry["ids"]))
    )


def _check_model(model: dict[str, Any]) -> None:
    kind = model.get("type", _kind_of(model))
    if not isinstance(kind, str) or kind not in _MODELS:
        raise DataError(
            f"its model must be one of {', '.join(sorted(_MODELS))}, got {short(kind)}; take another tokenizer."
        )
    vocab = model.get("vocab")
    if kind == "Unigram":
        _check_scores(model, vocab)
    else:
        if not isinstance(vocab, dict) or not all(map(_is_id, vocab.values())):
            raise DataError(f"its model {kind} must number its tokens below {_MOST_ID:,}; save it again.")
        if any(len(token) > _LONGEST_TOKEN for token in vocab):
            raise DataError(
                f"its model has a token of more than {_LONGEST_TOKEN:,} characters; take another tokenizer."
            )
    if kind in ("WordPiece", "WordLevel"):
        unknown = model.get("unk_token", "[UNK]" if kind == "WordPiece" else "<unk>")
        if not isinstance(unknown, str) or unknown not in (vocab or ()):
            raise DataError(
                f"its model {kind} must have its unk_token among its tokens, got {short(unknown)}; save it again."
            )
    if kind == "WordPiece":
        most = model.get("max_input_chars_per_word", 100)
        if type(most) is not int or not 0 < most <= _LONGEST_WORD:
            raise DataError(
                f"its model must take words of 1..{_LONGEST_WORD} characters, got max_input_chars_per_word="
                f"{short(most)}; take another tokenizer."
            )
    if kind == "BPE":
        _check_merges(model)
    for name in ("continuing_subword_prefix", "end_of_word_suffix", "unk_token"):
        if not isinstance(model.get(name) or "", str) or len(model.get(name) or "") > _LONGEST_REPLACEMENT:
            raise DataError(f"its model has {short(model[name])} as {name}; save it again.")


def _kind_of(model: Mapping[str, Any]) -> str:
    """The kind of a model that does not say it, as old files do not."""
    marks = {"merges": "BPE", "max_input_chars_per_word": "WordPiece", "unk_id": "Unigram"}
    return next((kind for key, kind in marks.items() if key in model), "WordLevel")


def _check_scores(model: Mapping[str, Any], vocab: Any) -> None:
    fine = isinstance(vocab, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and 0 < len(pair[0]) <= _LONGEST_TOKEN
        and isinstance(pair[1], int | float)
        and not isinstance(pair[1], bool)
        and abs(pair[1]) < 1e6  # a log-probability; also false of NaN
        for pair in vocab
    )
    unknown = model.get("unk_id")
    if not fine or not 0 < len(vocab) < _MOST_ID:
        raise DataError(
            f"its model Unigram must be pieces of 1..{_LONGEST_TOKEN:,} characters with finite scores; save it again."
        )
    if unknown is not None and not (_is_id(unknown) and unknown < len(vocab)):
        raise DataError(
            f"its model Unigram has no piece of the number unk_id={short(unknown)}; save it again."
        )


def _check_merges(model: Mapping[str, Any]) -> None:
    if model.get("dropout"):
        raise DataError(
            f"its model BPE draws at random, dropout={short(model['dropout'])}, so no answer would be the same again; "
            "set dropout to null."
        )
    merges = model.get("merges")
    if not isinstance(merges, list) or len(merges) > _MOST_ID:
        raise DataError("its model BPE must have a list of merges; save it again.")
    prefix = (model.get("continuing_subword_prefix") or "").encode("utf-8", "replace")
    if not prefix:
        return
    for merge in merges:  # the library cuts so many bytes off the second, without a look
        second = merge[-1] if isinstance(merge, list) and merge else str(merge).rpartition(" ")[2]
        if not str(second).encode("utf-8", "replace").startswith(prefix):
            raise DataError(
                f"its model BPE merges {short(second)}, which lacks the prefix of pieces inside words; save it again."
            )


def _check_added(added: Any) -> None:
    if not isinstance(added, list) or len(added) > _MOST_ADDED:
        raise DataError(
            f"its added_tokens must be a list of at most {_MOST_ADDED:,}; take another tokenizer."
        )
    for entry in added:
        text = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TOKEN or not _is_id(entry.get("id")):
            raise DataError(
                f"its added_tokens must have a text of 1..{_LONGEST_TOKEN:,} characters and a number below "
                f"{_MOST_ID:,}, got {short(entry)}; save it again."
            )
        if text.isspace() and (entry.get("lstrip") or entry.get("rstrip")):
            raise DataError(
                f"its added token {text!r} is space that takes the space around it; take another tokenizer."
            )


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST_ID
