import os
import threading
import time

import numpy as np
import pytest

from textlattice.runtime import forking
from textlattice.runtime.forking import unforked
from textlattice.runtime.form_cache import FormCache

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def in_child(check):
    """The exit code of a child that runs a check; 0 where it holds."""
    child = os.fork()
    if not child:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def predicting():
    """A thread inside a prediction that ends when the event is set."""
    entered, leave = threading.Event(), threading.Event()

    def predict():
        with unforked():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=predict)
    thread.start()
    entered.wait(60)
    yield leave
    leave.set()
    thread.join()


def test_a_fork_waits_for_a_prediction_of_another_thread(predicting):
    threading.Timer(0.3, predicting.set).start()
    started = time.monotonic()
    assert in_child(lambda: not forking._gate.inside) == 0
    assert time.monotonic() - started >= 0.3


def test_but_not_for_ever(predicting, monkeypatch):
    monkeypatch.setattr(forking, "LONGEST_WAIT", 0.1)
    assert in_child(lambda: not forking._gate.inside) == 0
    with unforked():
        pass


def test_a_thread_may_fork_in_its_own_prediction():
    def goes_on():
        with unforked():
            return True

    with unforked():
        assert in_child(goes_on) == 0
    assert forking._gate.inside == {}


def test_predictions_that_follow_one_another_keep_no_fork_waiting():
    stop = threading.Event()

    def predict():
        while not stop.is_set():
            with unforked():
                time.sleep(0.02)

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    codes = [in_child(lambda: True) for _ in range(5)]
    took = time.monotonic() - started
    stop.set()
    for thread in threads:
        thread.join()
    assert codes == [0] * 5
    assert took < 5


def test_a_cache_in_use_elsewhere_is_new_and_empty_in_the_child():
    def encode(forms):
        return np.ones((len(forms), 3), np.float32)

    cache = FormCache(3)
    cache.vectors(["a", "b"], encode)
    assert in_child(lambda: len(cache) == 2 and not cache._lock.locked()) == 0
    with cache._lock:  # as by a thread that is not there any more
        assert in_child(lambda: len(cache) == 0 and len(cache.vectors(["a"], encode)) == 1) == 0
    assert len(cache) == 2
