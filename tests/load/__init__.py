"""The server under load: `make test-load`."""
