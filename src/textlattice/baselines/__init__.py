"""Baselines as a user would write them, to be run beside the model on the same rows."""
