"""Predictions of folders of files: one task a file, on a pool of workers that hold the model."""
