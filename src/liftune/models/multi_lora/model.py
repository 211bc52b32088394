"""One base, many tuned models of it, answered in one batch: each row through its own low-rank updates and head.

In: a base as a Classifier, rows as tokens, and what each row's model adds to the base.  Out: each row's logits.
Not here: finding what a model adds (lowrank.py), loading (adapter.py), queues (serve/).

    y = x W' + b, once for all rows;  y[rows of k] += (x[rows of k] A_k') s_k B_k'     (LoRA; Hu et al. 2021)

Rows are sorted by model, so that each model's are one slice (parts.py).
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

from liftune.hardware.workers import open_workers
from liftune.models.classifier import Classifier
from liftune.models.multi_lora.low_rank import AdapterWeights
from liftune.models.multi_lora.segments import BatchLayout, Block, MixedRow, NotBatchableError, Turn
from liftune.models.multi_lora.stacked_factors import Stack, Stacks

__all__ = ["MixedHead", "MixedModel", "NotBatchableError", "Turn"]

#: Rows of one forward pass at most.
ROWS = 256
#: Tokens from which on a lane is worth its thread.
LANE_TOKENS = 256


class MixedModel:
    """A base that answers for many models.

    Args:
        base: without a method; its model is changed, and belongs to this object.
        tokens: of one forward pass at most, padding included.
    """

    def __init__(self, base: Classifier, *, tokens: int = 2048) -> None:
        self.base, self._tokens = base, tokens
        self._places = BatchLayout()
        self._updates = _Updates(self._places)
        self._hooked: set[str] = set()
        self._wrapped: set[str] = set()
        # A model may be fitted in while others are being answered.
        self._lock = Lock()
        self._shared = False

    def fit(self, added: AdapterWeights) -> Callable[[], None]:
        """Make the base ready for a model: hooks where it has updates, wrappers around its head.

        Returns:
            what takes out again whatever was new, for a model that turns out to be unmixable.
        """
        model = self.base.backbone.model
        with self._lock:
            self._share()
            fresh = sorted(set(added.lows) - self._hooked)
            self._updates.names.update({model.get_submodule(name): name for name in fresh})
            hooks = [model.get_submodule(name).register_forward_hook(self._updates.hook) for name in fresh]
            self._hooked.update(fresh)
            heads = sorted(set(added.heads) - self._wrapped)
            for name in heads:
                _put(model, name, MixedHead(name, model.get_submodule(name), self._places))
            self._wrapped.update(heads)

        def undo() -> None:
            with self._lock:
                for hook in hooks:
                    hook.remove()
                self._hooked.difference_update(fresh)
                for name in heads:
                    _put(model, name, model.get_submodule(name).get_submodule("base"))
                self._wrapped.difference_update(heads)

        return undo

    def _share(self) -> None:
        """Let fused layers tell of themselves; what they do not tell of is hooked."""
        encoder = self.base.packed_encoder
        if self._shared or encoder is None:
            return
        self._shared = True
        fused = encoder.set_add_lora(self._updates.add_lora)
        encoder.may_round_up = bool(fused)  # hooks know each vector's model by its place
        for name, module in self.base.backbone.model.named_modules():
            if module in fused:
                self._updates.names[module] = name
                self._hooked.add(name)

    def logits(self, asked: Sequence[MixedRow]) -> list[NDArray[np.float32]]:
        """(C,) float32 of each row, in order; C is its model's number of outputs, and the base `fit` its model.

        Raises:
            Unmixable: this base cannot answer for several models at once.
        """
        found: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(asked)

        def answer(positions: list[int]) -> None:
            rows = [asked[i].encoded for i in positions]
            models = [asked[i].model for i in positions]
            self._places.set(models, [len(row) for row in rows], self._updates.stacks.slots)
            with torch.inference_mode():  # a thread's own
                answers = self.base.forward(self.base.collate(rows)).cpu().numpy()
            for i, each in zip(positions, answers, strict=True):
                found[i] = each[: asked[i].model.outputs]

        lengths = [len(each.encoded) for each in asked]
        tokens, longest = sum(lengths), max(lengths, default=0)
        lanes = min(self.base.plan.workers, max(1, tokens // LANE_TOKENS))
        with self._lock, open_workers(lanes) as opened:
            self._updates.stacks.hold(each.model for each in asked)
            try:
                opened.each(answer, self._passes(asked, min(self._tokens, tokens // lanes + longest)))
            finally:
                self._places.clear()
        return found

    def _passes(self, asked: Sequence[MixedRow], most: int) -> Iterator[list[int]]:
        """Positions that go together, of so many tokens at most: alike in length as far as there is padding, then by
        model."""
        packed = self.base.packed_encoder is not None
        rows = [each.encoded for each in asked]
        order = sorted(range(len(rows)), key=lambda i: (rows[i].pair, -len(rows[i])))
        start, taken = 0, 0
        for stop, position in enumerate(order):
            first = rows[order[start]]
            wide = len(rows[position]) if packed else len(first)
            full = taken + wide > most or stop - start >= ROWS
            if stop > start and (full or rows[position].pair is not first.pair):
                yield _by_model(order[start:stop], asked)
                start, taken, wide = stop, 0, len(rows[position])
            taken += wide
        if order:
            yield _by_model(order[start:], asked)


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, child = name.rpartition(".")
    setattr(model.get_submodule(owner), child, module)


def _by_model(positions: list[int], asked: Sequence[MixedRow]) -> list[int]:
    """Each model's rows together, models of fewer tokens first, so that neighbours are alike in size."""
    tokens: dict[int, int] = defaultdict(int)
    for i in positions:
        tokens[id(asked[i].model)] += len(asked[i].encoded)
    order = {model: place for place, model in enumerate(sorted(tokens, key=tokens.__getitem__))}
    return sorted(positions, key=lambda i: order[id(asked[i].model)])


class _Updates:
    """Adds each row's own updates to the outputs of linear layers: as a forward hook of one, or beside fused ones."""

    def __init__(self, places: BatchLayout) -> None:
        self._places = places
        self.names: dict[nn.Module, str] = {}
        self.stacks = Stacks()

    def hook(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """The output, changed in place."""
        rows = inputs[0]
        width = output.shape[-1]
        self._add((self.names[module],), rows.reshape(-1, rows.shape[-1]), output.view(-1, width), [width], rows.shape)
        return output

    def add_lora(self, modules: Sequence[nn.Linear], rows: Tensor, output: Tensor) -> None:
        """An AddLora (packed/lora_linear.py); spare tokens that follow the rows' belong to no row."""
        known = rows[None, : self._places.here.known(len(rows))]
        widths = [module.out_features for module in modules]
        self._add(tuple([self.names[module] for module in modules]), rows, output, widths, known.shape)

    def _add(
        self, names: tuple[str, ...], rows: Tensor, found: Tensor, widths: Sequence[int], shape: torch.Size
    ) -> None:
        """Add to (T, sum of widths), in place; layers of one input side by side.

        Args:
            rows: (T, inputs).
            shape: of the input without what stands behind it.
        """
        flat = rows.to(found.dtype)
        parts = torch.split(found, list(widths), dim=1)
        if self._places.here.alone or found.dtype != torch.bfloat16:
            # Measured: in float32 a product a model is fastest; in bfloat16 thin ones cost three times a batched one.
            for added, place in self._places.here.of(shape):
                side = added.side(names, flat, widths)
                for down, up, rank, part in zip(side.downs, side.ups, side.ranks, parts, strict=True):
                    if rank:
                        part[place].addmm_(F.linear(flat[place], down), up)
            return
        stack = self.stacks.of(names, flat, widths)
        for cut in self._places.here.cuts(shape, len(flat)):
            _add_pieces([part[cut.vectors] for part in parts], flat[cut.vectors], stack, cut)


def _add_pieces(found: Sequence[Tensor], flat: Tensor, stack: Stack, cut: Block) -> None:
    """Add the updates of (T, inputs) to each layer's (T, outputs), in place, by batched products.

    In each piece every vector goes through the factors of all models that meet there; then what is not its own is
    masked, between the two products, where it is thin.
    """
    down, ranks = stack.down, stack.ranks
    models, mask = cut.models.to(flat.device), cut.mask.to(flat.device)
    places = mask.shape[2]
    downs = down.index_select(0, models).view(cut.pieces, places * sum(ranks), down.shape[2])
    inner = torch.bmm(flat.view(cut.pieces, -1, flat.shape[1]), downs.transpose(1, 2))
    inner = inner.view(*mask.shape, sum(ranks)).mul_(mask[..., None])
    for part, columns, up, rank in zip(found, torch.split(inner, list(ranks), 3), stack.ups, ranks, strict=True):
        if rank:
            ups = up.index_select(0, models).view(cut.pieces, places * rank, -1)
            wide = part.view(cut.pieces, -1, part.shape[1])
            wide.baddbmm_(columns.reshape(*mask.shape[:2], -1), ups)


class MixedHead(nn.Module):
    """A module of the head, of which each model has its own; answers are padded to the widest."""

    def __init__(self, name: str, base: nn.Module, places: BatchLayout) -> None:
        super().__init__()
        self._name, self._places = name, places
        self.base = base

    def forward(self, rows: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(B, ..., D) to (B, ..., the most outputs of any)."""
        found: list[Tensor] = [
            added.heads.get(self._name, self.base)(each, *args, **kwargs)
            for added, each in zip(*self._split(rows), strict=True)
        ]
        if len(found) == 1:
            return found[0]
        widest = max(each.shape[-1] for each in found)
        return torch.cat([F.pad(each, (0, widest - each.shape[-1])) for each in found])

    def _split(self, rows: Tensor) -> tuple[list[AdapterWeights], list[Tensor]]:
        whose, parts, each = [], [], rows.shape[1:-1].numel()
        for added, place in self._places.here.of(rows.shape):
            whose.append(added)
            parts.append(rows[place.start // each : place.stop // each])
        return whose, parts
