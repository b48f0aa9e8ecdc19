"""A greedy attack on single characters: which words carry an answer, and what small change overturns it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from textlattice.errors import DataError
from textlattice.progress import Progress
from textlattice.stress.curves import Probabilities
from textlattice.task import Label, Task
from textlattice.text.noise import corrupt
from textlattice.text.words import reader_words

_EDITS = ("typo", "homoglyph")
_TRIES = 3  # draws of each edit a word
_MOST_RANKED = 0.5  # share of the budget that may go into finding the words that count


def attack(
    probabilities: Probabilities,
    task: Task,
    texts: Sequence[str],
    labels: Sequence[Label],
    *,
    budget: int = 200,
    max_edits: float = 0.2,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Attacks each text that is answered rightly until its answer is wrong, or the budget is spent.

    Words (in scripts without spaces tokens) are ranked by what the probability of the right label loses without them,
    in a long text words at even distances, as many as half of the budget has queries for. Then, from the first on, each
    takes the edit of one character (typing errors, letters that look alike) that lowers it most, if none raises it: one
    that does nothing alone may help the next.

    Args:
        probabilities: The model; each text it is asked about is a query.
        task: Of the kind `single`.
        texts: Texts.
        labels: What is right.
        budget: Queries a text, that about the text as it is among them.
        max_edits: Share of the words that may be edited, one at least; words that keep their form do not count.
        seed: Of the edits.
        progress: Told of each text.

    Returns:
        `num_rows`, `accuracy` before and `accuracy_under_attack`, `num_attacked`, `success_rate` of these, and of the
        successes `median_queries` and `mean_edits` (None without any).

    Raises:
        DataError: The task is of another kind, or there is no text.

    Source: after arXiv 1801.04354 (scoring, character edits) and arXiv 1905.11268 (edits inside words).
    """
    if task.kind != "single" or not texts:
        raise DataError(
            f"an attack needs texts of one label each, got {len(texts)} texts of a {task.kind} task."
        )
    progress = progress or Progress()
    progress.begin("attacking", len(texts))
    targets = task.targets(labels)
    queries, edits, num_right = [], [], 0
    for text, target in zip(texts, targets.tolist(), strict=True):
        found = probabilities([text])[0]
        if found.argmax() == target:
            num_right += 1
            done = _overturn(probabilities, text, target, float(found[target]), budget, max_edits, seed)
            if done is not None:
                queries.append(done[0])
                edits.append(done[1])
        progress.advance()
    progress.end()
    return {
        "num_rows": len(texts),
        "budget": budget,
        "accuracy": num_right / len(texts),
        "accuracy_under_attack": (num_right - len(queries)) / len(texts),
        "num_attacked": num_right,
        "success_rate": len(queries) / num_right if num_right else None,
        "median_queries": float(np.median(queries)) if queries else None,
        "mean_edits": float(np.mean(edits)) if edits else None,
    }


def _overturn(
    probabilities: Probabilities,
    text: str,
    target: int,
    lowest: float,
    budget: int,
    max_edits: float,
    seed: int,
) -> tuple[int, int] | None:
    """Queries and edits that it took, the first answer, which gave `lowest`, among them; None if the answer held."""
    words = _cut(text)
    places = [place for place, word in enumerate(words) if any(map(str.isalpha, word))]
    most = min(len(places), int(_MOST_RANKED * budget))
    if not most:
        return None
    ranked = [places[place * len(places) // most] for place in range(most)]
    without = ["".join(words[:place] + words[place + 1 :]) for place in ranked]
    lost = probabilities(without)[:, target]
    used, num_edits, most_edits = 1 + len(without), 0, max(1, int(max_edits * len(places)))
    for place in (ranked[number] for number in np.argsort(lost, kind="stable").tolist()):
        if used == budget or num_edits == most_edits:
            break
        drawn = [
            corrupt(words[place], kind, 1 / len(words[place]), seed + number)
            for kind in _EDITS
            for number in range(_TRIES)
        ]
        tried = [word for word in dict.fromkeys(drawn) if word != words[place]][: budget - used]
        if not tried:
            continue
        spoiled = ["".join([*words[:place], word, *words[place + 1 :]]) for word in tried]
        found = probabilities(spoiled)
        used += len(tried)
        if (found.argmax(1) != target).any():
            return used, num_edits + 1
        best = int(found[:, target].argmin())
        if found[best, target] <= lowest:  # even where it is alone of no use, for the next may need it
            lowest, words[place] = float(found[best, target]), tried[best]
            num_edits += 1
    return None


def _cut(text: str) -> list[str]:
    """The text in parts that make it up: each word with the spaces around it that no earlier part has."""
    bounds = [0, *(end for _, end in reader_words(text)), len(text)]
    return [text[start:end] for start, end in pairwise(bounds) if start < end]
