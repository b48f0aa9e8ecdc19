"""Trained models in forms that run without PyTorch."""
