"""Documents and their graphs, collated into one compact batch with every index ready."""
