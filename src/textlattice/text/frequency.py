"""How much a token of some frequency weighs where frequent ones are to count for less."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Num

THRESHOLD = 1e-5
"""Share of all tokens from which on a token is frequent."""


def keep_weights(
    counts: Num[np.ndarray, " num_words"], form: Literal["linear", "sigmoid"]
) -> Float[np.ndarray, " num_words"]:
    """The weight of each word, in [0.05, 1] or for `linear` in (0, 1]: the rarer, the more.

    With f = count / sum of all counts and t = 1e-5: `linear` is min(1, sqrt(t / f)), `sigmoid` is
    1 - 0.95 / (1 + exp(-0.05 (f / t - 90))).

    Args:
        counts: Documents, or tokens, that a word stands in; at least 0.
        form: Which formula.

    Source: Mikolov et al. 2013 (arXiv 1310.4546), section 2.3, and the published CNN-GNN (arXiv 2507.07414).
    """
    ratio = counts / (THRESHOLD * max(float(counts.sum()), 1e-300))
    if form == "linear":
        return np.minimum(1.0, 1 / np.sqrt(np.maximum(ratio, 1e-300)))
    return 1 - 0.95 / (1 + np.exp(np.clip(-0.05 * (ratio - 90), None, 700)))
