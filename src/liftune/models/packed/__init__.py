"""The fast path on processors: encoders without padding, LoRA fused in."""

from liftune.models.packed.install import install_packed

__all__ = ["install_packed"]
