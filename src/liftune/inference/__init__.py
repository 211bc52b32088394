"""Predictions of a tuned model, for texts and for files, with or without torch."""
