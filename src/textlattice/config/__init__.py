"""Settings: frozen dataclasses; `presets.py` gives whole sets of them by name, their JSON form is `config_json.py`.

A default exists once, here. Command-line options (`--set model.channels=96`) and the saved `config.json`
are both made from these fields; an unknown key is refused by name.
"""

from textlattice.config.cnn_gnn import CnnGnnConfig
from textlattice.config.config import Config
from textlattice.config.graph import MAX_DEGREE, MAX_DISTANCE, GraphConfig, RandomEdges
from textlattice.config.published import EdgeSampling, PublishedConfig
from textlattice.config.pyramid import ADJACENT, PyramidConfig
from textlattice.config.text import Normalisation, TextConfig
from textlattice.config.train import TrainConfig

__all__ = [
    "ADJACENT",
    "MAX_DEGREE",
    "MAX_DISTANCE",
    "CnnGnnConfig",
    "Config",
    "EdgeSampling",
    "GraphConfig",
    "Normalisation",
    "PublishedConfig",
    "PyramidConfig",
    "RandomEdges",
    "TextConfig",
    "TrainConfig",
]
