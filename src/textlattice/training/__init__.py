"""Training: rows in, a fitted model and its record out."""
