"""Words and their vectors from elsewhere: from a language model, from plain text, from a lexicon."""
