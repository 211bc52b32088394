"""The fast path on processors: encoders without padding, LoRA fused in."""

from liftune.models.lean.install import fits, make_lean

__all__ = ["fits", "make_lean"]
