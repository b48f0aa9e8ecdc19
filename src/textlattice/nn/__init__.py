"""Layers: plain tensors and numbers in, tensors out; no config, no batch object, no global state."""
