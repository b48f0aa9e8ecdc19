"""What long work tells whoever watches; nothing here prints."""

from typing import Any


class Progress:
    """Hooks that long work calls, such as training; this base class ignores them all.

    A stage is a part of the work with a known or unknown length; stages follow one another and do not nest.
    """

    def begin(self, stage: str, total: int | None = None) -> None:
        """A stage starts; `total` is its length in steps, if known."""

    def advance(self, steps: int = 1, **figures: int | float) -> None:
        """The stage moved on; `figures` are its newest numbers, e.g. the loss."""

    def end(self) -> None:
        """The stage is over."""

    def note(self, message: str) -> None:
        """Something a person should know, one sentence."""

    def epoch(self, record: dict[str, Any]) -> None:
        """A selection pass was made; its numbers."""
