"""Models that others saved, without liftune.json: plain PEFT adapters, Trainer's checkpoints, fully tuned models."""
