"""Many adapters of one base in one batch, for the server."""
