"""Models: the packaged one, and those in folders."""
