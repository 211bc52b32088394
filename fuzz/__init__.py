"""Broken input for everything that reads: mutated samples, of which each must be read or refused in words.

`python -m fuzz` (or `make fuzz`) runs it; `python -m fuzz --help` lists its targets.
"""
