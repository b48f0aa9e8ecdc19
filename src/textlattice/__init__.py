"""Text classification by small-world token graphs: any length, small, fast on a plain CPU.

>>> from textlattice import TextClassifier, load  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

from textlattice.telemetry import switch_off as _switch_off

_switch_off()

if TYPE_CHECKING:
    from textlattice.app.estimator import TextClassifier
    from textlattice.app.loading import load
    from textlattice.runtime.predictor import Answer, Predictor

__version__ = "0.1.0"
__all__ = ["Answer", "Predictor", "TextClassifier", "load"]

_HOMES = {
    "Answer": "textlattice.runtime.predictor",
    "Predictor": "textlattice.runtime.predictor",
    "TextClassifier": "textlattice.app.estimator",
    "load": "textlattice.app.loading",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used, so that `import textlattice` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'textlattice' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
