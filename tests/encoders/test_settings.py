"""Which language models are read, and what of their settings."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from encoders.models import write_bert, write_network
from tables.models import word_piece
from textlattice.encoders.language_model import open_encoder
from textlattice.encoders.network import network_files, network_of_files, open_network
from textlattice.encoders.settings import KINDS, checked_settings
from textlattice.errors import DataError

NAMES = {
    16: "hidden_size embedding_size input_embedding_size output_embedding_size word_embed_proj_dim",
    24: "intermediate_size d_ff ffn_dim hidden_dim encoder_ffn_dim decoder_ffn_dim",
    4: "num_attention_heads decoder_attention_heads head_dim d_kv",
    2: """num_hidden_layers num_decoder_layers decoder_layers num_key_value_heads q_groups k_groups v_groups
        intermediate_groups output_groups eos_token_id""",
    64: "max_position_embeddings",
    32: "vocab_size",
    1: "post_attention_groups bos_token_id",
    0: "pad_token_id decoder_start_token_id",
}
SIZES = {name: size for size, names in NAMES.items() for name in names.split()}


def settings_of_kind(kind):
    """Small settings of a kind."""
    names = {field.name for field in dataclasses.fields(CONFIG_MAPPING[kind])} | set(
        CONFIG_MAPPING[kind].attribute_map
    )
    return CONFIG_MAPPING[kind](**{name: value for name, value in SIZES.items() if name in names})


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_from_its_own_folder_to_ours_and_back(kind, tmp_path):
    torch.manual_seed(0)
    network = transformers.AutoModel.from_config(settings_of_kind(kind)).eval()
    network.save_pretrained(tmp_path)
    opened = open_network(tmp_path, kind)
    again = network_of_files(network_files(opened)).eval()
    half = network.get_encoder() if kind in ("bart", "mbart", "mt5", "t5", "umt5") else network
    ids = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 3]])
    states = [
        model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
        for model in (half, opened, again)
    ]
    assert len(states[0]) == 3
    for expected, read, kept in zip(*states, strict=True):
        assert torch.equal(expected, read)
        assert torch.equal(expected, kept)


def test_what_says_nothing_of_the_network_is_left_out_and_what_leads_elsewhere_is_refused():
    hub = {
        "model_type": "bert",
        "_name_or_path": "owner/name",
        "auto_map": {"AutoModel": "owner/name--modeling.Model"},
        "architectures": ["BertModel"],
        "id2label": {"0": "a"},
        "gradient_checkpointing": False,
        "output_hidden_states": True,
        "quantization_config": None,
        "hidden_size": 8,
        "position_embedding_type": "absolute",
        "anything": "else",
    }
    kept = {"model_type": "bert", "hidden_size": 8, "position_embedding_type": "absolute"}
    assert checked_settings(hub, "x") == kept
    with pytest.raises(DataError, match="'quantization_config' is not read, for it leads to other files"):
        checked_settings(hub | {"quantization_config": {"quant_method": "gptq"}}, "x")
    with pytest.raises(DataError, match="backbone"):
        checked_settings(hub | {"backbone": "owner/name"}, "x")


def test_a_folder_of_the_cache_of_the_hub_is_read_through_its_links(tmp_path):
    model = tmp_path / "models--owner--name"
    snapshot = model / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (model / "blobs").mkdir()
    (tmp_path / "blobs").mkdir()
    write_bert(tmp_path / "bert")
    for number, path in enumerate(sorted((tmp_path / "bert").iterdir())):
        blob = (model if number else tmp_path) / "blobs" / f"{number}"
        path.rename(blob)
        (snapshot / path.name).symlink_to(blob)
    assert open_encoder(snapshot, "owner/name", num_layers=2).channels == 8


def test_weights_in_many_files(tmp_path):
    expected = open_encoder(write_bert(tmp_path / "bert"), "bert", num_layers=2).read(["a hopeless film"])[0]
    whole = tmp_path / "bert" / "model.safetensors"
    arrays = safetensors.numpy.load_file(whole)
    whole.unlink()
    names = {name: f"model-0000{place % 2}-of-00002.safetensors" for place, name in enumerate(arrays)}
    for file in set(names.values()):
        part = {name: arrays[name] for name in arrays if names[name] == file}
        safetensors.numpy.save_file(part, tmp_path / "bert" / file)
    index = tmp_path / "bert" / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    found = open_encoder(tmp_path / "bert", "bert", num_layers=2).read(["a hopeless film"])[0]
    np.testing.assert_array_equal(found, expected)


def test_an_adapter_beside_the_weights_is_not_followed(tmp_path):
    write_bert(tmp_path)
    (tmp_path / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "owner/name", "peft_type": "LORA"}'
    )
    (tmp_path / "generation_config.json").write_text('{"custom_generate": "owner/name"}')
    assert open_encoder(tmp_path, "bert", num_layers=2).channels == 8


def test_special_pieces_beyond_the_table_are_refused(tmp_path):
    opened = open_encoder(write_bert(tmp_path / "bert"), "bert", num_layers=2)
    frame = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 5_000]}
    write_network(tmp_path / "other", opened.network, word_piece() | {"post_processor": frame})
    with pytest.raises(DataError, match="below 13, the rows of the model's table, got 5,000"):
        open_encoder(tmp_path / "other", "other", num_layers=2)
