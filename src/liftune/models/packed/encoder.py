"""An encoder's forward pass without padding, in place of the model's own.

In: a model whose encoder is of BERT's kind.  Out: the same model, whose encoder packs its rows.
Not here: which parts these are (roles.py), a layer's computation (layer.py, modular.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from liftune.hardware.workers import current_worker
from liftune.models.packed.dropout import MaskPool, draw_as_ever, drawn_mask
from liftune.models.packed.fused_weights import FusedLayers
from liftune.models.packed.layer import EncoderLayer, LayerWeights, Masks
from liftune.models.packed.layouts import Encoder, LayerModules
from liftune.models.packed.lora_linear import Beside
from liftune.models.packed.packing import Packing
from liftune.models.packed.unfused_layer import run_modules


class PackedEncoder:
    """Stands for the encoder's forward once `install`ed.

    Args:
        fused: run the layers as one step of autograd each, with LoRA fused in.
        first_only: let the last layer compute each row's first token alone, as the head reads no other.
        cheap: cut dropout masks from a pool.
    """

    def __init__(self, encoder: Encoder, *, fused: bool, first_only: bool, cheap: bool) -> None:
        self._encoder = encoder
        self.fused = FusedLayers(encoder.layers) if fused else None
        self.first_only = first_only
        self.may_round = True
        """Whether a few tokens that nobody reads may stand behind the others; not where hooks count them."""
        self._cheap = cheap
        self._pools: dict[tuple[int, float, torch.dtype], MaskPool] = {}
        self._shapes: dict[int, tuple[list[int], int]] = {}
        """Lengths and columns of the batch that each lane is at."""
        self._handle: Any = None
        self._embedded = encoder.embedded.p if encoder.embedded is not None and cheap else 0.0

    def install(self) -> None:
        """Take the place of the encoder's own forward."""
        self._handle = self._encoder.body.register_forward_pre_hook(self._see_lengths, with_kwargs=True)
        self._encoder.stack.forward = self.forward
        if self._embedded and self._encoder.embedded is not None:
            self._encoder.embedded.p = 0.0

    def remove(self) -> None:
        """Give the encoder its own forward back; nothing happens where it has it already."""
        if self._encoder.stack.__dict__.get("forward") != self.forward:
            return
        self._handle.remove()
        del self._encoder.stack.forward
        if self._embedded and self._encoder.embedded is not None:
            self._encoder.embedded.p = self._embedded

    @contextmanager
    def every_position(self) -> Iterator[None]:
        """Compute the last layer's states of all tokens, for whoever reads them."""
        before, self.first_only = self.first_only, False
        try:
            yield
        finally:
            self.first_only = before

    def stand_beside(self, beside: Beside) -> set[nn.Linear]:
        """Let `beside` add to the outputs of linear layers; it sees a few tokens that nobody reads behind the others.

        Returns:
            the layers that it will be told of; none where they run as their own modules.
        """
        return self.fused.stand_beside(beside) if self.fused is not None else set()

    def _see_lengths(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        if mask is None:
            raise ValueError("a packed encoder needs the attention mask")
        lengths = mask.sum(dim=1).long().tolist()  # PEFT makes the mask of a row with a prompt in float
        self._shapes[current_worker().index] = lengths, mask.shape[1]
        return args, {**kwargs, "attention_mask": None}

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> BaseModelOutputWithPastAndCrossAttentions:
        """(B, L, D) embeddings to (B, L, D) states with zeros where there is padding; or (B, 1, D) first states."""
        lengths, columns = self._shapes.pop(current_worker().index)
        training = self._encoder.stack.training
        fused = self.fused if self.fused is not None and self.fused.ready() else None
        weights = fused.weights() if fused else None
        packing = Packing.of(lengths, columns, round_up=self.may_round and _makes_kernels(weights))
        rows = packing.pack(hidden_states)
        if weights:
            rows = rows.to(weights[0].up.weight.dtype)
        if training and self._embedded:
            rows = rows * self._mask(self._embedded, rows.shape[0], rows.shape[1], rows.dtype)
        adapters = fused.adapters() if fused else None
        last = len(self._encoder.layers) - 1
        for position, roles in enumerate(self._encoder.layers):
            first = self.first_only and position == last
            masks = self._masks(roles, rows, packing, first) if training else Masks()
            if weights and adapters:
                with torch.autocast("cpu", enabled=False):
                    rows = EncoderLayer.apply(  # type: ignore[no-untyped-call]
                        rows, weights[position], packing, masks, first, *adapters[position]
                    )
            else:
                rows = run_modules(rows, roles, packing, masks, first)
        states = rows[:, None, :] if self.first_only else packing.pad(rows)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=states)

    def _masks(self, roles: LayerModules, rows: Tensor, packing: Packing, first: bool) -> Masks:
        count = len(packing.lengths) if first else rows.shape[0]
        attended, fed = (
            self._mask(rate, count, rows.shape[1], rows.dtype) if rate else None for rate in (roles.attended, roles.fed)
        )
        return Masks(attended, fed, partial(self._mask, roles.weights) if roles.weights else None)

    def _mask(self, rate: float, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
        if not self._cheap:
            return drawn_mask(rate, rows, columns, dtype)
        key = (current_worker().index, rate, dtype)
        if key not in self._pools:
            self._pools[key] = MaskPool(rate, dtype)
        return self._pools[key].mask(rows, columns)


def _makes_kernels(weights: Sequence[LayerWeights] | None) -> bool:
    """Whether products are oneDNN's, which makes a kernel for each number of tokens."""
    if torch.is_autocast_enabled("cpu") or not weights:
        return torch.is_autocast_enabled("cpu")
    return weights[0].up.reordered is not None or weights[0].up.weight.dtype == torch.bfloat16


def take_out(model: nn.Module) -> None:
    """Give a model that was attached to before its own encoder back."""
    for module in model.modules():
        earlier = getattr(module.__dict__.get("forward"), "__self__", None)
        if isinstance(earlier, PackedEncoder):
            earlier.remove()
    draw_as_ever(model)
