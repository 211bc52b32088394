"""An encoder's forward pass as a graph runs it fastest: the last layer only for the first token of each row.

In: a model with an encoder like BERT's, its adapter merged.  Out: the same model, traced to fewer matrix products; or
unchanged, where its head reads more than the first hidden state of each row.
Not here: finding the modules of the encoder (models/packed/layouts.py), writing the graph (onnx_graph.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from liftune.errors import lacks_memory
from liftune.models.packed.layouts import EncoderModules, LayerModules, find_encoder

#: Largest gap of a logit, relative to the largest logit, between the model's own encoder and this one.
TOLERANCE = 1e-4


@contextmanager
def first_states_only(model: PreTrainedModel, batch: dict[str, Tensor]) -> Iterator[bool]:
    """Inside, the model's last layer computes only the first token of each row, if the logits of `batch` stay the same.

    Args:
        batch: (B, L) inputs of rows of more than one token, of several lengths.

    Yields:
        whether it does.
    """
    encoder = find_encoder(model)
    if isinstance(encoder, str):
        yield False
        return
    with torch.no_grad():
        before = model(**batch).logits
    traced = TracedEncoder(encoder)
    traced.install()
    try:
        if _alike(model, batch, before):
            yield True
            return
    finally:
        traced.remove()
    yield False


def _alike(model: PreTrainedModel, batch: dict[str, Tensor], before: Tensor) -> bool:
    try:
        with torch.no_grad():
            after = model(**batch).logits
    # An encoder that is called in another way, or a head that reads states which are not there.
    except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        if lacks_memory(error):
            raise
        return False
    if after.shape != before.shape:
        return False
    return float((after - before).abs().max()) <= TOLERANCE * float(before.abs().max()) + 1e-6


class TracedEncoder:
    """Replaces the encoder's forward once installed: padded rows, plain operations, no dropout."""

    def __init__(self, encoder: EncoderModules) -> None:
        self._encoder = encoder
        self._mask: Tensor | None = None
        self._handle: Any = None

    def install(self) -> None:
        """Replace the encoder's own forward."""
        self._handle = self._encoder.body.register_forward_pre_hook(self._see_mask, with_kwargs=True)
        self._encoder.stack.forward = self.forward

    def remove(self) -> None:
        """Give the encoder its own forward back."""
        self._handle.remove()
        del self._encoder.stack.forward

    def _see_mask(self, module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self._mask = kwargs.get("attention_mask")
        if self._mask is None:
            raise ValueError("a traced encoder needs the attention mask")
        return args, {**kwargs, "attention_mask": None}

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> BaseModelOutputWithPastAndCrossAttentions:
        """(B, L, D) embeddings to (B, 1, D) first states."""
        assert self._mask is not None
        absent = 1.0 - self._mask[:, None, None, :].to(hidden_states.dtype)
        bias = absent * torch.finfo(hidden_states.dtype).min
        last = len(self._encoder.layers) - 1
        for position, layer in enumerate(self._encoder.layers):
            hidden_states = _layer(hidden_states, layer, bias, first=position == last)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=hidden_states)


def _layer(hidden: Tensor, layer: LayerModules, bias: Tensor, *, first: bool) -> Tensor:
    """One layer: (B, L, D) to (B, L, D), or (B, 1, D).  `bias` is (B, 1, 1, L), to be added to the scores."""
    residual = hidden[:, :1] if first else hidden
    queries, keys, values = (
        module(states).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
        for module, states in ((layer.query, residual), (layer.key, hidden), (layer.value, hidden))
    )
    scores = queries @ keys.transpose(2, 3) / math.sqrt(hidden.shape[-1] // layer.heads)
    context = (torch.softmax(scores + bias, dim=-1) @ values).transpose(1, 2).flatten(2)
    attended = layer.norm1(residual + layer.out(context))
    output: Tensor = layer.norm2(attended + layer.down(layer.activation(layer.up(attended))))
    return output
