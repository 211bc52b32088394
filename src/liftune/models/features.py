"""What is read inside of a forward pass: features of each row from the body, and what the last layer reads.

In: a Backbone whose plain model is being called, or its last layer.  Out: arrays, one vector a row.
Not here: the forward pass (classifier.py), the probe (baselines/linear_probe.py).
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
from liftune.models.tokens.collator import pool_windows


class FeatureTap:
    """A context in which hooks note, at each forward pass of the backbone's model, the states that features are of."""

    def __init__(self, backbone: Backbone) -> None:
        self._model = backbone.model
        self._body = families.base_name(backbone.model)
        self._layers = _head_layers(backbone)
        self._first_counts = backbone.head == "fresh"
        self._handles: list[Any] = []
        self._states: dict[int, tuple[Tensor, Tensor]] = {}
        """Of the pass that each worker computes, as below."""
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
        # T5 and BART read a text in the encoder; the decoder's states see only the tokens before them.
        encoded = getattr(output, "encoder_last_hidden_state", None)
        self._states[current_worker().index] = (decoded if encoded is None else encoded, decoded)

    def _keep_input(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._head_inputs[current_worker().index].append(inputs[0])

    def mean(self, batch: dict[str, Tensor]) -> Tensor:
        """(W, D) with gradients, of each window of that pass; nothing of it is kept."""
        encoded, _ = self._states.pop(current_worker().index)
        self._head_inputs.pop(current_worker().index, None)
        return _mean(encoded, batch["attention_mask"])

    def take(self, batch: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
        """(B, D) float32 each, of the pass that the calling worker has just made; nothing of it is kept.

        Those of a row of several windows are the mean over its windows.
        """
        found = self.of_windows(batch["attention_mask"])
        return {key: pool_windows(values.float(), batch).cpu().numpy() for key, values in found.items()}

    def of_windows(self, mask: Tensor) -> dict[str, Tensor]:
        """(W, D) each, the same of each window.

        Args:
            mask: (W, L), 1 where a token is no padding.
        """
        states = self._states.pop(current_worker().index, None)
        head_inputs = self._head_inputs.pop(current_worker().index, [])
        features: dict[str, Tensor] = {}
        if states is not None:
            encoded, decoded = states
            features["mean"] = _mean(encoded, mask)
            features["first"] = _token(encoded, mask.argmax(dim=1))
            features["last"] = _token(decoded, _last(mask))
        if head_inputs:
            features["head"] = read_by_head(head_inputs[0 if self._first_counts else -1], mask)
        return features


class FinalInputTap:
    """A context in which a hook notes, at each forward pass, the input of the layer that gives the logits."""

    def __init__(self, layer: nn.Linear) -> None:
        self._layer = layer
        self._inputs: dict[int, Tensor] = {}
        """Of the pass that each worker computes."""

    def __enter__(self) -> Self:
        self._handle = self._layer.register_forward_pre_hook(self._keep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.remove()

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._inputs[current_worker().index] = inputs[0]

    def take(self, batch: dict[str, Tensor]) -> NDArray[np.float32]:
        """(B, D) float32, of the pass that the calling worker has just made; nothing of it is kept."""
        states = read_by_head(self._inputs.pop(current_worker().index), batch["attention_mask"])
        return np.asarray(pool_windows(states.float(), batch).cpu().numpy(), dtype=np.float32)


def read_by_head(states: Tensor, mask: Tensor) -> Tensor:
    """(B, D) of a head's input (B, D) or (B, L, D): the heads of GPT-2 and Llama score every token and use the last.

    Virtual tokens before the text make L larger than the mask's width.
    """
    if states.ndim == 2:
        return states
    return _token(states, _last(mask) + (states.shape[1] - mask.shape[1]))


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """(B, D) float32 over the tokens that are no padding."""
    weights = mask.to(states.device, torch.float32).unsqueeze(-1)
    return (states.float() * weights).sum(1) / weights.sum(1)


def _last(mask: Tensor) -> Tensor:
    """(B,) position of the last token that is not padding."""
    return mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)


def _token(states: Tensor, positions: Tensor) -> Tensor:
    """(B, D) the state at one position of each row."""
    places = positions.to(states.device)[:, None, None].expand(-1, 1, states.shape[2])
    return states.gather(1, places).squeeze(1)  # a graph of it holds for any number of rows


def _head_layers(backbone: Backbone) -> list[nn.Module]:
    """The linear layers whose input may be the head's: the randomly initialised ones, or all of a trained head's."""
    fresh = {name.rpartition(".")[0] for name in backbone.fresh}
    layers: list[nn.Module] = []
    for module in backbone.head_modules:
        for name, layer in backbone.model.get_submodule(module).named_modules(prefix=module):
            if isinstance(layer, nn.Linear) and (name in fresh or backbone.head == "trained"):
                layers.append(layer)
    return layers
