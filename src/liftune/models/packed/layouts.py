"""Which module of an encoder plays which part: BERT's kind, under each family's own names.

In: a loaded model, plain or with PEFT in it.  Out: its encoder's layers by role, or why it is not of this kind.
Not here: computing (layer.py, modular.py).
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
    """A family's names for the parts of a layer; `attended`, `fed` and `weights` are its dropouts."""

    layers: str
    """Of the encoder's list of layers, in the body."""
    parts: dict[str, str]
    activation: str
    attended: str | None
    fed: str
    weights: str


BERT = LayerLayout(
    layers="encoder.layer",
    parts={
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
    attended="attention.output.dropout",
    fed="output.dropout",
    weights="attention.self.dropout",
)
DISTILBERT = LayerLayout(
    layers="transformer.layer",
    parts={
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
    attended=None,
    fed="ffn.dropout",
    weights="attention.dropout",
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
    attended: float
    fed: float
    weights: float

    def named(self, names: Sequence[str]) -> list[nn.Module]:
        """The modules of these roles."""
        return [getattr(self, name) for name in names]


@dataclass(frozen=True)
class Encoder:
    """What is found of an encoder."""

    body: nn.Module
    stack: nn.Module
    """The module whose forward runs the layers."""
    layers: tuple[LayerModules, ...]
    embedded: nn.Dropout | None
    """The dropout on the embeddings, where nothing else stands between it and the layers."""


def find_encoder(model: PreTrainedModel) -> Encoder | str:
    """The encoder's parts, or the reason why there are none of this kind."""
    base = families.base_name(model)
    config = model.config
    if not base or getattr(config, "is_decoder", False) or getattr(config, "is_encoder_decoder", False):
        return "the model is no plain encoder"
    body = model.get_submodule(base)
    layout = next((each for each in LAYOUTS if _module(body, each.layers) is not None), None)
    if layout is None:
        return "its layers are not of BERT's kind"
    if getattr(config, "position_embedding_type", None) not in (None, "absolute"):
        return "its positions are relative"
    if getattr(config, "attention_type", None) not in (None, "original_full"):  # BigBird's, in long rows alone
        return "not every token attends to every other"
    layers = []
    for layer in body.get_submodule(layout.layers).children():
        found = _roles(layer, layout, int(config.num_attention_heads))
        if isinstance(found, str):
            return found
        layers.append(found)
    stack = body.get_submodule(layout.layers.rpartition(".")[0])
    others = [name for name, child in stack.named_children() if name != layout.layers.rpartition(".")[2]]
    if others or not layers:
        return "its encoder has further parts"
    # ELECTRA's projection stands between: what it makes of a dropped number is not dropped.
    embedded = _module(body, "embeddings.dropout") if _module(body, "embeddings_project") is None else None
    return Encoder(body, stack, tuple(layers), embedded if isinstance(embedded, nn.Dropout) else None)


def _roles(layer: nn.Module, layout: LayerLayout, heads: int) -> LayerModules | str:
    parts = {role: _module(layer, name) for role, name in {**layout.parts, "activation": layout.activation}.items()}
    known = tuple(f"{name}." for name in layout.parts.values())
    if None in parts.values() or not all(name.startswith(known) for name, _ in layer.named_parameters()):
        return "its layers are not of BERT's kind"
    found: dict[str, Any] = dict(parts)
    return LayerModules(
        **found,
        heads=heads,
        attended=_rate(layer, layout.attended),
        fed=_rate(layer, layout.fed),
        weights=_rate(layer, layout.weights),
    )


def _rate(layer: nn.Module, name: str | None) -> float:
    module = _module(layer, name) if name else None
    return float(module.p) if isinstance(module, nn.Dropout) else 0.0


def _module(module: nn.Module, name: str) -> nn.Module | None:
    try:
        return module.get_submodule(name)
    except AttributeError:
        return None
