"""Training of r: the synthesis of detail."""
