"""Measures of how well logits match targets."""
