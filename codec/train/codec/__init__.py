"""Training of f, Q and g: the codec itself."""
