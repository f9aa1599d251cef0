"""Many files: a folder, or a cluster."""
