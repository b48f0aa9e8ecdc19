"""All settings of one model."""

import contextlib
import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from textlattice.config.checks import changed, require
from textlattice.config.cnn_gnn import CnnGnnConfig
from textlattice.config.graph import GraphConfig
from textlattice.config.published import PublishedConfig
from textlattice.config.pyramid import PyramidConfig
from textlattice.config.text import TextConfig
from textlattice.config.train import TrainConfig
from textlattice.config_json import from_dict, to_dict
from textlattice.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of one model; `model` says which family it is of."""

    text: TextConfig = field(default_factory=TextConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    model: CnnGnnConfig | PublishedConfig | PyramidConfig = field(default_factory=CnnGnnConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if isinstance(self.model, PublishedConfig):
            most = self.graph.degree(0) - 2  # it has no self slot
            require(
                self.graph.num_kept_edges <= most,
                f"graph.num_kept_edges must lie in 0..{most} for this family, got {self.graph.num_kept_edges}.",
            )
            require(
                self.train.wide == "none",
                "train.wide must be none for the family published, which has no wide branch, got "
                f"{self.train.wide!r}.",
            )
        if isinstance(self.model, PyramidConfig):
            self._require_used(self.model)

    def _require_used(self, model: PyramidConfig) -> None:
        """That no setting outside `model` asks for what this pyramid does not have."""
        of_form = changed(self.text, "num_characters", "num_subwords", "subword_lengths")
        learned = changed(self.train, "word_vectors")
        model.require_form([*(f"text.{name}" for name in of_form), *(f"train.{name}" for name in learned)])
        names = [field.name for field in dataclasses.fields(GraphConfig)]
        idle = [] if "small_world" in model.edges else changed(self.graph, *names)
        require(
            not idle,
            f"{', '.join(f'graph.{name}' for name in idle)} would do nothing in a pyramid without small_world among "
            f"model.edges, got {model.edges}; add it, or leave this out.",
        )

    def with_settings(self, settings: dict[str, Any]) -> "Config":
        """A copy with dotted settings replaced, e.g. `{"model.channels": 96}`; text values are parsed.

        Raises:
            ConfigError: A name is unknown or a value does not fit.
        """
        sections = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        changes: dict[str, dict[str, Any]] = {}
        for name, value in settings.items():
            section, _, field = name.partition(".")
            if section not in sections or not field:
                raise ConfigError(
                    f"unknown setting {name!r}: expected SECTION.NAME with a section of {', '.join(sections)}."
                )
            if isinstance(value, str):
                with contextlib.suppress(ValueError, RecursionError):  # a word, such as nfkc, stays as it is
                    value = json.loads(value)
            changes.setdefault(section, {})[field] = value
        replaced = {
            name: from_dict(type(sections[name]), to_dict(sections[name]) | fields, where=name)
            for name, fields in changes.items()
        }  # all of a section at once, since some fit only together
        return dataclasses.replace(self, **replaced)
