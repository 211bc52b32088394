"""An encoder's forward pass without padding, in place of the model's own.

In: the modules of a BERT-like encoder.  Out: the same model, whose encoder packs the rows of each batch.
Not here: which modules these are (layouts.py), a layer's computation (layer.py, unfused_layer.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from liftune.hardware.workers import current_worker
from liftune.models.packed.attention import TILED, Attention
from liftune.models.packed.dropout import MaskPool, draw_mask, undo_draw_by_worker
from liftune.models.packed.fused_weights import FusedLayers
from liftune.models.packed.layer import DropoutMasks, EncoderLayer, LayerWeights, layer_forward
from liftune.models.packed.layouts import EncoderModules, LayerModules
from liftune.models.packed.lora_linear import AddLora
from liftune.models.packed.packing import Packing
from liftune.models.packed.unfused_layer import run_modules

#: The precisions that a mask may have, by torch's name.
_FLOATS = {str(dtype): dtype for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16)}


class PackedEncoder:
    """Runs in place of the encoder's forward once it is installed.

    Args:
        fused: run each layer as one step of autograd, with LoRA fused in.
        first_only: let the last layer compute each row's first token alone, as the head reads no other.
        pooled: cut dropout masks from a pool.
    """

    def __init__(self, modules: EncoderModules, *, fused: bool, first_only: bool, pooled: bool) -> None:
        self._modules = modules
        self.fused = FusedLayers(modules.layers) if fused else None
        self.first_only = first_only
        self.attention: Attention = TILED
        self.may_round_up = True
        """Whether a few spare tokens may follow the others; not where hooks count tokens."""
        self._pooled = pooled
        self._pools: dict[tuple[int, float, torch.dtype], MaskPool] = {}
        self._shapes: dict[int, tuple[list[int], int]] = {}
        """Lengths and columns of the batch that each worker computes."""
        self._handle: Any = None
        self._embedding_rate = modules.embedding_dropout.p if modules.embedding_dropout is not None and pooled else 0.0
        """Of the embeddings' dropout, where it is done here."""

    def install(self) -> None:
        """Take the place of the encoder's own forward."""
        self._handle = self._modules.body.register_forward_pre_hook(self._note_lengths, with_kwargs=True)
        self._modules.stack.forward = self.forward
        if self._embedding_rate and self._modules.embedding_dropout is not None:
            self._modules.embedding_dropout.p = 0.0

    def remove(self) -> None:
        """Give the encoder its own forward back; nothing happens where it has it already."""
        if self._modules.stack.__dict__.get("forward") != self.forward:
            return
        self._handle.remove()
        del self._modules.stack.forward
        if self._embedding_rate and self._modules.embedding_dropout is not None:
            self._modules.embedding_dropout.p = self._embedding_rate

    @contextmanager
    def without_pools(self) -> Iterator[None]:
        """Within, each mask is drawn anew, and no pool is made."""
        before, self._pooled = self._pooled, False
        try:
            yield
        finally:
            self._pooled = before

    def mask_state(self) -> list[tuple[int, float, str, dict[str, Any]]]:
        """Of each pool of dropout masks: worker, rate, precision, and what the pool gives (`MaskPool.state`)."""
        states = ((key, pool.state()) for key, pool in self._pools.items())
        return [(worker, rate, str(dtype), state) for (worker, rate, dtype), state in states if state is not None]

    def restore_masks(self, states: Sequence[tuple[int, float, str, dict[str, Any]]]) -> None:
        """Have the pools that `mask_state` told of, and no others."""
        self._pools = {}
        for worker, rate, name, state in states:
            dtype = _FLOATS[name]
            self._pools[worker, rate, dtype] = MaskPool(rate, dtype)
            self._pools[worker, rate, dtype].restore(state)

    def hold_masks(self) -> Callable[[], None]:
        """What puts all pools back as they are now, in this process; nothing is copied."""
        held = {key: pool.held() for key, pool in self._pools.items()}

        def put_back() -> None:
            self._pools = {key: self._pools[key] for key in held}
            for key, each in held.items():
                self._pools[key].put_back(each)

        return put_back

    @contextmanager
    def every_position(self) -> Iterator[None]:
        """Within, the last layer computes the states of all tokens, for code that reads them."""
        before, self.first_only = self.first_only, False
        try:
            yield
        finally:
            self.first_only = before

    def set_add_lora(self, add_lora: AddLora) -> set[nn.Linear]:
        """Let `add_lora` add to the outputs of the model's own linear layers; spare tokens follow those it knows.

        Returns:
            the layers that call it; none where they run as their own modules.
        """
        return self.fused.set_add_lora(add_lora) if self.fused is not None else set()

    def _note_lengths(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        if mask is None:
            raise ValueError("a packed encoder needs the attention mask")
        lengths = mask.sum(dim=1).long().tolist()  # PEFT makes the mask of a row with a prompt in float
        self._shapes[current_worker().index] = lengths, mask.shape[1]
        return args, {**kwargs, "attention_mask": None}

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> BaseModelOutputWithPastAndCrossAttentions:
        """(rows, length, hidden) embeddings to states of that shape, zeros at padding; or (rows, 1, hidden)."""
        lengths, columns = self._shapes.pop(current_worker().index)
        training = self._modules.stack.training
        fused = self.fused if self.fused is not None and self.fused.usable() else None
        weights = fused.weights() if fused else None
        packing = Packing.of(lengths, columns, round_up=self.may_round_up and _makes_kernels(weights))
        x = packing.pack(hidden_states)  # (tokens, hidden), as in every layer below
        if weights:
            x = x.to(weights[0].up.weight.dtype)
        if training and self._embedding_rate:
            x = x * self._mask(self._embedding_rate, x.shape[0], x.shape[1], x.dtype)
        factors = fused.factors() if fused else None
        last = len(self._modules.layers) - 1
        for position, modules in enumerate(self._modules.layers):
            first_only = self.first_only and position == last
            masks = self._masks(modules, x, packing, first_only) if training else DropoutMasks()
            if weights and factors:
                given = x, weights[position], packing, masks, self.attention, first_only
                with torch.autocast("cpu", enabled=False):
                    if torch.is_grad_enabled():
                        x = EncoderLayer.apply(*given, *factors[position])  # type: ignore[no-untyped-call]
                    else:
                        x, _ = layer_forward(*given, factors[position], keep=False)
            else:
                x = run_modules(x, modules, packing, masks, self.attention, first_only)
        states = x[:, None, :] if self.first_only else packing.pad(x)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=states)

    def _masks(self, modules: LayerModules, x: Tensor, packing: Packing, first_only: bool) -> DropoutMasks:
        count = len(packing.lengths) if first_only else x.shape[0]
        attn_output, ffn = (
            self._mask(rate, count, x.shape[1], x.dtype) if rate else None
            for rate in (modules.attn_output_dropout, modules.ffn_dropout)
        )
        return DropoutMasks(
            attn_output, ffn, partial(self._mask, modules.attn_dropout) if modules.attn_dropout else None
        )

    def _mask(self, rate: float, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
        if not self._pooled:
            return draw_mask(rate, rows, columns, dtype)
        key = (current_worker().index, rate, dtype)
        if key not in self._pools:
            self._pools[key] = MaskPool(rate, dtype)
        return self._pools[key].mask(rows, columns)


def _makes_kernels(weights: Sequence[LayerWeights] | None) -> bool:
    """Whether products are oneDNN's, which compiles a kernel for each number of tokens."""
    if torch.is_autocast_enabled("cpu") or not weights:
        return torch.is_autocast_enabled("cpu")
    return weights[0].up.reordered is not None or weights[0].up.weight.dtype == torch.bfloat16


def remove_packed(model: nn.Module) -> None:
    """Give a model its own encoder and dropout back, where an earlier `install_packed` replaced them."""
    for module in model.modules():
        earlier = getattr(module.__dict__.get("forward"), "__self__", None)
        if isinstance(earlier, PackedEncoder):
            earlier.remove()
    undo_draw_by_worker(model)
