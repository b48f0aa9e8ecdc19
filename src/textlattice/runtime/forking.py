"""Forks that meet no prediction half way.

A child of `os.fork` has one thread. A lock that another thread held at that moment, ours or one inside ONNX Runtime or
PyTorch, is never released in the child. So a fork waits until no other thread predicts, and new predictions wait until
the fork is done.
"""

import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

LONGEST_WAIT = 30.0
"""Seconds that a fork waits for predictions of other threads; after that it goes on without them."""


@runtime_checkable
class Renewable(Protocol):
    """Something with locks of its own."""

    def renew(self) -> None:
        """Called in a child: takes new locks, and drops what another thread was changing."""
        ...


class _Gate:
    """Open to any number of predictions, or closed by a thread that forks."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.inside: dict[int, int] = {}  # how often each thread has entered
        self.num_forking = 0  # threads that fork or wait for it; nobody else enters meanwhile

    def enter(self) -> None:
        thread = threading.get_ident()
        with self.changed:
            self.changed.wait_for(lambda: not self.num_forking or thread in self.inside)
            self.inside[thread] = self.inside.get(thread, 0) + 1

    def leave(self) -> None:
        thread = threading.get_ident()
        with self.changed:
            self.inside[thread] -= 1
            if not self.inside[thread]:
                del self.inside[thread]
                self.changed.notify_all()

    def others(self) -> set[int]:
        return self.inside.keys() - {threading.get_ident()}


_gate = _Gate()
_renewable: "weakref.WeakSet[Renewable]" = weakref.WeakSet()


def renewed_in_children(part: Renewable) -> None:
    """Has a part renewed in every child of this process, for as long as it lives."""
    _renewable.add(part)


@contextmanager
def unforked() -> Iterator[None]:
    """No other thread forks while the body runs; one that wants to waits for its end."""
    _gate.enter()
    try:
        yield
    finally:
        _gate.leave()


def _close() -> None:
    _gate.changed.acquire()
    _gate.num_forking += 1
    _gate.changed.wait_for(lambda: not _gate.others(), LONGEST_WAIT)


def _open() -> None:
    _gate.num_forking -= 1
    _gate.changed.notify_all()
    _gate.changed.release()


def _begin_child() -> None:
    global _gate
    thread, inside = threading.get_ident(), _gate.inside
    _gate = _Gate()
    if thread in inside:
        _gate.inside[thread] = inside[thread]
    for part in list(_renewable):
        part.renew()
    # The threads of PyTorch's pool are not there either, and it would wait for them.
    if (set_num_threads := getattr(sys.modules.get("torch"), "set_num_threads", None)) is not None:
        set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close, after_in_parent=_open, after_in_child=_begin_child)
