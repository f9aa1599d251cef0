"""The passes of encoder and decoder over images of any size."""
