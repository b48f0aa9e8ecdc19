"""Ways to damage a model folder: some leave its digests wrong, some make them anew, as an attacker would."""

import hashlib
import json
import os
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = "model.safetensors"


def forge(folder: Path, name: str, content: bytes) -> None:
    """Another content of one file, with a manifest that agrees; a name that is no place in the folder is named only."""
    if name.isprintable() and not os.path.isabs(name) and ".." not in name and "/" not in name:
        (folder / name).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    edit_json(folder / "manifest.json", lambda manifest: manifest["files"].update({name: entry}))


def forge_config(folder: Path, change: Any) -> None:
    """Other settings, with a manifest that agrees."""
    edit_json(folder / "config.json", change)
    forge(folder, "config.json", (folder / "config.json").read_bytes())


def edit_json(path: Path, change: Any) -> None:
    """A JSON file after `change` was called with its value."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def header_size(data: bytes) -> int:
    """Bytes up to the first number of a safetensors file."""
    return 8 + int.from_bytes(data[:8], "little")


def entries(data: bytes) -> dict[str, Any]:
    """The header of a safetensors file."""
    header: dict[str, Any] = json.loads(data[8 : header_size(data)])
    return header


def with_header(header: object, numbers: bytes) -> bytes:
    """A safetensors file of any header; bytes stay as they are."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def bomb(mark: Path) -> bytes:
    """A pickle that makes the file `mark` when someone loads it."""
    return pickle.dumps(Bomb(f"touch {mark}"))


def crafted_weights(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of weight files that no trained model has, from the file of one."""
    header, numbers = entries(data), data[header_size(data) :]
    first, second = sorted(
        (name for name in header if name != "__metadata__"), key=lambda name: header[name]["data_offsets"]
    )[:2]
    shape, offsets = header[first]["shape"], header[first]["data_offsets"]
    matrix = next(name for name, entry in header.items() if len(set(entry.get("shape", []))) == 2)

    def changed(name: str, **fields: object) -> bytes:
        return with_header(header | {name: header[name] | fields}, numbers)

    yield "nothing", b""
    yield "seven bytes", data[:7]
    yield "header of no bytes", with_header(b"", numbers)
    yield "header of 2^64 bytes declared", b"\xff" * 8 + data[8:]
    yield "header of 100 MB declared", struct.pack("<Q", 100_000_000) + data[8:]
    yield "header of 2 MB", with_header(json.dumps(header).encode() + b" " * 2_000_000, numbers)
    yield "header is a list", with_header([header], numbers)
    yield "header is no UTF-8", with_header(b'{"\xff\xfe": 1}', numbers)
    yield "header nested deeply", with_header(b'{"a":' * 100_000, numbers)
    yield "header with a number of 5,000 digits", with_header(b'{"a": ' + b"9" * 5_000 + b"}", numbers)
    yield "header is cut", with_header(json.dumps(header).encode()[:-1], numbers)
    doubled = json.dumps(header)[:-1] + ", " + json.dumps({first: header[first]})[1:]
    yield "a name twice", with_header(doubled.encode(), numbers)
    yield "negative size", changed(first, shape=[-shape[0], *shape[1:]])
    yield "two negative sizes", changed(first, shape=[-size for size in shape])
    yield "size of 2^62", changed(first, shape=[2**62, *shape[1:]])
    yield "sizes whose product is 0 in 64 bits", changed(first, shape=[2**32, 2**32])
    yield "size beside a 0", changed(first, shape=[2**62, 0], data_offsets=[0, 0])
    yield "shape of fractions", changed(first, shape=[float(size) for size in shape])
    yield "shape of booleans", changed(first, shape=[True, *shape])
    yield "shape is a text", changed(first, shape="11")
    yield "shape of 1,000 dimensions", changed(first, shape=[1] * 1_000 + shape)
    yield "offsets swapped", changed(first, data_offsets=offsets[::-1])
    yield "offsets negative", changed(first, data_offsets=[-offsets[1], 0])
    yield "three offsets", changed(first, data_offsets=[*offsets, offsets[1]])
    yield "offsets beyond the end", changed(first, data_offsets=[len(numbers), len(numbers) + offsets[1]])
    yield "overlap", changed(second, data_offsets=_moved(header[second], -4))
    yield (
        "hole",
        with_header(
            {name: entry | {"data_offsets": _moved(entry, 4)} for name, entry in header.items()},
            bytes(4) + numbers,
        ),
    )
    yield "bytes after the last tensor", data + b"PK\x05\x06"
    yield "no bytes of the last tensor", data[:-1]
    yield "type unknown", changed(first, dtype="OBJECT")
    yield "type is a list", changed(first, dtype=["F32"])
    yield "type of doubles", changed(first, dtype="F64", shape=[shape[0] // 2, *shape[1:]])
    yield "type of integers", changed(first, dtype="I32")
    yield "a key unknown", changed(first, loader="os.system")
    yield "an entry is a list", with_header(header | {first: [1]}, numbers)
    yield (
        "a tensor more",
        with_header(
            header
            | {"more": {"dtype": "F32", "shape": [1], "data_offsets": [len(numbers), len(numbers) + 4]}},
            numbers + bytes(4),
        ),
    )
    yield "a tensor less", _without_last(header, numbers)
    yield (
        "a tensor renamed",
        with_header({"other" if name == first else name: entry for name, entry in header.items()}, numbers),
    )
    yield "another shape of equal size", changed(matrix, shape=header[matrix]["shape"][::-1])
    for name, value in (("NaN", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf)):
        yield name, data[:-4] + np.float32(value).tobytes()


def crafted_settings() -> Iterator[tuple[str, Any]]:
    """Names and changes of `config.json`, each of which must be refused."""

    def put(value: object, *keys: str) -> Any:
        def change(settings: Any) -> None:
            for key in keys[:-1]:
                settings = settings[key]
            settings[keys[-1]] = value

        return change

    def of_family(family: str, name: str, value: object) -> Any:
        return lambda v: v["config"].update(model={"family": family, name: value}, graph={}, train={})

    yield "a key unknown", put(1, "hook")
    yield "a setting unknown", put(3, "config", "model", "depth")
    yield "a section unknown", put({}, "config", "plugins")
    yield "an engine unknown", put("pickle", "engine")
    yield "engine is a list", put([], "engine")
    yield "the engine of another folder", put("onnx", "engine")
    yield "settings are a list", put([], "config")
    for name in ("channels", "char_channels", "head_channels"):
        for value in (0, -2, 64, 10**9, 10**30, 1.5, "64", None, True):
            yield f"{name} {value!r}", put(value, "config", "model", name)
    yield "heads", put(10**30, "config", "model", "num_heads")
    yield "characters", put(10**12, "config", "text", "num_characters")
    yield "sub-words", put(10**12, "config", "text", "num_subwords")
    yield "n-grams of a million tokens", put(10**6, "config", "text", "ngram_order")
    yield "a form unknown", put("nfd", "config", "text", "normalisation")
    yield "a billion random edges", put([10**9, 2], "config", "graph", "num_random_edges")
    yield "a lattice of 300 distances", put([list(range(1, 300)), [1]], "config", "graph", "lattice_offsets")
    yield "a distance of 10^30", put([[10**30], [1]], "config", "graph", "lattice_offsets")
    yield "temperature of the gate", put(1e-300, "config", "graph", "keep_temperature")
    yield "a token table that is not there", put(8, "config", "model", "injected_channels")
    yield "a label more", lambda v: v["task"].update(labels=["a", "b", "c", "d"], priors=[0.25] * 4)
    yield "a label twice", put(["a", "a", "b"], "task", "labels")
    yield "a label that is a number", put(["a", "b", 3], "task", "labels")
    yield "a label fewer", lambda v: v["task"].update(labels=["a", "b"], priors=[0.5, 0.5])
    yield "shares of 2", put([1.0, 0.5, 0.5], "task", "priors")
    yield "a share of 0", put([0.0, 0.5, 0.5], "task", "priors")
    yield "a key of the task unknown", put("os.system", "task", "loader")
    for value in (0, -1, "hot", None, 1e-300, 1e300):
        yield f"temperature {value!r}", put(value, "task", "temperature")
    for section, names in NUMBERS.items():
        for name in names.split():
            yield f"{section}.{name} of 400 digits", put(10**400, "config", section, name)
            yield f"{section}.{name} of 19 digits", put(10**18, "config", section, name)
    yield "shares of 400 digits", put([10**400, 1, 1], "task", "priors")
    yield "a label of 400 digits", put(["a", "b", 10**400], "task", "labels")
    yield "a task of a million keys", put({f"k{number}": 0 for number in range(100_000)}, "task")
    yield "a text of a million letters", put("a" * 10**6, "config", "model", "family")
    yield (
        "a list of 100,000 distances",
        put([list(range(1, 100_000)), [1]], "config", "graph", "lattice_offsets"),
    )
    yield "a million halvings", put([0.5] * 100_000, "config", "train", "halvings")
    for name, value in (
        ("num_layers", 10_000),
        ("num_scales", 10_000),
        ("num_states", 10_000),
        ("num_similar", 10**6),
    ):
        yield f"a pyramid with {name} {value}", of_family("pyramid", name, value)
    for name in ("channels", "head_channels", "injected_channels", "state_channels", "word_channels"):
        yield f"a pyramid with {name} 65,536", of_family("pyramid", name, 65_536)
    yield "a published model of a billion nodes", of_family("published", "num_virtual_nodes", 10**9)


NUMBERS = {
    "text": "num_characters num_subwords ngram_order",
    "graph": "num_kept_edges keep_temperature seed",
    "model": "char_channels channels num_heads head_channels injected_channels dropout word_dropout",
    "train": """epochs steps max_minutes batch_size least_steps learning_rate focal weight_decay clip ema_decay
        label_smoothing tune_learning_rate lora_rank noise patience seed threads""",
}
"""Settings that are one number each."""


def crafted_records() -> Iterator[tuple[str, bytes]]:
    """Names and contents of `training.json` that no training wrote, and that nothing needs."""
    good = {
        "num_rows": 60,
        "source": {"name": "reviews"},
        "sum": {"epoch": 1},
        "history": [{"epoch": 1, "accuracy": 0.5}],
        "measure": "accuracy",
        "cost": {"mean_flops": 5},
    }
    yield "nothing", b""
    yield "no UTF-8", b"\xff\xfe"
    yield "nested deeply", b'{"a":' * 100_000
    yield "nested 900 times", b'{"a":' * 900 + b"1" + b"}" * 900
    yield "a number of 5,000 digits", b'{"num_rows": ' + b"9" * 5_000 + b"}"
    for name, value in (
        ("a list", []),
        ("a list of lists", [[1]]),
        ("a text", "x"),
        ("a number", 5),
        ("null", None),
    ):
        yield name, json.dumps(value).encode()
    odd = (
        None,
        5,
        -1,
        1.5,
        10**400,
        True,
        "x",
        "\x1b[2J",
        "\u202e",
        [],
        [1],
        [{}],
        {},
        {"name": 5},
        {"epoch": []},
        "a" * 10**6,
    )
    yield "an object of nothing", b"{}"
    for key in good:
        yield f"no {key}", json.dumps({name: value for name, value in good.items() if name != key}).encode()
        for value in odd:
            yield (
                f"{key} {str(value)[:12]!r} of {type(value).__name__}",
                json.dumps(good | {key: value}).encode(),
            )
        yield f"{key} 1e999", json.dumps(good | {key: 0}).replace(f'"{key}": 0', f'"{key}": 1e999').encode()
    for key in ("labels", "task", "engine", "parameters", "mean_flops", "priors", "bytes"):
        for value in odd:
            yield (
                f"cost {key} {str(value)[:12]!r} of {type(value).__name__}",
                json.dumps(good | {"cost": {key: value}}).encode(),
            )
    for key in ("tokenizer", "encoder", "token_table", "name"):
        for value in odd:
            yield (
                f"source {key} {str(value)[:12]!r} of {type(value).__name__}",
                json.dumps(good | {"source": {key: value}}).encode(),
            )
    for key in ("file", "licence", "digest", "lexicon"):
        for value in odd:
            record = good | {"source": {"token_table": {key: value}}}
            yield f"table {key} {str(value)[:12]!r} of {type(value).__name__}", json.dumps(record).encode()
    for value in odd:
        yield (
            f"flip rate {str(value)[:12]!r} of {type(value).__name__}",
            json.dumps(good | {"flip_rate": value}).encode(),
        )
        yield (
            f"accuracy {str(value)[:12]!r} of {type(value).__name__}",
            json.dumps(good | {"history": [{"epoch": 1, "accuracy": value}]}).encode(),
        )


def crafted_vocabularies() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Names and arrays of vocabularies that no model has."""
    keys = np.arange(1, 4, dtype=np.uint64)
    yield "no n-grams", {"words": keys}
    yield "not sorted", {"words": keys[::-1], "ngrams": keys}
    yield "a key twice", {"words": keys[[0, 0, 1]], "ngrams": keys}
    yield "fractions", {"words": keys.astype(float), "ngrams": keys}
    yield "signed", {"words": keys.astype(np.int64), "ngrams": keys}
    yield "two dimensions", {"words": keys[None], "ngrams": keys}
    yield "an array unknown", {"words": keys, "ngrams": keys, "hooks": keys}
    yield "a token table", {"words": keys, "ngrams": keys, "injected": keys}
    yield "fewer keys than the weights have rows", {"words": keys, "ngrams": keys}
    yield "none", {}


def _moved(entry: dict[str, Any], by: int) -> list[int]:
    return [offset + by for offset in entry["data_offsets"]]


def _without_last(header: dict[str, Any], numbers: bytes) -> bytes:
    last = max(header, key=lambda name: header[name]["data_offsets"])
    begin = header[last]["data_offsets"][0]
    return with_header({name: entry for name, entry in header.items() if name != last}, numbers[:begin])
