"""One base, many tuned models of it, in one batch: each row goes through its own model's low-rank updates and head.

In: a base as a Classifier, rows as tokens, and what each row's model adds to the base.  Out: each row's logits.
Not here: what a model adds (low_rank.py), loading (shared_base.py), queues (serve/).

    y = x W' + b, once for all rows;  y[rows of k] += (x[rows of k] A_k') (s_k B_k)'        Hu et al. 2021

Rows are sorted by model, so that each model's rows are one segment of the batch (segments.py), as in S-LoRA (Sheng et
al. 2023) and vLLM.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from liftune.hardware.memory import Passes
from liftune.hardware.workers import open_workers
from liftune.models.classifier import Classifier
from liftune.models.multi_lora.low_rank import AdapterWeights
from liftune.models.multi_lora.segments import AdapterRow, BatchLayout, Block
from liftune.models.multi_lora.stacked_factors import FactorStore, StackedFactors

#: Rows of one forward pass at most.
MAX_ROWS = 256
#: Tokens from which on a second worker is worth its thread.
WORKER_TOKENS = 256


class MixedModel:
    """A base that computes for many models.

    Args:
        base: without a method; its model is changed, and belongs to this object.
        tokens: of one forward pass at most, padding included.
    """

    def __init__(self, base: Classifier, *, tokens: int = 2048) -> None:
        self.base, self._tokens = base, tokens
        self._layout = BatchLayout()
        self._passes = Passes()
        self._updates = _LoraUpdates(self._layout)
        self._hooked: set[str] = set()
        self._wrapped: set[str] = set()
        # A model may be added while batches of others are computed.
        self._lock = Lock()
        self._fused_hooked = False

    def add_hooks(self, weights: AdapterWeights) -> Callable[[], None]:
        """Make the base ready for a model: hooks where it has updates, wrappers around its head.

        Returns:
            what removes again whatever was new, for a model that turns out not to be batchable.
        """
        model = self.base.backbone.model
        with self._lock:
            self._hook_fused_layers()
            new = sorted(set(weights.factors) - self._hooked)
            self._updates.names.update({model.get_submodule(name): name for name in new})
            hooks = [model.get_submodule(name).register_forward_hook(self._updates.forward_hook) for name in new]
            self._hooked.update(new)
            heads = sorted(set(weights.heads) - self._wrapped)
            for name in heads:
                _put(model, name, MixedHead(name, model.get_submodule(name), self._layout))
            self._wrapped.update(heads)

        def undo() -> None:
            with self._lock:
                for hook in hooks:
                    hook.remove()
                self._hooked.difference_update(new)
                for name in heads:
                    _put(model, name, model.get_submodule(name).get_submodule("base"))
                self._wrapped.difference_update(heads)

        return undo

    def _hook_fused_layers(self) -> None:
        """Let the packed encoder's fused layers call for updates; modules that are not among them get hooks."""
        encoder = self.base.packed_encoder
        if self._fused_hooked or encoder is None:
            return
        self._fused_hooked = True
        fused = encoder.set_add_lora(self._updates.add_lora)
        encoder.may_round_up = bool(fused)  # hooks know a vector's model by its position
        for name, module in self.base.backbone.model.named_modules():
            if module in fused:
                self._updates.names[module] = name
                self._hooked.add(name)

    def logits(self, rows: Sequence[AdapterRow]) -> list[NDArray[np.float32]]:
        """(C,) float32 of each row, in order; C is its model's number of outputs, and `add_hooks` was given each model.

        Raises:
            NotBatchableError: this base cannot compute for several models at once.
        """
        logits: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(rows)

        def forward(chosen: NDArray[np.intp]) -> None:
            positions = chosen.tolist()
            encoded = [rows[i].encoded for i in positions]
            # The model computes windows; a row has one or more.
            windows = [
                (rows[i].model, n) for i in positions for n in rows[i].encoded.windows or (len(rows[i].encoded),)
            ]
            models, lengths = zip(*windows, strict=True)
            self._layout.set(models, lengths, self._updates.store.slots)
            with torch.inference_mode():  # it holds for one thread
                batch_logits = self.base.forward(self.base.collate(encoded)).cpu().numpy()
            for i, each in zip(positions, batch_logits, strict=True):
                logits[i] = each[: rows[i].model.outputs]

        def one(positions: list[int]) -> None:
            self._passes(forward, np.array(positions), lambda chosen: sum(sizes[i] for i in chosen))

        sizes = [len(each.encoded) for each in rows]
        tokens, longest = sum(sizes), max(sizes, default=0)
        count = min(self.base.plan.workers, max(1, tokens // WORKER_TOKENS))
        with self._lock, open_workers(count) as workers:
            self._updates.store.hold(each.model for each in rows)
            try:
                workers.each(one, self._batches(rows, min(self._tokens, tokens // count + longest)))
            finally:
                self._layout.clear()
        return logits

    def _batches(self, rows: Sequence[AdapterRow], most: int) -> Iterator[list[int]]:
        """Positions of rows that go together, of so many tokens at most: rows of like length where there is padding;
        each model's rows together."""
        packed = self.base.packed_encoder is not None
        encoded = [each.encoded for each in rows]
        order = sorted(range(len(encoded)), key=lambda i: (encoded[i].pair, -len(encoded[i])))
        start, taken = 0, 0
        for stop, position in enumerate(order):
            first = encoded[order[start]]
            width = len(encoded[position]) if packed else len(first)
            full = taken + width > most or stop - start >= MAX_ROWS
            if stop > start and (full or encoded[position].pair is not first.pair):
                yield _by_model(order[start:stop], rows)
                start, taken, width = stop, 0, len(encoded[position])
            taken += width
        if order:
            yield _by_model(order[start:], rows)


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, child = name.rpartition(".")
    setattr(model.get_submodule(owner), child, module)


def _by_model(positions: list[int], rows: Sequence[AdapterRow]) -> list[int]:
    """Each model's rows together, models of fewer tokens first, so that neighbours are alike in size."""
    tokens: dict[int, int] = defaultdict(int)
    for i in positions:
        tokens[id(rows[i].model)] += len(rows[i].encoded)
    order = {model: place for place, model in enumerate(sorted(tokens, key=tokens.__getitem__))}
    return sorted(positions, key=lambda i: order[id(rows[i].model)])


class _LoraUpdates:
    """Adds each row's own updates to the outputs of linear layers: by a forward hook, or called by fused layers."""

    def __init__(self, layout: BatchLayout) -> None:
        self._layout = layout
        self.names: dict[nn.Module, str] = {}
        self.store = FactorStore()

    def forward_hook(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """The output, changed in place."""
        x = inputs[0]
        width = output.shape[-1]
        self._add((self.names[module],), x.reshape(-1, x.shape[-1]), output.view(-1, width), [width], x.shape)
        return output

    def add_lora(self, modules: Sequence[nn.Linear], x: Tensor, output: Tensor) -> None:
        """An AddLora (packed/lora_linear.py); spare tokens belong to no row."""
        known = x[None, : self._layout.segments.without_spare(len(x))]
        widths = [module.out_features for module in modules]
        self._add(tuple([self.names[module] for module in modules]), x, output, widths, known.shape)

    def _add(self, names: tuple[str, ...], x: Tensor, output: Tensor, widths: Sequence[int], shape: torch.Size) -> None:
        """Add to (vectors, sum of widths), in place; layers of one input are side by side.

        Args:
            x: (vectors, inputs).
            shape: of the input without spare tokens.
        """
        x = x.to(output.dtype)
        segments = self._layout.segments
        outputs = torch.split(output, list(widths), dim=1)
        if segments.single or output.dtype != torch.bfloat16:
            # Measured: in float32 a product a model is fastest; in bfloat16 thin ones cost three times a batched one.
            for weights, place in segments.slices(shape):
                group = weights.group(names, x, widths)
                for a, b, rank, y in zip(group.a, group.b, group.ranks, outputs, strict=True):
                    if rank:
                        # y += (x A') (s B)'
                        y[place].addmm_(F.linear(x[place], a), b)
            return
        stacked = self.store.of(names, x, widths)
        for block in segments.blocks(shape, len(x)):
            _add_blocks([y[block.vectors] for y in outputs], x[block.vectors], stacked, block)


def _add_blocks(outputs: Sequence[Tensor], x: Tensor, stacked: StackedFactors, block: Block) -> None:
    """Add the updates of x (vectors, inputs) to each layer's (vectors, outputs), in place, by batched products.

    In each block every vector goes through the factors of all models that meet there. Between the two products, where
    it is as narrow as the ranks, what a vector has of other models than its own is masked.
    """
    ranks = stacked.ranks
    slots, mask = block.slots.to(x.device), block.mask.to(x.device)
    places = mask.shape[2]
    # hidden = x A': (blocks, length, places x sum of ranks), as (blocks, length, places, sum of ranks) masked.
    a = stacked.a.index_select(0, slots).view(block.blocks, places * sum(ranks), stacked.a.shape[2])
    hidden = torch.bmm(x.view(block.blocks, -1, x.shape[1]), a.transpose(1, 2))
    hidden = hidden.view(*mask.shape, sum(ranks)).mul_(mask[..., None])
    by_layer = torch.split(hidden, list(ranks), 3)
    for y, layer_hidden, stacked_b, rank in zip(outputs, by_layer, stacked.b, ranks, strict=True):
        if rank:
            # y += hidden (s B)': (blocks, length, outputs).
            b = stacked_b.index_select(0, slots).view(block.blocks, places * rank, -1)
            y.view(block.blocks, -1, y.shape[1]).baddbmm_(layer_hidden.reshape(*mask.shape[:2], -1), b)


class MixedHead(nn.Module):
    """A module of the head, of which each model has its own; outputs are padded to the widest."""

    def __init__(self, name: str, base: nn.Module, layout: BatchLayout) -> None:
        super().__init__()
        self._name, self._layout = name, layout
        self.base = base

    def forward(self, states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(rows, ..., hidden) to (rows, ..., the most outputs of any model)."""
        outputs: list[Tensor] = [
            weights.heads.get(self._name, self.base)(each, *args, **kwargs)
            for weights, each in zip(*self._split(states), strict=True)
        ]
        if len(outputs) == 1:
            return outputs[0]
        widest = max(each.shape[-1] for each in outputs)
        return torch.cat([F.pad(each, (0, widest - each.shape[-1])) for each in outputs])

    def _split(self, states: Tensor) -> tuple[list[AdapterWeights], list[Tensor]]:
        models, parts, vectors_a_row = [], [], states.shape[1:-1].numel()
        for weights, place in self._layout.segments.slices(states.shape):
            models.append(weights)
            parts.append(states[place.start // vectors_a_row : place.stop // vectors_a_row])
        return models, parts
