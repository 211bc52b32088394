"""Sources and file formats."""
