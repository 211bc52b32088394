"""Many adapters on one base in one batch."""
