"""Questions that were answered once; README.md has the answers."""
