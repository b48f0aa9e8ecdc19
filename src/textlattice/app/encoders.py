"""The language model that a user names, as the encoder of a training."""

from pathlib import Path

from textlattice.config import Config, PyramidConfig
from textlattice.encoders.language_model import LanguageModelEncoder, open_encoder
from textlattice.encoders.state_cache import StateCache, default_folder
from textlattice.errors import ConfigError
from textlattice.tables.language_model import model_folder

GIGABYTES = 20.0
"""Size of the folder of states at most, unless asked otherwise."""


def named_encoder(
    name: str, config: Config, *, folder: Path | None = None, gigabytes: float | None = None
) -> LanguageModelEncoder:
    """The language model of a folder, or of the hub (`owner/name`).

    Args:
        name: As the user named it.
        config: Settings, which say how many of its layers are read.
        folder: Where states are kept; None takes the user's cache.
        gigabytes: Of them at most, `GIGABYTES` where it is None; 0 keeps none.

    Raises:
        ConfigError: The settings are not of the family that reads one.
        DataError: It cannot be had or run.
        MissingExtraError: The extra `hf` is not installed.
    """
    if not isinstance(config.model, PyramidConfig):
        raise ConfigError(
            "--encoder goes with --preset pyramid or pyramid-graph, got a model of the family "
            f"{config.model.family}; take one of them, or make a token table of the language model."
        )
    most = int(min(GIGABYTES if gigabytes is None else gigabytes, 1e9) * 1e9)
    cache = StateCache(folder or default_folder(), most) if most else None
    return open_encoder(model_folder(name), name, num_layers=config.model.num_states_read, cache=cache)
