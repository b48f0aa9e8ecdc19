"""While a model is loaded, the libraries of the hub ask nobody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_before = False


@contextmanager
def offline() -> Iterator[None]:
    """In its body, and in that of any other thread meanwhile, each request to the hub raises an error of that library.

    What the switch said before holds again once the last body is left. Where the library is not installed nothing is
    done.
    """
    global _inside, _before
    try:
        from huggingface_hub import constants
    except ImportError:
        yield
        return
    with _lock:
        _inside += 1
        if _inside == 1:
            _before = constants.HF_HUB_OFFLINE
        constants.HF_HUB_OFFLINE = True  # read at each request, by `transformers` too
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                constants.HF_HUB_OFFLINE = _before
