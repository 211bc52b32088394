"""An encoder's forward pass as a graph runs it fastest: the last layer for each row's first token alone.

In: a model whose encoder is of BERT's kind, its adapter merged.  Out: the same model, tracing to fewer products; or as
it was, where its head reads more than each row's first state.
Not here: which parts these are (models/lean/roles.py), writing the graph (graph.py).
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

from liftune.models.packed.layouts import EncoderModules, LayerModules, find_encoder

#: Largest gap of a logit, relative to the largest logit, between the model's own encoder and this one.
TOLERANCE = 1e-4


@contextmanager
def first_states_only(model: PreTrainedModel, batch: dict[str, Tensor]) -> Iterator[bool]:
    """Within, the model's last layer computes each row's first token alone, if the logits of `batch` stay the same.

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
    # An encoder that is called otherwise, a head that wants states which are not there.
    except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return False
    if after.shape != before.shape:
        return False
    return float((after - before).abs().max()) <= TOLERANCE * float(before.abs().max()) + 1e-6


class TracedEncoder:
    """Stands for the encoder's forward once installed: padded rows, plain operations, no dropout."""

    def __init__(self, encoder: EncoderModules) -> None:
        self._encoder = encoder
        self._mask: Tensor | None = None
        self._handle: Any = None

    def install(self) -> None:
        """Take the place of the encoder's own forward."""
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
        for position, roles in enumerate(self._encoder.layers):
            hidden_states = _layer(hidden_states, roles, bias, first=position == last)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=hidden_states)


def _layer(rows: Tensor, roles: LayerModules, bias: Tensor, *, first: bool) -> Tensor:
    """One layer: (B, L, D) to (B, L, D), or (B, 1, D).  `bias` is (B, 1, 1, L), to be added to the scores."""
    ends = rows[:, :1] if first else rows
    queries, keys, values = (
        module(of).unflatten(-1, (roles.heads, -1)).transpose(1, 2)
        for module, of in ((roles.query, ends), (roles.key, rows), (roles.value, rows))
    )
    scores = queries @ keys.transpose(2, 3) / math.sqrt(rows.shape[-1] // roles.heads)
    context = (torch.softmax(scores + bias, dim=-1) @ values).transpose(1, 2).flatten(2)
    hidden = roles.norm1(ends + roles.out(context))
    found: Tensor = roles.norm2(hidden + roles.down(roles.activation(roles.up(hidden))))
    return found
