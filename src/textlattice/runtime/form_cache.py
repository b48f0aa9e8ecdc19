"""Vectors of forms kept between batches, bounded in bytes, safe for threads and in children of a fork."""

import threading
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from textlattice.runtime.forking import renewed_in_children

LONGEST_KEPT_FORM = 64
"""Longer forms are computed anew each time, so that no giant token is held."""
_BYTES_PER_ENTRY = 150  # of the dictionary and a short string


class FormCache:
    """A table of vectors by form; when it is full it starts afresh.

    Args:
        channels: Width of a vector.
        max_bytes: Most memory that vectors and their index may take.
    """

    def __init__(self, channels: int, max_bytes: int = 64 * 2**20) -> None:
        self._capacity = max(1, max_bytes // (4 * channels + _BYTES_PER_ENTRY))
        self._vectors = np.empty((0, channels), np.float32)
        self._rows: dict[str, int] = {}
        self._lock = threading.Lock()
        renewed_in_children(self)

    def __len__(self) -> int:
        return len(self._rows)

    def vectors(
        self,
        forms: list[str],
        encode: Callable[[list[str]], Float[np.ndarray, "num_missing channels"]],
    ) -> Float[np.ndarray, "num_forms channels"]:
        """The vector of each form, from the table where it is known and from `encode` where not.

        Args:
            forms: Distinct forms.
            encode: Gives the vectors of the forms that are missing.
        """
        vectors = np.empty((len(forms), self._vectors.shape[1]), np.float32)
        with self._lock:
            rows = np.array([self._rows.get(form, -1) for form in forms], np.int64)
            known = rows >= 0
            vectors[known] = self._vectors[rows[known]]
        missing = np.flatnonzero(~known)
        if len(missing):
            strings = [forms[place] for place in missing]
            vectors[missing] = encode(strings)
            self._keep(strings, vectors[missing])
        return vectors

    def renew(self) -> None:
        """In a child: a lock that is free, and an empty table where another thread was at it."""
        if self._lock.locked():
            self._rows, self._vectors = {}, np.empty((0, self._vectors.shape[1]), np.float32)
        self._lock = threading.Lock()

    def _keep(self, forms: list[str], vectors: Float[np.ndarray, "num_forms channels"]) -> None:
        with self._lock:
            for form, vector in zip(forms, vectors, strict=True):
                if len(form) > LONGEST_KEPT_FORM or form in self._rows:
                    continue
                if len(self._rows) == self._capacity:
                    self._rows.clear()
                row = len(self._rows)
                if row == len(self._vectors):
                    grown = min(self._capacity, max(1024, 2 * row))
                    self._vectors = np.resize(self._vectors, (grown, self._vectors.shape[1]))
                self._rows[form] = row
                self._vectors[row] = vector
