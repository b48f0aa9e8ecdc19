"""Text classification by small-world token graphs."""
