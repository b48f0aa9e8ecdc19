"""Processes that are forked while threads predict; run as a script, so that a child that hangs harms no test."""

import os
import random
import signal
import sys
import threading
import time

SECONDS = 60.0


def texts(number: int, seed: int, words: int) -> list[str]:
    """Texts of words that nobody has seen, so that every form is new to the cache."""
    draw = random.Random(seed)
    return [" ".join("".join(draw.choices("abcdefghij", k=5)) for _ in range(words)) for _ in range(number)]


def fork_while_predicting(folder: str, num_forks: int, words: int = 30) -> list[str]:
    """Forks beside three threads that predict; each child predicts. What failed, in words.

    Args:
        folder: A model folder.
        num_forks: How often.
        words: Length of the texts.
    """
    import textlattice

    predictor, stop = textlattice.load(folder), threading.Event()
    asked = texts(4, -1, words)
    expected = predictor.predict(asked)

    def work(seed: int) -> None:
        for turn in range(10**9):
            if stop.is_set():
                return
            predictor.predict(texts(8, 1000 * seed + turn, words))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 4)]
    for thread in threads:
        thread.start()
    failed = []
    for place in range(num_forks):
        time.sleep(0.01)
        child = os.fork()
        if not child:
            os._exit(0 if predictor.predict([*asked, *texts(2, -2 - place, words)])[:4] == expected else 3)
        if (status := _status(child)) != 0:
            failed.append(f"fork {place}: " + ("hung" if status is None else f"status {status}"))
        if len(failed) == 3:
            break
    stop.set()
    for thread in threads:
        thread.join()
    return failed


def pool_while_predicting(folder: str, num_pools: int) -> list[str]:
    """The same by pools of `multiprocessing`, whose workers are forked."""
    import multiprocessing

    import textlattice

    predictor, stop = textlattice.load(folder), threading.Event()
    expected = predictor.predict(texts(4, -1, 30))

    def work() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            predictor.predict(texts(8, turn, 30))

    global _predict  # a forked worker finds it here
    _predict = lambda asked: predictor.predict(asked)  # noqa: E731
    thread = threading.Thread(target=work)
    thread.start()
    failed = []
    for place in range(num_pools):
        with multiprocessing.get_context("fork").Pool(2) as pool:
            answers = [pool.apply_async(_answer, (texts(4, -1, 30),)) for _ in range(4)]
            try:
                if any(answer.get(SECONDS) != expected for answer in answers):
                    failed.append(f"pool {place}: other answers")
            except multiprocessing.TimeoutError:
                failed.append(f"pool {place}: hung")
    stop.set()
    thread.join()
    return failed


def _answer(asked: list[str]) -> list[str]:
    return _predict(asked)


def _status(child: int) -> int | None:
    """How a child ended; None of one that had to be killed."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


if __name__ == "__main__":
    kind, model, number, *more = sys.argv[1:]
    found = {"fork": fork_while_predicting, "pool": pool_while_predicting}[kind](
        model, int(number), *map(int, more)
    )
    print("\n".join(found) or "none failed")
    sys.exit(bool(found))
