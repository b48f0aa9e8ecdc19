"""Words and vectors of a language model, from its folder or from the hub; by default no model is run."""

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int

from textlattice.artefact.model_files import (
    INDEX,
    WEIGHTS,
    listing,
    mapped,
    open_plain,
    read_plain,
    weight_files,
)
from textlattice.artefact.tensors import tensor_shapes, unpack_tensor
from textlattice.config import TextConfig
from textlattice.errors import ArtefactError, DataError, MissingExtraError
from textlattice.progress import Progress
from textlattice.tables.words import WordVectors, distinct, is_word
from textlattice.text.hf_tokenizer import TOKENIZER, calling_library, frame_of, open_tokenizer
from textlattice.text.tokenizer_json import MAX_BYTES

Way = Literal["input", "output"]

_FETCHED = ("config.json", TOKENIZER, WEIGHTS, INDEX, "model-*.safetensors", "README.md")
_OWNED = re.compile(r"[\w.-]+/[\w.-]+")
_OFFLINE = "HF_HUB_OFFLINE"
_EMBEDDINGS = (
    "word_embeddings.weight",  # BERT, RoBERTa, DeBERTa, DistilBERT, ALBERT, ELECTRA, BLOOM
    "tok_embeddings.weight",  # ModernBERT
    "embed_tokens.weight",  # Llama and what came after it
    "shared.weight",  # T5, BART
    "wte.weight",  # GPT-2
    "embed_in.weight",  # GPT-NeoX
    "embeddings",  # static models
    "embedding.weight",
)
"""Names that input embeddings end with, the surest first."""
_TOKENISED_AT_ONCE = 8_192
_RUN_AT_ONCE = 256
_HASHED_AT_ONCE = 1 << 24
_LONGEST_CARD = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageModel:
    """A language model that lies in a folder.

    Args:
        name: As the user named it.
        folder: Where its files are.
        tokenizer: Of the library `tokenizers`, without padding or truncation.
        unknown: Number of the token for what it cannot spell; None if it has none.
        continuing: What tokens begin with that stand inside a word, `##` of a WordPiece, mostly nothing.
        special: Numbers of tokens that are no text.
        record: Name, licence if stated, and SHA-256 of weights and tokenizer.
    """

    name: str
    folder: Path
    tokenizer: Any
    unknown: int | None
    continuing: str
    special: frozenset[int]
    record: dict[str, Any]

    @property
    def num_tokens(self) -> int:
        """Numbers of tokens lie below this."""
        return int(max(self.tokenizer.get_vocab().values(), default=-1)) + 1

    def inner_token(self, text: str) -> int | None:
        """Number of the token that stands for a text inside a word; None if there is none."""
        normalizer = self.tokenizer.normalizer
        with calling_library():
            text = text if normalizer is None else normalizer.normalize_str(text)
        number: int | None = self.tokenizer.token_to_id(self.continuing + text)
        return number


def open_language_model(name: str) -> LanguageModel:
    """The language model of a local folder, or of the hub if the name is `owner/name` and no folder.

    Of the hub only settings, tokenizer, weights and card are fetched, and nothing that its cache holds;
    HF_HUB_OFFLINE=1 is respected. No code of a model is run, and no pickle is read.

    Raises:
        DataError: It cannot be had, or lacks a tokenizer or weights in safetensors.
        MissingExtraError: The extra `hf` is not installed.
    """
    if importlib.util.find_spec("tokenizers") is None:  # before anything is fetched
        raise MissingExtraError(f"reading the language model {name}", "hf")
    folder = model_folder(name)
    files = [folder / TOKENIZER, *weight_files(name, folder)]
    try:
        tokenizer, settings = open_tokenizer(read_plain(files[0], MAX_BYTES, inside=folder))
    except FileNotFoundError:
        raise DataError(
            f"{name}: expected {TOKENIZER} beside the weights, got {listing(folder)}; save the model's fast tokenizer "
            "there."
        ) from None
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    digests = {path.name: _sha256(path) for path in files}
    listed = "".join(f"{digest}  {file}\n" for file, digest in sorted(digests.items()))
    added = tokenizer.get_added_tokens_decoder()
    return LanguageModel(
        name=name,
        folder=folder,
        tokenizer=tokenizer,
        unknown=_unknown(settings, tokenizer),
        continuing=settings["model"].get("continuing_subword_prefix") or "",
        special=frozenset(number for number, token in added.items() if token.special),
        record={
            "source": name,
            "licence": _licence(folder),
            "digest": hashlib.sha256(listed.encode()).hexdigest(),
            "files": digests,
        },
    )


def whole_words(
    model: LanguageModel, config: TextConfig, progress: Progress | None = None, *, inner: bool = False
) -> list[str]:
    """The words that are one token of the model each, roughly the most frequent first.

    Where texts are cut by its tokenizer (`inner`), what it makes of the inside of words are words too.

    A token is a word if it is what the tokenizer makes of its own text inside a sentence, and if our texts are cut
    into that text as one token; so marks of tokenizers (`##`, `Ġ`, `▁`, `</w>`) need no rules, and special and unused
    tokens fall out. Vocabularies are ordered by frequency, but for single characters, which come by code point: those
    of ASCII go first here, the others last. Of spellings that have one key the lower-cased one is kept.
    """
    numbers = [number for number in range(model.num_tokens) if number not in model.special]
    texts: list[str] = []
    for part in _parts(numbers):
        with calling_library():
            decoded = model.tokenizer.decode_batch([[number] for number in part], skip_special_tokens=True)
        texts += [text.strip().removeprefix(model.continuing if inner else "") for text in decoded]
    candidates = [
        (number, text)
        for number, text in zip(numbers, texts, strict=True)
        if text and "\ufffd" not in text and is_word(text, config)
    ]
    found = pieces(model, [text for _, text in candidates], progress, inner=inner)
    words = [text for (number, text), own in zip(candidates, found, strict=True) if own == [number]]
    if config.lowercase_keys:
        lower = {word for word in words if word == word.lower()}
        words = [word for word in words if word in lower or word.lower() not in lower]
    words.sort(key=lambda word: 1 if len(word) > 1 else 0 if word.isascii() else 2)
    return distinct(words, config)


def pieces(
    model: LanguageModel, words: Sequence[str], progress: Progress | None = None, *, inner: bool = False
) -> list[list[int]]:
    """The tokens of each word as it stands inside a sentence; none where the model cannot spell it.

    A word is set behind another one and a space, a punctuation mark behind it without a space, and the tokens that
    reach beyond the carrier are its own; a mark of the space that is a token by itself is not.

    Args:
        model: The model.
        words: Words.
        progress: Told of each part.
        inner: Whether texts are cut by its tokenizer, so that words may be what stands inside one, such as the `ing` of
            `##ing`: that token is then its only one. Where a word of two letters or more is a token by itself as well,
            the one with the lower number, which is the more frequent, stands for both.
    """
    progress = progress or Progress()
    carriers = ["a " if any(letter.isalnum() for letter in word) else "a" for word in words]
    found: list[list[int]] = []
    progress.begin("taking words to pieces", len(words))
    for rows in _parts(range(len(words))):
        texts = [carriers[row] + words[row] for row in rows]
        with calling_library():
            encoded = model.tokenizer.encode_batch(texts, add_special_tokens=False)
        for row, encoding in zip(rows, encoded, strict=True):
            ends = (end for _, end in encoding.offsets)
            own = [
                number
                for number, end in zip(encoding.ids, ends, strict=True)
                if end > len(carriers[row]) and number not in model.special
            ]
            if model.unknown is not None and model.unknown in encoding.ids:
                own = []
            found.append(_inner_first(model, words[row], own) if inner else own)
        progress.advance(len(rows))
    progress.end()
    return found


def _inner_first(model: LanguageModel, word: str, own: list[int]) -> list[int]:
    """The token of the inside of words that is this one, unless that is rarer than the word by itself."""
    number = model.inner_token(word)
    if number is None or (len(own) == 1 and (len(word) == 1 or own[0] < number)):
        return own
    return [number]


def word_vectors(
    model: LanguageModel,
    words: Sequence[str],
    way: Way,
    progress: Progress | None = None,
    *,
    inner: bool = False,
) -> WordVectors:
    """Vectors of words; of a word of several tokens the mean of theirs. Words it cannot spell are left out.

    Args:
        model: The model.
        words: Words, the most frequent first.
        way: `input`: rows of its input embedding, read from the weights. `output`: each token is run through the model
            alone, between its special tokens; its last hidden state.
        progress: Told of each stage.
        inner: Whether words may be what stands inside one, see `pieces`.

    Raises:
        DataError: The weights lack an input embedding, or the model cannot be run, or spells none of the words.
        MissingExtraError: `output` without the extras `hf` and `train`.
    """
    progress = progress or Progress()
    found = pieces(model, words, progress, inner=inner)
    spelled = [row for row, own in enumerate(found) if own]
    if not spelled:
        raise DataError(
            f"{model.name}: expected words that its tokenizer can spell, got none among {len(words):,}; give other "
            "texts with --words, or another model."
        )
    numbers = np.concatenate([np.array(found[row], np.int64) for row in spelled])
    needed, rows = np.unique(numbers, return_inverse=True)
    table = input_rows(model, needed) if way == "input" else output_rows(model, needed, progress)
    bounds = np.cumsum([0] + [len(found[row]) for row in spelled])
    vectors = np.add.reduceat(table[rows], bounds[:-1], axis=0) / np.diff(bounds)[:, None]
    return WordVectors(words=[words[row] for row in spelled], vectors=vectors.astype(np.float32))


def input_rows(
    model: LanguageModel, numbers: Int[np.ndarray, " num_tokens"]
) -> Float32[np.ndarray, "num_tokens channels"]:
    """Rows of the input embedding of these tokens; of the weights nothing else is read.

    Raises:
        DataError: There is no such embedding, or it has no row for a token.
    """
    for path in weight_files(model.name, model.folder):
        with open_plain(path, inside=model.folder) as file:
            data = mapped(file)
        where = f"{model.name}/{path.name}"
        try:
            shapes = tensor_shapes(data, where=where)
            tables = [name for name, shape in shapes.items() if len(shape) == 2 and shape[0] > numbers.max()]
            for end in _EMBEDDINGS:
                for name in sorted(tables, key=len):
                    if name == end or name.endswith(f".{end}"):
                        return unpack_tensor(data, name, where=where)[numbers].astype(np.float32)
        except ArtefactError as error:
            raise DataError(str(error)) from error
    raise DataError(
        f"{model.name}: expected an input embedding with a row for token {int(numbers.max())}, under a name that ends "
        f"with one of {', '.join(_EMBEDDINGS)}, got none; try --vectors output."
    )


def output_rows(
    model: LanguageModel, numbers: Int[np.ndarray, " num_tokens"], progress: Progress | None = None
) -> Float32[np.ndarray, "num_tokens channels"]:
    """Last hidden state of each token, run through the model alone between its special tokens.

    Of a model with an encoder and a decoder the encoder is run.

    Raises:
        DataError: The folder holds no model that can be run, or its states are not finite.
        MissingExtraError: The extras `hf` and `train` are not installed.
    """
    progress = progress or Progress()
    try:
        import torch
    except ImportError:
        raise MissingExtraError("running a language model", "train") from None
    from textlattice.encoders.network import open_network

    try:
        network = open_network(model.folder, model.name)
    except DataError as error:
        raise DataError(f"{error} Or try --vectors input.") from error
    with calling_library():
        before, after = frame_of(model.tokenizer.encode("a"))
    states = []
    progress.begin("running tokens through the model", len(numbers))
    for start in range(0, len(numbers), _RUN_AT_ONCE):
        part = torch.from_numpy(numbers[start : start + _RUN_AT_ONCE])[:, None]
        rows = [torch.tensor(ids, dtype=torch.int64).expand(len(part), -1) for ids in (before, after)]
        inputs = torch.cat([rows[0], part, rows[1]], 1)
        with torch.inference_mode():
            found = network(input_ids=inputs, attention_mask=torch.ones_like(inputs)).last_hidden_state
        states.append(found[:, len(before)].numpy())
        progress.advance(len(part))
    progress.end()
    vectors = np.concatenate(states)
    if not np.isfinite(vectors).all():
        raise DataError(
            f"{model.name}: expected finite hidden states, got {int((~np.isfinite(vectors)).any(1).sum())} tokens of "
            f"{len(vectors)} without; try --vectors input."
        )
    return vectors.astype(np.float32)


def model_folder(name: str, files: Sequence[str] = _FETCHED) -> Path:
    """The folder of a model; of the hub these files of it are fetched first, as far as it has them."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not _OWNED.fullmatch(name) or name.startswith("."):
        what = "a file" if folder.is_file() else "nothing of that name"
        wanted = f"{TOKENIZER} and {WEIGHTS}" if WEIGHTS in files else TOKENIZER
        raise DataError(
            f"{name}: expected a folder with {wanted}, or owner/name on the hub, got {what}; check the path."
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingExtraError(f"fetching the language model {name}", "hf") from None
    try:
        return Path(snapshot_download(name, allow_patterns=list(files)))
    except Exception as error:  # of the library, of the network: all mean that there is no model
        offline = os.environ.get(_OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE")
        advice = (
            f"{_OFFLINE} is set, so only what is in the cache can be read: read it once while online, or give a folder"
            if offline
            else "there is no folder of that name; check owner, name and the network"
        )
        raise DataError(
            f"{name}: cannot be had from the hub ({type(error).__name__}: {' '.join(str(error).split())[:300]}); "
            f"{advice}."
        ) from error


def _unknown(settings: dict[str, Any], tokenizer: Any) -> int | None:
    model = settings["model"]
    if isinstance(model.get("unk_id"), int):  # Unigram
        return int(model["unk_id"])
    unknown = model.get("unk_token")
    return tokenizer.token_to_id(unknown) if isinstance(unknown, str) else None


def _licence(folder: Path) -> str | None:
    """What the model's card states as its licence; None where it states none."""
    try:
        with open_plain(folder / "README.md", inside=folder) as file:
            card = file.read(_LONGEST_CARD).decode("utf-8", "replace")
    except (OSError, DataError):
        return None
    head = re.match(r"---\s*\n(.*?)\n---\s*(?:\n|\Z)", card, re.DOTALL)
    stated = head and re.search(r"^license:\s*[\"']?([\w.+ -]+)", head[1], re.MULTILINE)
    return stated[1].strip() if stated else None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open_plain(path, inside=path.parent) as file:
        while part := file.read(_HASHED_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _TOKENISED_AT_ONCE):
        yield numbers[start : start + _TOKENISED_AT_ONCE]
