"""Settings of a language model, from a file that anybody may have written: known kinds, known keys, bounded numbers."""

import dataclasses
import math
import re
from collections.abc import Mapping
from reprlib import repr as short
from typing import Any

from textlattice.errors import DataError

_kinds = """
albert bart bert bloom camembert convbert data2vec-text deberta deberta-v2 distilbert electra ernie eurobert
falcon fnet gemma gemma2 gemma3_text gpt2 gpt_neox granite jina_embeddings_v3 llama mbart megatron-bert
mistral modernbert mpnet mt5 nomic_bert olmo olmo2 opt phi phi3 qwen2 qwen3 rembert roberta
roberta-prelayernorm roformer smollm3 squeezebert stablelm starcoder2 t5 umt5 xglm xlm-roberta
xlm-roberta-xl
"""
KINDS = frozenset(_kinds.split())
"""Values of `model_type` that are read: networks over text that need no file but these, and no library but PyTorch."""

_former = """
attention_head_size classifier_dropout conv_act conv_groups conv_kernel_size dense_act_fn embedding_size
global_attn_every_n_layers global_rope_theta head_dim is_gated_act local_rope_theta norm_rel_ebd
partial_rotary_factor pooler_hidden_size position_buckets position_embedding_type rope_local_base_freq
rope_scaling rope_theta rotary_emb_base rotary_pct scale_decoder_outputs share_att_key sliding_window
sliding_window_pattern talking_head tie_word_embeddings
"""
_FORMER = frozenset(_former.split())
"""Keys that are no field of today's classes, and that the networks read, or that the classes turn into a field."""

_of_no_meaning = """
architectures chunk_size_feed_forward dtype id2label label2id num_labels output_attentions
output_hidden_states problem_type return_dict transformers_version use_cache
"""
_OF_NO_MEANING = frozenset(_of_no_meaning.split())
"""Fields that say nothing of the hidden states, or how they are given, which is for us to say."""

_REFUSED = re.compile(
    "quantization_config|compression_config|.*backbone.*|use_kernels?|kernel_.*|.*_kernels?|.*experts_implementation"
    "|fusion_config|distributed_config|transformers_weights|per_layer_config|adapter_.*|peft_.*|base_model_name.*"
    "|.*_module|.*_class_path|.*_repo_id"
)
"""What would read numbers otherwise than they stand in the file, or leads to code or files elsewhere."""
_ATTENTION = re.compile("_?attn_implementation.*")

_LISTS = frozenset({"layer_types", "no_rope_layers", "pos_att_type", "eos_token_id"})
_TABLES = frozenset({"rope_parameters", "rope_scaling"})

_MOST_LAYERS = 512
_FEW_LAYERS = 64  # that are made without asking for weights first, so that what is missing is named
_MOST = {
    **dict.fromkeys(
        (
            *("vocab_size", "max_position_embeddings", "n_positions", "original_max_position_embeddings"),
            *("sliding_window", "local_attention"),
        ),
        1 << 24,
    ),
    **dict.fromkeys(
        (
            *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"),
            *("num_decoder_layers", "num_hidden_groups", "inner_group_num", "max_window_layers"),
        ),
        _MOST_LAYERS,
    ),
    **dict.fromkeys(
        (
            *("rope_theta", "rotary_emb_base", "global_rope_theta", "local_rope_theta"),
            *("rope_local_base_freq", "rope_parameters", "rope_scaling"),
        ),
        1 << 40,
    ),
}
_MOST_ELSE = 1 << 20
_LARGEST = 1e30
_WORD = re.compile(r"[\w|.+-]{0,64}")
_LONGEST_LIST = 4096


def checked_settings(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Of the settings that a file holds those that are known, with `model_type`, each a value that it may have.

    Keys that no network of that kind reads are left out: a settings file of the hub says much that is none of its
    network's business.

    Raises:
        DataError: The kind is not known, a key would lead out of the folder, or a value is out of bounds.
    """
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise DataError(
            f"{where}: cannot be run: model_type is {short(kind)}, and only {len(KINDS)} kinds of networks over text "
            "are read (bert, roberta, gpt2, llama, t5 and their like); take another language model."
        )
    known = _known_keys(kind)
    for key, value in values.items():
        refused = value not in (None, False, "", {}, []) and key not in known and _REFUSED.fullmatch(key)
        if refused or (
            _ATTENTION.fullmatch(key) and value not in (None, "eager", "sdpa", "flash_attention_2")
        ):
            raise DataError(
                f"{where}: {short(key)} is not read, for it leads to other files, code or forms of numbers; take a "
                "model without it."
            )
    kept = {key: values[key] for key in known if key in values}
    return {"model_type": kind} | {key: _checked(key, value, where) for key, value in kept.items()}


def check_depth(config: Any, shapes: Mapping[str, Any], where: str) -> None:
    """That there are weights for as many layers as the settings say, if these are many, before any layer is made.

    Args:
        config: Settings as the library holds them.
        shapes: By the names of the tensors that the weights have.
        where: What holds the settings.

    Raises:
        DataError: There are not.
    """
    depth = 1 if config.model_type == "albert" else config.num_hidden_layers  # its layers share their weights
    numbers = {part for name in shapes for part in name.split(".") if part.isdigit()}
    if not isinstance(depth, int) or depth > max(len(numbers), _FEW_LAYERS):
        raise DataError(
            f"{where}: says {short(depth)} layers, the weights have {len(numbers)}; get the model again."
        )


def _known_keys(kind: str) -> list[str]:
    """Keys that a network of a kind reads, in an order of its own."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    config = CONFIG_MAPPING[kind]
    fields = [field.name for field in dataclasses.fields(config)]
    names = dict.fromkeys([*fields, *config.attribute_map, *sorted(_FORMER)])
    return [name for name in names if name not in _OF_NO_MEANING]


def _checked(key: str, value: Any, where: str) -> Any:
    """The value of a key, if it may have it."""
    scalars = value if key in _LISTS and isinstance(value, list) else [value]
    if key in _TABLES and isinstance(value, dict):
        scalars = list(_scalars(value))
    most = _MOST.get(key, _MOST_ELSE)
    if len(scalars) > _LONGEST_LIST or not all(_is_fine(scalar, most) for scalar in scalars):
        raise DataError(
            f"{where}: {key} must be a word, or a number of at most {most:,}, got {short(value)}; take another model."
        )
    return value


def _scalars(table: Mapping[str, Any], depth: int = 2) -> Any:
    """Numbers and words of a table of tables and lists; what is neither comes as it is."""
    for key, value in table.items():
        yield key
        if isinstance(value, dict) and depth > 1:
            yield from _scalars(value, depth - 1)
        elif isinstance(value, list):
            yield from value
        else:
            yield value


def _is_fine(value: Any, most: int) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return abs(value) <= most
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) <= _LARGEST
    return isinstance(value, str) and _WORD.fullmatch(value) is not None
