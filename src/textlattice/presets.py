"""Settings by name."""

from textlattice.config import (
    CnnGnnConfig,
    Config,
    GraphConfig,
    PublishedConfig,
    PyramidConfig,
    TextConfig,
    TrainConfig,
)
from textlattice.errors import ConfigError

PRESETS: dict[str, Config] = {
    "base": Config(),
    "tiny": Config(
        text=TextConfig(num_subwords=512, subword_lengths=(3,)),
        graph=GraphConfig(lattice_offsets=((1, 2), (2, 4)), num_random_edges=(2, 2), num_kept_edges=1),
        model=CnnGnnConfig(
            char_channels=8, channels=16, num_heads=2, head_channels=16, dropout=0.1, word_dropout=0.1
        ),
        train=TrainConfig(epochs=3, batch_size=16, least_steps=1, learning_rate=5e-3, ema_decay=0.9),
    ),
    "pyramid": Config(model=PyramidConfig()),
    "pyramid-graph": Config(model=PyramidConfig(top_down="sum", num_layers=2)),
    "paper": Config(  # arXiv 2507.07414, table 9
        graph=GraphConfig(
            lattice_offsets=(tuple(range(2, 21, 2)), tuple(range(3, 18, 2))),
            num_random_edges=(6, 5),
            random="uniform",
        ),
        model=PublishedConfig(),
        train=TrainConfig(
            wide="none",
            epochs=70,
            batch_size=256,
            least_steps=1,
            learning_rate=3.2e-3,
            halvings=tuple(epoch / 70 for epoch in (15, 20, 30, 38, 40, 45, 50)),
            loss="binary",
            weight_decay=1.1e-5,
            betas=(0.9, 0.999),
            clip=1e9,  # none
            ema_decay=0.0,
            label_smoothing=0.0,
            word_vectors="random",
            patience=70,
        ),
    ),
}


def preset(name: str) -> Config:
    """The settings of a preset.

    Raises:
        ConfigError: There is no such preset.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigError(f"unknown preset {name!r}: expected one of {', '.join(PRESETS)}.") from None
