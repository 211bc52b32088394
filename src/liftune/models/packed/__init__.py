"""The fast path on CPUs: BERT-like encoders without padding, LoRA fused into their layers."""

from liftune.models.packed.install import install_packed

__all__ = ["install_packed"]
