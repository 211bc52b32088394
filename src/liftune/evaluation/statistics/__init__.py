"""Statistics of arrays; nothing here knows of rows or models."""
