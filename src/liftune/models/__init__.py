"""Pretrained models, the ways of tuning them, and the classifier that comes of both."""
