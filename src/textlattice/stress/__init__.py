"""What noise does to answers: curves by strength, an attack with a budget; the noise itself is `text/noise.py`."""
