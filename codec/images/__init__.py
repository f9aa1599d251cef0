"""Pictures and their metadata, read and written."""
