"""The evidence room: score contenders on the same rows, compare them honestly, and the rungs that need no tuning."""
