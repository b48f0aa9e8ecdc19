import dataclasses
import json

import pytest

from textlattice.config import CnnGnnConfig, Config, GraphConfig, TextConfig, TrainConfig
from textlattice.config_json import from_dict, to_dict
from textlattice.errors import ConfigError
from textlattice.presets import PRESETS, preset

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    config = preset(name)
    assert from_dict(Config, json.loads(json.dumps(to_dict(config)))) == config


def test_unknown_preset():
    with pytest.raises(ConfigError, match="unknown preset 'huge': expected one of base, tiny"):
        preset("huge")


def test_missing_keys_take_their_default():
    assert from_dict(Config, {}) == Config()
    assert from_dict(Config, {"model": {"channels": 32}}).model == CnnGnnConfig(channels=32)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"depth": 3}, r"unknown setting config\.depth: expected one of text, graph, model, train"),
        ({"model": {"depth": 3}}, r"unknown setting config\.model\.depth"),
        ({"model": 3}, r"config\.model must be an object of settings, got 3"),
        ([], r"config must be an object of settings"),
        ({"model": {"channels": "64"}}, r"config\.model\.channels must be int, got '64'"),
        ({"model": {"channels": 64.0}}, r"config\.model\.channels must be int, got 64\.0"),
        ({"model": {"channels": True}}, r"config\.model\.channels must be int, got True"),
        ({"model": {"dropout": True}}, r"config\.model\.dropout must be float, got True"),
        ({"model": {"graph_attention": 1}}, r"graph_attention must be bool, got 1"),
        ({"text": {"normalisation": "NFC"}}, r"normalisation must be one of nfc, nfkc, none, got 'NFC'"),
        ({"text": {"subword_lengths": 3}}, r"subword_lengths must be a list, such as \[3\], got 3"),
        (
            {"model": {"family": "pyramid", "edges": "tree,similar"}},
            r"edges must be a list, such as \[\"tree\", \"similar\"\], got 'tree,similar'",
        ),
        ({"train": {"steps": "many"}}, r"config\.train\.steps must be int, got 'many'"),
        ({"train": {"betas": [0.9]}}, r"config\.train\.betas must be tuple\[float, float\], got \[0\.9\]"),
        ({"train": {"betas": [0.9, 0.9, 0.9]}}, r"betas must be tuple\[float, float\], got"),
        ({"train": {"betas": [0.9, "a"]}}, r"config\.train\.betas must be float, got 'a'"),
    ],
)
def test_what_is_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Config, values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"train": {"betas": [0, 0.8]}}, Config(train=TrainConfig(betas=(0.0, 0.8)))),
        ({"text": {"subword_lengths": []}}, Config(text=TextConfig(subword_lengths=()))),
        ({"train": {"max_minutes": 2}}, Config(train=TrainConfig(max_minutes=2.0))),
        ({"train": {"max_minutes": None}}, Config()),
        (
            {"graph": {"lattice_offsets": [[1], [2, 3]]}},
            Config(graph=GraphConfig(lattice_offsets=((1,), (2, 3)))),
        ),
    ],
)
def test_json_values_become_ours(values, expected):
    assert from_dict(Config, values) == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextConfig(num_characters=9472), r"num_characters must exceed 9472 .*, got 9472; try 12288"),
        (lambda: TextConfig(num_subwords=0), r"num_subwords must be positive, got 0"),
        (lambda: TextConfig(ngram_order=0), r"ngram_order must lie in 1\.\.5, got 0; try 3"),
        (lambda: TextConfig(ngram_order=6), r"ngram_order must lie in 1\.\.5, got 6"),
        (lambda: GraphConfig(num_random_edges=(4,)), r"one entry for each of the 2 blocks, got 2 and 1"),
        (
            lambda: GraphConfig(lattice_offsets=((2, 2), (3,))),
            r"distinct distances in 1\.\.10+, got \(2, 2\)",
        ),
        (lambda: GraphConfig(lattice_offsets=((0,), (3,))), r"distinct distances in 1\.\.10+, got \(0,\)"),
        (
            lambda: GraphConfig(lattice_offsets=((10**30,), (3,))),
            r"distinct distances in 1\.\.10+, got \(10+,\)",
        ),
        (
            lambda: GraphConfig(num_random_edges=(4, 10**9)),
            "may have 256 neighbours, itself included, got 1000000009",
        ),
        (lambda: GraphConfig(num_random_edges=(4, -1)), r"must not be negative, got \(4, -1\)"),
        (lambda: GraphConfig(num_kept_edges=11), r"num_kept_edges must lie in 0\.\.10 .*, got 11"),
        (lambda: TextConfig(subword_lengths=(3, 0)), r"distinct and lie in 1\.\.10, got \(3, 0\); try"),
        (lambda: TextConfig(subword_lengths=(11,)), r"distinct and lie in 1\.\.10, got \(11,\)"),
        (lambda: TextConfig(subword_lengths=(3, 3)), r"distinct and lie in 1\.\.10, got \(3, 3\)"),
        (
            lambda: GraphConfig(keep_temperature=0.0),
            r"keep_temperature must be finite and at least 1e-6, got 0",
        ),
        (lambda: GraphConfig(seed=-1), r"graph\.seed must lie in 0\.\.4294967295, got -1"),
        (lambda: CnnGnnConfig(num_heads=6), r"got num_heads=6 and channels=64; try 4"),
        (lambda: CnnGnnConfig(channels=0), r"model\.channels must be positive, got 0"),
        (lambda: CnnGnnConfig(dropout=1.0), r"model\.dropout must lie in \[0, 1\), got 1"),
        (lambda: CnnGnnConfig(injected_channels=-1), r"injected_channels must not be negative, got -1"),
        (lambda: TrainConfig(epochs=0), r"train\.epochs must be positive, got 0"),
        (lambda: TrainConfig(steps=0), r"train\.steps must be positive, got 0"),
        (lambda: TrainConfig(max_minutes=0.0), r"train\.max_minutes must be positive and finite, got 0"),
        (lambda: TrainConfig(max_minutes=INF), r"train\.max_minutes must be positive and finite, got inf"),
        (lambda: TrainConfig(learning_rate=0.0), r"train\.learning_rate must be positive and finite, got 0"),
        (lambda: TrainConfig(learning_rate=NAN), r"learning_rate must be positive and finite, got nan"),
        (lambda: TrainConfig(clip=-1.0), r"train\.clip must be positive and finite, got -1"),
        (lambda: TrainConfig(weight_decay=-0.1), r"weight_decay must be finite and not negative, got -0\.1"),
        (lambda: TrainConfig(weight_decay=NAN), r"weight_decay must be finite and not negative, got nan"),
        (lambda: TrainConfig(betas=(0.9, 1.0)), r"betas must be two numbers in \[0, 1\), got \(0\.9, 1\.0\)"),
        (lambda: TrainConfig(betas=(-0.1, 0.9)), r"betas must be two numbers in \[0, 1\)"),
        (lambda: TrainConfig(threads=-1), r"train\.threads must not be negative, got -1"),
        (lambda: TrainConfig(seed=2**32), r"train\.seed must lie in 0\.\.4294967295, got 4294967296"),
        (lambda: TrainConfig(noise=1.0), r"train.noise must lie in \[0, 1\), got 1.0; try 0.3"),
        (lambda: TrainConfig(noise=-0.1), r"train.noise must lie in \[0, 1\), got -0.1"),
        (lambda: TrainConfig(label_smoothing=1.0), r"label_smoothing must lie in \[0, 1\), got 1"),
        (lambda: TrainConfig(ema_decay=1.0), r"ema_decay must lie in \[0, 1\), got 1"),
    ],
)
def test_values_out_of_range(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_degree_counts_lattice_both_ways_random_and_self():
    assert GraphConfig().degree(0) == 8 + 2 + 1
    assert preset("tiny").graph.degree(1) == 4 + 2 + 1


@pytest.mark.parametrize(
    ("settings", "section", "expected"),
    [
        ({"model.channels": 96}, "model", {"channels": 96}),
        ({"model.channels": "96", "model.num_heads": "8"}, "model", {"channels": 96, "num_heads": 8}),
        ({"model.num_heads": 6, "model.channels": 96}, "model", {"channels": 96, "num_heads": 6}),
        ({"text.normalisation": "nfkc"}, "text", {"normalisation": "nfkc"}),
        ({"train.learning_rate": "1e-3"}, "train", {"learning_rate": 1e-3}),
        ({"train.steps": "null"}, "train", {"steps": None}),
        ({"graph.num_random_edges": "[2, 2]"}, "graph", {"num_random_edges": (2, 2)}),
        ({"model.graph_attention": "false"}, "model", {"graph_attention": False}),
    ],
)
def test_dotted_settings(settings, section, expected):
    changed = Config().with_settings(settings)
    part = dataclasses.asdict(getattr(changed, section))
    assert part == dataclasses.asdict(getattr(Config(), section)) | expected
    assert Config() == Config().with_settings({})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"channels": 96},
            r"unknown setting 'channels': expected SECTION\.NAME with a section of text, graph",
        ),
        ({"net.channels": 96}, r"unknown setting 'net\.channels'"),
        ({"model.": 96}, r"unknown setting 'model\.'"),
        ({"model.depth": 3}, r"unknown setting model\.depth: expected one of family, char_channels"),
        ({"model.channels": "many"}, r"model\.channels must be int, got 'many'"),
        ({"model.channels": 66}, r"num_heads must divide"),
    ],
)
def test_dotted_settings_that_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Config().with_settings(settings)


@pytest.mark.parametrize(
    ("train", "num_rows", "batch_size", "total_steps"),
    [
        (TrainConfig(), 1, 8, 900),  # one step a pass
        (TrainConfig(), 1_200, 8, 900),  # 150 steps a pass, six passes
        (TrainConfig(), 2_667, 8, 1_002),
        (TrainConfig(), 10_000, 22, 910),
        (TrainConfig(), 28_799, 63, 916),
        (TrainConfig(), 30_000, 64, 938),
        (TrainConfig(), 100_000, 64, 3_126),
        (TrainConfig(epochs=1), 1_200, 8, 150),  # passes asked for are kept to
        (TrainConfig(epochs=10), 1_200, 13, 930),
        (TrainConfig(steps=7), 1_200, 8, 7),
        (TrainConfig(least_steps=1), 100, 64, 4),
        (TrainConfig(batch_size=4), 100, 4, 900),
    ],
)
def test_few_rows_make_small_batches_and_more_passes(train, num_rows, batch_size, total_steps):
    assert (train.batch_size_for(num_rows), train.total_steps(num_rows)) == (batch_size, total_steps)
