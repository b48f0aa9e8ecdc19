"""What the libraries of the hub may do while a model is loaded: nothing."""

import threading

import pytest
from huggingface_hub import constants, get_session

from textlattice.encoders.offline import offline


def test_requests_are_refused_inside_and_what_was_set_holds_again(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    with offline():
        assert constants.is_offline_mode()
        with offline(), pytest.raises(Exception, match="offline mode is enabled"):
            get_session().get("https://localhost:1/never")
        assert constants.is_offline_mode()
    assert not constants.is_offline_mode()
    assert not constants.HF_HUB_DISABLE_TELEMETRY


def test_the_last_of_many_threads_that_leaves_restores(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    meet, seen = threading.Barrier(4), []

    def work():
        for _ in range(50):
            meet.wait()
            with offline():
                seen.append(constants.is_offline_mode())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 200
    assert all(seen)
    assert not constants.is_offline_mode()


def test_a_body_that_fails_restores(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ZeroDivisionError), offline():
        raise ZeroDivisionError
    assert not constants.is_offline_mode()
