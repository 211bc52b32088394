"""Results: frozen, versioned, the core of `--json` and of record.json; one file a subject."""
