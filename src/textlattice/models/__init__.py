"""Models: layers put in order, one module a model."""
