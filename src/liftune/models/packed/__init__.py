"""The fast path on processors: encoders without padding, LoRA fused in."""

from liftune.models.packed.install import make_lean

__all__ = ["make_lean"]
