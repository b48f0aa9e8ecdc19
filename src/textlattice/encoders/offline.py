"""While a model is loaded, the libraries of the hub ask nobody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SWITCHES = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
"""Read by `huggingface_hub` at each request, and by `transformers` through it, as attributes of its `constants`."""

_lock = threading.Lock()
_inside = 0
_before: dict[str, object] = {}


@contextmanager
def offline() -> Iterator[None]:
    """In its body, and in that of any other thread meanwhile, each request to the hub raises an error of that library.

    What the switches said before holds again once the last body is left. Where the library is not installed nothing is
    done.
    """
    global _inside
    try:
        from huggingface_hub import constants
    except ImportError:
        yield
        return
    with _lock:
        _inside += 1
        if _inside == 1:
            _before.update({name: getattr(constants, name) for name in _SWITCHES})
        for name in _SWITCHES:
            setattr(constants, name, True)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for name in _SWITCHES:
                    setattr(constants, name, _before[name])
