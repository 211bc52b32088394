"""The fast path on processors: encoders without padding, LoRA fused in."""

from liftune.models.lean.install import make_lean

__all__ = ["make_lean"]
