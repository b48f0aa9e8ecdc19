"""The folder of PyTorch's compiler, which we never use.

PyTorch makes it in the system's temporary folder as soon as an optimiser or the tracer is loaded, and leaves it there.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


@contextmanager
def no_compiler_cache() -> Iterator[None]:
    """While its body runs, that folder is one that is removed afterwards; one that the user has named stays."""
    if _FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            os.environ.pop(_FOLDER, None)
