"""Which tokens of a document listen to which, from counts alone."""
