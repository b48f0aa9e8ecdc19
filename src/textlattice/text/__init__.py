"""Text: normalise, cut into tokens, look up rows."""
