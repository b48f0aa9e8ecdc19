"""What gives the pyramid the states of tokens: our own layers, a token table, a language model."""
