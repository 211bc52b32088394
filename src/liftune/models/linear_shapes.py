"""Shapes of a model's linear layers and attention, of which FLOPs are counted.

In: a loaded backbone, before a method is attached.  Out: Shapes.  Not here: the count (hardware/flops.py).
"""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from liftune.hardware.flops import Shapes
from liftune.models.backbone import Backbone
from liftune.models.methods.targets import block_linears, is_linear, widths


def shapes_of(backbone: Backbone) -> Shapes:
    """The linear layers in the blocks, without the head, and the attention's width; or why FLOPs cannot be counted."""
    model = backbone.model
    head = backbone.head_modules
    sizes = [widths(model.get_submodule(name)) for name in block_linears(model, head)]
    linears = tuple((outputs, inputs) for inputs, outputs in sizes)
    reason = _unsupported_reason(model, linears, head, backbone.max_length)
    if reason:
        return Shapes(linears, unsupported_reason=reason)
    config = model.config
    width = getattr(config, "head_dim", None)
    width = config.hidden_size if width is None else width * config.num_attention_heads
    return Shapes(linears, int(width), int(config.num_hidden_layers))


def _unsupported_reason(
    model: PreTrainedModel, linears: tuple[tuple[int, int], ...], head: tuple[str, ...], longest: int
) -> str:
    """Why the count does not hold, read off the model and its config."""
    config = model.config
    if not linears:
        return "its blocks have no linear layer"
    lacking = [name for name in ("hidden_size", "num_hidden_layers") if getattr(config, name, None) is None]
    if lacking:
        return f"its config has no {' and no '.join(lacking)}"
    if getattr(config, "is_encoder_decoder", False):
        return "it reads each row twice, in an encoder and a decoder"
    if getattr(config, "num_hidden_groups", None) is not None:
        return "its layers share their weights"
    window = getattr(config, "local_attention", None) or getattr(config, "sliding_window", None)
    if window and window < longest:
        return f"its attention sees a window of {window} tokens, not the whole row"
    bare = _bare_matrices(model, head)
    return f"it multiplies by weights outside linear layers: {bare[0]}" if bare else ""


def _bare_matrices(model: nn.Module, head: tuple[str, ...]) -> list[str]:
    """Names of matrices that belong to no linear layer and no embedding."""
    known = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) or is_linear(module)
    }
    inside = tuple(f"{name}." for name in head)
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim >= 2 and name not in known and not name.startswith(inside)
    ]
