"""What the frozen body says of each row, caught during the forward pass: input of the probe rung.

In: a Backbone whose plain model is being called.  Out: arrays, one vector a row.
Not here: the forward pass (classifier.py), the probe (evidence/).
"""

from __future__ import annotations

from collections import defaultdict
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from liftune.hardware.workers import current_worker
from liftune.models import families
from liftune.models.backbone import Backbone


class FeatureTap:
    """A context in which each forward pass of the backbone's model leaves its features behind."""

    def __init__(self, backbone: Backbone) -> None:
        self._model = backbone.model
        self._body = families.base_name(backbone.model)
        self._layers = _head_layers(backbone)
        self._first_counts = backbone.head == "fresh"
        self._handles: list[Any] = []
        self._states: dict[int, tuple[Tensor, Tensor]] = {}
        """Of the pass that each lane is at, as below."""
        self._head_inputs: dict[int, list[Tensor]] = defaultdict(list)

    def __enter__(self) -> Self:
        if self._body:
            body = self._model.get_submodule(self._body)
            self._handles.append(body.register_forward_hook(self._keep_states))
        for layer in self._layers:
            self._handles.append(layer.register_forward_pre_hook(self._keep_input))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep_states(self, module: nn.Module, inputs: Any, output: Any) -> None:
        decoded = output[0]
        # T5 and BART read a text in the encoder; the decoder's states see only what stands before them.
        read = getattr(output, "encoder_last_hidden_state", None)
        self._states[current_worker().index] = (decoded if read is None else read, decoded)

    def _keep_input(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._head_inputs[current_worker().index].append(inputs[0])

    def take(self, batch: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
        """(B, D) float32 each, of the pass that the calling lane has just made; nothing of it is kept."""
        states = self._states.pop(current_worker().index, None)
        head_inputs = self._head_inputs.pop(current_worker().index, [])
        mask = batch["attention_mask"]
        found: dict[str, Tensor] = {}
        if states is not None:
            read, decoded = states
            weights = mask.to(read.device, torch.float32).unsqueeze(-1)
            found["mean"] = (read.float() * weights).sum(1) / weights.sum(1)
            found["first"] = _token(read, mask.argmax(dim=1))
            found["last"] = _token(decoded, _last(mask))
        if head_inputs:
            taken = head_inputs[0 if self._first_counts else -1]
            found["head"] = read_by_head(taken, mask)
        return {key: values.float().cpu().numpy() for key, values in found.items()}


def read_by_head(states: Tensor, mask: Tensor) -> Tensor:
    """(B, D) of a head's input (B, D) or (B, L, D): GPT-2's and Llama's heads score every token, the last one's counts.

    Virtual tokens before the text make L larger than the mask's width.
    """
    if states.ndim == 2:
        return states
    return _token(states, _last(mask) + (states.shape[1] - mask.shape[1]))


def _last(mask: Tensor) -> Tensor:
    """(B,) position of the last token that is no padding."""
    return mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)


def _token(states: Tensor, positions: Tensor) -> Tensor:
    """(B, D) the state at one position of each row."""
    return states[torch.arange(len(states), device=states.device), positions.to(states.device)]


def _head_layers(backbone: Backbone) -> list[nn.Module]:
    """The linear layers whose input may be the head's: the fresh ones, or all of a trained head's."""
    fresh = {name.rpartition(".")[0] for name in backbone.fresh}
    layers: list[nn.Module] = []
    for module in backbone.head_modules:
        for name, layer in backbone.model.get_submodule(module).named_modules(prefix=module):
            if isinstance(layer, nn.Linear) and (name in fresh or backbone.head == "trained"):
                layers.append(layer)
    return layers
