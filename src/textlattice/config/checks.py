"""What a setting may be: each check raises `ConfigError` with its name, what it must be and what came."""

from typing import Any

from textlattice.errors import ConfigError

MOST_CHANNELS = 65_536
"""Widest layer, and most of anything that a setting counts, where nothing narrower is said."""
MOST_LAYERS = 64
MOST = 1_000_000_000
"""Of epochs, steps, rates and widths of gates."""


def changed(section: object, *names: str) -> list[str]:
    """Which of these settings differ from their defaults."""
    return [name for name in names if getattr(section, name) != getattr(type(section), name)]


def require_positive(model: Any, *names: str, most: int = MOST_CHANNELS) -> None:
    """That these settings of a family of models are more than 0, and at most so much."""
    for name in names:
        require(getattr(model, name) > 0, f"model.{name} must be positive, got {getattr(model, name)}.")
    require_at_most("model", model, most, *names)


def require_not_negative(model: Any, *names: str, most: int = MOST_CHANNELS) -> None:
    """That these settings of a family of models are 0 or more, and at most so much."""
    for name in names:
        require(getattr(model, name) >= 0, f"model.{name} must not be negative, got {getattr(model, name)}.")
    require_at_most("model", model, most, *names)


def require_at_most(section: str, settings: Any, most: int, *names: str) -> None:
    """That these settings of a section, where they are set, are at most so much."""
    for name in names:
        value = getattr(settings, name)
        require(value is None or value <= most, f"{section}.{name} must be at most {most:,}, got {value}.")


def require_shares(model: Any, *names: str) -> None:
    """That these settings of a family of models lie in [0, 1)."""
    for name in names:
        require(
            0 <= getattr(model, name) < 1, f"model.{name} must lie in [0, 1), got {getattr(model, name)}."
        )


def require(condition: bool, message: str) -> None:
    """That a condition holds; else the message is raised."""
    if not condition:
        raise ConfigError(message)


def require_seed(name: str, seed: int) -> None:
    """That a seed is one of 32 bits."""
    require(0 <= seed < 2**32, f"{name} must lie in 0..{2**32 - 1}, got {seed}.")
