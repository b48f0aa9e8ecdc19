"""Language models that nobody would make but to do harm: settings, weights and folders; each must be refused."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reliability.forging import crafted_weights, entries, header_size, with_header

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


def crafted_settings() -> Iterator[tuple[str, Any]]:
    """Names and changes of the settings of a small BERT; a change is a mapping laid over them, or the file's bytes."""
    yield "nothing", b""
    yield "a list", b"[]"
    yield "nested deeply", b'{"a":' * 100_000
    yield "a number of 5,000 digits", b'{"hidden_size": ' + b"9" * 5_000 + b"}"
    for kind in (
        None,
        1,
        "",
        "none",
        ["bert"],
        "timm_backbone",
        "maskformer",
        "clip",
        "mamba",
        "rag",
        "../bert",
    ):
        yield f"the kind {kind!r}", {"model_type": kind}
    for key, value in {
        "backbone": "owner/name",
        "use_timm_backbone": True,
        "use_pretrained_backbone": True,
        "backbone_config": {"model_type": "resnet"},
        "quantization_config": {"quant_method": "bitsandbytes"},
        "_attn_implementation": "owner/kernel",
        "attn_implementation": "paged|owner/kernel",
        "_attn_implementation_internal": "owner/kernel",
        "_experts_implementation": "owner/kernel",
        "use_kernels": True,
        "kernel_config": {"RMSNorm": "owner/kernel:RMSNorm"},
        "fusion_config": {"patch_embeddings": True},
        "distributed_config": {"tp_size": 8},
        "transformers_weights": "../../secret.safetensors",
        "per_layer_config": {"0": {"hidden_size": 4}},
        "adapter_config": {"base_model_name_or_path": "owner/name"},
        "base_model_name_or_path": "owner/name",
    }.items():
        yield key, {key: value}
    for key in (
        "num_hidden_layers",
        "hidden_size",
        "vocab_size",
        "max_position_embeddings",
        "intermediate_size",
    ):
        for size in (10_000, 10**9, 10**30, 10**400, -1, 1.5, "64", [8], {"a": 1}):
            yield f"{key} {str(size)[:12]} of {len(str(size))}", {key: size}
    yield "type_vocab_size 10^9", {"type_vocab_size": 10**9}
    yield "heads of none", {"num_attention_heads": 0}
    yield "an activation that is a path", {"hidden_act": "/etc/passwd"}
    yield "an activation unknown", {"hidden_act": "os.system"}
    yield "an epsilon without bound", {"layer_norm_eps": 1e300}
    yield "a text of a million letters", {"hidden_act": "a" * 10**6}
    yield "another kind", {"model_type": "roberta", "pad_token_id": 20}
    yield "albert of 500 layers", {"model_type": "albert", "num_hidden_layers": 500}
    yield "a decoder of 512 layers", {"model_type": "t5", "num_decoder_layers": 512}
    yield "angles without bound", {"model_type": "llama", "head_dim": 10**6, "num_hidden_layers": 2}
    yield "angles of a kind unknown", {"model_type": "llama", "rope_parameters": {"rope_type": "os.system"}}
    yield "angles of a million factors", {"model_type": "llama", "rope_parameters": {"f": [1.0] * 10**6}}


def crafted_folders() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Names of damage done to the folder of a language model, and what does it."""

    def weights(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
        return lambda folder: _write(folder / WEIGHTS, change((folder / WEIGHTS).read_bytes()))

    def instead(name: str, make: Callable[[Path], Any]) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            (folder / name).unlink()
            make(folder / name)

        return change

    def index(files: Any) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            (folder / WEIGHTS).rename(folder.parent / "secret.safetensors")
            _write(folder / INDEX, json.dumps({"weight_map": files}).encode())

        return change

    for name in ("config.json", "tokenizer.json", WEIGHTS):
        yield f"a pipe as {name}", instead(name, os.mkfifo)
        yield f"a device as {name}", instead(name, lambda path: path.symlink_to("/dev/zero"))
        yield f"a folder as {name}", instead(name, Path.mkdir)
        yield f"a link out as {name}", lambda folder, name=name: _link_out(folder, name)
        yield f"a link to nothing as {name}", instead(name, lambda path: path.symlink_to("nowhere"))
        yield f"a link to itself as {name}", instead(name, lambda path: path.symlink_to(path.name))
    for place in (
        *(
            "../secret.safetensors",
            "/etc/passwd",
            "a/../../secret.safetensors",
            "..\\secret.safetensors",
            "..",
            "",
        ),
        *("config.json", "secret.bin", "a\0b.safetensors", "none.safetensors", 5, None, ["x"]),
    ):
        yield f"weights at {place!r}", index({"a": place})
    yield "a list of weights that is a list", index(["a"])
    yield "a list of weights that is empty", index({})
    yield (
        "a list of weights that is a pipe",
        lambda folder: [(folder / WEIGHTS).unlink(), os.mkfifo(folder / INDEX)],
    )
    yield (
        "weights that are a pipe of the list",
        lambda folder: [
            index({"a": "part.safetensors"})(folder),
            os.mkfifo(folder / "part.safetensors"),
        ],
    )
    yield "a header of [25e6, 16] and no bytes", weights(lambda data: _claimed(data, [25_000_000, 16]))
    yield "a header of [2^40, 2^40] and no bytes", weights(lambda data: _claimed(data, [2**40, 2**40]))
    yield "settings of 20 MB", lambda folder: _write(folder / "config.json", b" " * 20_000_000 + b"{}")
    yield "a tokenizer of 70 MB", lambda folder: _write(folder / "tokenizer.json", b" " * 70_000_000 + b"{}")


def crafted_encoder_weights(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of `encoder.safetensors`, from the file of a model."""
    yield from crafted_weights(data)
    yield "a shape of [25e6, 16] and no bytes", _claimed(data, [25_000_000, 16])
    for dtype in ("BF16", "F8_E4M3", "F4", "C64", "X9"):
        yield f"a shape of [25e6, 16] and no bytes, {dtype}", _claimed(data, [25_000_000, 16], dtype)


def _claimed(data: bytes, shape: list[int], dtype: str = "F32") -> bytes:
    """Weights whose first tensor claims a shape that no bytes stand for."""
    header = entries(data)
    first = next(name for name in header if name != "__metadata__")
    entry = header[first] | {"shape": shape, "dtype": dtype}
    return with_header(header | {first: entry}, data[header_size(data) :])


def _link_out(folder: Path, name: str) -> None:
    outside = folder.parent / f"outside-{name}"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
