"""liftune: lightweight fine-tuning of foundation models on text classification."""
