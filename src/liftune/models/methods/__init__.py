"""The tuning methods, one file a kind."""
