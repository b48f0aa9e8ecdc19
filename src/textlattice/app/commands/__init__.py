"""One module a verb: it parses, calls one function and prints."""
