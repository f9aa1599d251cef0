"""Training of the paper's family on small data."""
