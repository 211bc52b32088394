"""Liftune against what people use today, on the same rows: `python -m benchmarks`."""
