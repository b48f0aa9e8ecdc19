"""What noise does to answers: corrupted texts, curves by strength, an attack with a budget."""
