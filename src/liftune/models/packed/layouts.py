"""Which module of an encoder does what: BERT-like encoders, under each family's own module names.

In: a loaded model, plain or with PEFT in it.  Out: the modules of its encoder's layers, or why it is not BERT-like.
Not here: computing (layer.py, unfused_layer.py).

A new family is one more LayerLayout in LAYOUTS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from liftune.models import families

LINEAR = ("query", "key", "value", "out", "up", "down")
NORMS = ("norm1", "norm2")


@dataclass(frozen=True)
class LayerLayout:
    """A family's module names inside one layer; those of a dropout are None where the family has none."""

    layers: str
    """The encoder's list of layers, inside the body."""
    modules: dict[str, str]
    """Field of LayerModules -> the family's name."""
    activation: str
    attn_dropout: str
    """Of the attention weights."""
    attn_output_dropout: str | None
    """Of the attention block's output, before the residual connection."""
    ffn_dropout: str
    """Of the feed-forward block's output, before the residual connection."""


BERT = LayerLayout(
    layers="encoder.layer",
    modules={
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "out": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm2": "output.LayerNorm",
    },
    activation="intermediate.intermediate_act_fn",
    attn_dropout="attention.self.dropout",
    attn_output_dropout="attention.output.dropout",
    ffn_dropout="output.dropout",
)
DISTILBERT = LayerLayout(
    layers="transformer.layer",
    modules={
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "out": "attention.out_lin",
        "norm1": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "norm2": "output_layer_norm",
    },
    activation="ffn.activation",
    attn_dropout="attention.dropout",
    attn_output_dropout=None,
    ffn_dropout="ffn.dropout",
)
LAYOUTS = (BERT, DISTILBERT)


@dataclass(frozen=True)
class LayerModules:
    """One layer's modules, PEFT's wrappers included, and its dropout rates."""

    query: nn.Module
    key: nn.Module
    value: nn.Module
    out: nn.Module
    norm1: nn.Module
    up: nn.Module
    down: nn.Module
    norm2: nn.Module
    activation: Any
    heads: int
    attn_dropout: float
    attn_output_dropout: float
    ffn_dropout: float

    def named(self, names: Sequence[str]) -> list[nn.Module]:
        """The modules of these fields."""
        return [getattr(self, name) for name in names]


@dataclass(frozen=True)
class EncoderModules:
    """The modules of a BERT-like encoder."""

    body: nn.Module
    """The model without its head."""
    stack: nn.Module
    """The module whose forward runs the layers."""
    layers: tuple[LayerModules, ...]
    embedding_dropout: nn.Dropout | None
    """The dropout on the embeddings, where its output is what the first layer reads."""
    head_size: int
    """Numbers of a query, a key or a value of one head."""


def find_encoder(model: PreTrainedModel) -> EncoderModules | str:
    """The encoder's modules, or the reason why it is not BERT-like."""
    base = families.base_name(model)
    config = model.config
    if not base or getattr(config, "is_decoder", False) or getattr(config, "is_encoder_decoder", False):
        return "the model is not an encoder alone"
    body = model.get_submodule(base)
    layout = next((each for each in LAYOUTS if _module(body, each.layers) is not None), None)
    if layout is None:
        return "its layers are not BERT-like"
    if getattr(config, "position_embedding_type", None) not in (None, "absolute"):
        return "its positions are relative"
    if getattr(config, "attention_type", None) not in (None, "original_full"):  # BigBird's, in long rows alone
        return "not every token attends to every other"
    layers = []
    for child in body.get_submodule(layout.layers).children():
        layer = _layer_modules(child, layout, int(config.num_attention_heads))
        if isinstance(layer, str):
            return layer
        layers.append(layer)
    stack = body.get_submodule(layout.layers.rpartition(".")[0])
    others = [name for name, child in stack.named_children() if name != layout.layers.rpartition(".")[2]]
    if others or not layers:
        return "its encoder has modules beside its layers"
    # ELECTRA projects its embeddings after their dropout: a dropped number is no dropped number behind the projection.
    dropout = _module(body, "embeddings.dropout") if _module(body, "embeddings_project") is None else None
    return EncoderModules(
        body,
        stack,
        tuple(layers),
        embedding_dropout=dropout if isinstance(dropout, nn.Dropout) else None,
        head_size=int(config.hidden_size) // int(config.num_attention_heads),
    )


def _layer_modules(layer: nn.Module, layout: LayerLayout, heads: int) -> LayerModules | str:
    names = {**layout.modules, "activation": layout.activation}
    modules: dict[str, Any] = {field: _module(layer, name) for field, name in names.items()}
    known = tuple(f"{name}." for name in layout.modules.values())
    if None in modules.values() or not all(name.startswith(known) for name, _ in layer.named_parameters()):
        return "its layers are not BERT-like"
    return LayerModules(
        **modules,
        heads=heads,
        attn_dropout=_rate(layer, layout.attn_dropout),
        attn_output_dropout=_rate(layer, layout.attn_output_dropout),
        ffn_dropout=_rate(layer, layout.ffn_dropout),
    )


def _rate(layer: nn.Module, name: str | None) -> float:
    module = _module(layer, name) if name else None
    return float(module.p) if isinstance(module, nn.Dropout) else 0.0


def _module(module: nn.Module, name: str) -> nn.Module | None:
    try:
        return module.get_submodule(name)
    except AttributeError:
        return None
