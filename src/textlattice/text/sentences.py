"""Where sentences end, by their marks alone."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32

ENDS = frozenset(".!?…。!?।؟")
"""Marks that end a sentence where they are a token, or the last character of one."""
CLOSERS = frozenset("\"'”’»)]}」』")
"""Marks that may follow an end and still belong to its sentence."""


def sentence_index(forms: Sequence[str]) -> Int32[np.ndarray, " num_tokens"]:
    """The sentence of each token of a document, counted from 0.

    A sentence lasts until the first mark of `ENDS`, with the further marks and closers that stand behind it. An
    abbreviation ends one too: what depends on this only pools tokens.

    Args:
        forms: The tokens of a document, in order.
    """
    index = np.zeros(len(forms), np.int32)
    number, ended = 0, False
    for place, form in enumerate(forms):
        is_end, is_closer = form[-1:] in ENDS, form in CLOSERS
        if ended and not is_end and not is_closer:
            number, ended = number + 1, False
        index[place] = number
        ended = ended or is_end
    return index
