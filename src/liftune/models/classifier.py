"""A backbone with a tuning method attached: the one mutable thing, and a Scorer.

In: a Backbone, a method and its options.  Out: a Classifier: rows to logits and features, parameters to train.
Not here: making it (attach.py), the training loop (training/loop.py), the disk (adapter_io.py), tokens and batches
(tokens/), the passes over many rows (over_rows.py), what is read inside of a pass (features.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from liftune.hardware.memory import Attempts, Passes
from liftune.hardware.plan import Plan
from liftune.models import families
from liftune.models.backbone import Backbone
from liftune.models.features import FeatureTap, FinalInputTap
from liftune.models.methods.options import Options
from liftune.models.methods.registry import Method
from liftune.models.over_rows import Arrays, Progress, over_rows
from liftune.models.packed.encoder import PackedEncoder
from liftune.models.sharing import ALONE, Share
from liftune.models.tokens.collator import (
    Collator,
    Encoded,
    Tokens,
    equal_lengths,
    pool_logits,
    read_by_model,
)
from liftune.models.tokens.long_texts import LongTexts
from liftune.tasks import TaskKind
from liftune.types import FloatArray, LongRule, Row


class Classifier:
    """A model that gives rows logits, and whose trainable part can be trained, copied and put back.

    Attributes:
        model: what is called: a PeftModel, or the plain model for no method, or `full`.
        method: None for the base as it is.
        trained_in: the precision of its training.
        rounded: those of the body's matrices, by position, that training holds in bfloat16 (see
            `restore_full_precision`).
        options: the method's, for its optimizer; empty once the classifier was read from disk.
        max_length: tokens of a window: of each row where long ones are cut (see `long`).
        packed_encoder: the encoder that runs in place of the model's own, where one does (see `install_packed`).
        share: what other processes do of an evaluation (see sharing.py).
        in_step: all processes go through each layer together (see shards.py), and compute as many passes.
        fingerprints: of every tensor as it was before it was divided (see bits.py); None where it was not.
        passes: how large those of an evaluation may be.
        unpadded: its batches hold rows of one length.
    """

    def __init__(
        self,
        backbone: Backbone,
        model: nn.Module,
        *,
        method: Method | None,
        options: Options,
        plan: Plan,
        max_length: int,
    ) -> None:
        self.backbone = backbone
        self.model = model
        self.method = method
        self.options = options
        self.plan = plan
        self.trained_in = plan.dtype
        self.rounded: dict[int, nn.Parameter] = {}
        self.packed_encoder: PackedEncoder | None = None
        self.max_length = max_length
        self.share: Share = ALONE
        self.in_step = False
        self.fingerprints: dict[str, int] | None = None
        self.passes = Passes()
        self._target_scale = (0.0, 1.0)
        self._collator = self._make_collator()
        # Prompts enter as embeddings, in which a last-token classifier cannot see padding: such batches have none.
        self.unpadded = families.pools_last_token(backbone.model) and _gives_embeddings(model)

    def note_passes(self, note: Attempts) -> None:
        """Have each pass noted before it is computed, and none tried that an earlier process may have died of."""
        self.passes.note_in(note)

    def pass_sizes_of(self, other: Classifier) -> None:
        """Read rows in passes no larger than another does, whose rows these are."""
        self.passes = other.passes

    @property
    def long(self) -> LongTexts:
        """What is read of rows that are longer than `max_length`."""
        return self.backbone.long

    @property
    def task(self) -> TaskKind:
        """What the outputs mean."""
        return self.backbone.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs, in order; empty for regression."""
        return self.backbone.labels

    def read_long_texts(self, rule: LongRule) -> None:
        """Read rows that are longer than `max_length` by another rule from here on."""
        self.backbone = replace(self.backbone, long=replace(self.long, rule=rule))
        self._collator = self._make_collator()

    @contextmanager
    def reading(self, rule: LongRule) -> Iterator[None]:
        """Read long rows by a rule within the block."""
        before = self.backbone, self._collator
        self.read_long_texts(rule)
        try:
            yield
        finally:
            self.backbone, self._collator = before

    def _make_collator(self) -> Collator:
        on_disk, backbone = "token-cache" in self.plan.accelerations, self.backbone
        return Collator(backbone.model, backbone.tokenizer, self.max_length, backbone.long, on_disk=on_disk)

    def encode(self, rows: Sequence[Row] | Tokens) -> Tokens:
        """Token ids of each row; of one that is longer than `max_length`, what the rule of `long` reads.

        Of a pair the longer text gives way first.
        """
        return rows if isinstance(rows, Tokens) else self._collator.encode(rows)

    def collate(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """A batch padded to its longest window: input_ids, attention_mask and, where the model reads them, token types.

        Where a row has several windows, also the row of each (see `pool_logits`).
        """
        return self._collator.collate(encoded)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, C) float32 logits of a collated batch, with gradients; of a regression in units of the target scale.

        Those of a row of several windows are the mean over its windows, or the greatest (see `long`).
        """
        return pool_logits(self._window_logits(batch), batch)

    def _window_logits(self, batch: dict[str, Tensor]) -> Tensor:
        """(W, C) of the batch's windows; W is B where every row has one."""
        if self.unpadded:
            groups = equal_lengths(batch)
            logits = torch.cat([self._call(part) for _, part in groups])
            return logits[torch.argsort(torch.cat([positions for positions, _ in groups]).to(logits.device))]
        return self._call(batch)

    def _call(self, batch: dict[str, Tensor]) -> Tensor:
        batch = {name: values.to(self.plan.device) for name, values in read_by_model(batch).items()}
        with self._autocast():
            logits = self.model(**batch).logits
        return torch.as_tensor(logits).float()

    def _autocast(self) -> Any:
        if self.plan.dtype == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.plan.device).type, dtype=torch.bfloat16)

    def logits(self, rows: Sequence[Row] | Tokens, progress: Progress | None = None) -> NDArray[np.float32]:
        """(N, C) float32, in input order; a row's logits do not depend on the other rows."""
        mean, scale = self._target_scale

        def taken(batch: dict[str, Tensor]) -> Arrays:
            return {"logits": self.forward(batch).cpu().numpy() * np.float32(scale) + np.float32(mean)}

        widths = {"logits": self.backbone.outputs}
        return over_rows(self, rows, taken, widths, progress, work="logits")["logits"]

    def features(self, rows: Sequence[Row], progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """(N, D) float32 each, of the body as it is, an adapter in it included, in one pass: what a linear probe may be
        fitted to.

        Returns:
            mean: of the states of the row's tokens; first, last: the state of that token; head: the input of the head's
            first randomly initialised linear layer, or of the last layer of a trained head.
        """
        return self.read(rows, progress)[1]

    def read(
        self, rows: Sequence[Row] | Tokens, progress: Progress | None = None
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """What `logits` and `features` give, from one pass over the rows."""
        with self._every_position(), FeatureTap(self.backbone) as tap:

            def taken(batch: dict[str, Tensor]) -> Arrays:
                return {"logits": pool_logits(self._call(batch), batch).cpu().numpy(), **tap.take(batch)}

            found = over_rows(self, rows, taken, {"logits": self.backbone.outputs}, progress, work="read")
        return found.pop("logits"), found

    def final_inputs(self, rows: Sequence[Row] | Tokens, *, dropout: bool = False) -> NDArray[np.float32]:
        """(N, D) float32, the input of the layer that gives the logits, the method's part included.

        Args:
            dropout: as in training.
        """
        layer = self.final_layer()
        with FinalInputTap(layer) as tap:

            def taken(batch: dict[str, Tensor]) -> Arrays:
                self.forward(batch)
                return {"final": tap.take(batch)}

            widths = {"final": layer.in_features}
            return over_rows(self, rows, taken, widths, work="final_inputs", dropout=dropout)["final"]

    def means_and_final_inputs(
        self, rows: Sequence[Row] | Tokens, progress: Progress | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, D) float32 each, the mean of the states of the row's tokens, as `features` gives it, and the input of the
        layer that gives the logits, from one pass over the rows."""
        layer = self.final_layer()
        with self._every_position(), FeatureTap(self.backbone) as tap, FinalInputTap(layer) as final_tap:

            def taken(batch: dict[str, Tensor]) -> Arrays:
                self._call(batch)
                return {"final": final_tap.take(batch), "mean": tap.take(batch)["mean"]}

            widths = {"final": layer.in_features}
            found = over_rows(self, rows, taken, widths, progress, work="means_and_final_inputs")
        return found["mean"], found["final"]

    def _every_position(self) -> AbstractContextManager[None]:
        """A block in which the states of all tokens can be read."""
        return self.packed_encoder.every_position() if self.packed_encoder else nullcontext()

    def trainable(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters that training changes."""
        return ((name, p) for name, p in self.model.named_parameters() if p.requires_grad)

    def trainable_parameters(self) -> int:
        """Number of parameters that training changes."""
        return sum(p.numel() for _, p in self.trainable())

    def trainable_in_encoder(self) -> int:
        """The same without those of the head."""
        head = self.backbone.head_parameters()
        return sum(p.numel() for _, p in self.trainable() if p not in head)

    def snapshot(self) -> dict[str, Tensor]:
        """A copy of the trainable part, to be put back with `restore`."""
        return {name: p.detach().clone() for name, p in self.trainable()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Put a snapshot back."""
        with torch.no_grad():
            for name, parameter in self.trainable():
                parameter.copy_(snapshot[name])

    def set_target_scale(self, mean: float, scale: float) -> tuple[float, float]:
        """Regression: let the model predict (target - mean) / scale while it trains; `logits` keeps the target's unit.

        Returns:
            The mean and scale to train with. A head without bias cannot hold a mean: there it is 0.
        """
        self._target_scale = (mean if self.has_output_bias else 0.0, scale)
        return self._target_scale

    @property
    def has_output_bias(self) -> bool:
        """Whether the head's last layer can hold a shift of the logits."""
        return self.final_layer().bias is not None

    def set_final_layer(self, weight: FloatArray, bias: FloatArray) -> None:
        """Put weight (C, D) and, where there is one, bias (C,) into the layer that gives the logits."""
        layer = self.final_layer()
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.asarray(weight, dtype=np.float32)))
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(np.asarray(bias, dtype=np.float32)))

    def final_weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weight (C, D) and bias (C,), zero where there is none, of the layer that gives the logits."""
        layer = self.final_layer()
        weight = layer.weight.detach().float().cpu().numpy().copy()
        bias = np.zeros(len(weight), dtype=np.float32)
        return weight, bias if layer.bias is None else layer.bias.detach().float().cpu().numpy().copy()

    @property
    def target_scale(self) -> tuple[float, float]:
        """Mean and scale of the target while the model trains; 0 and 1 where it predicts the target itself."""
        return self._target_scale

    @target_scale.setter
    def target_scale(self, mean_and_scale: tuple[float, float]) -> None:
        self._target_scale = mean_and_scale

    @property
    def has_target_scale(self) -> bool:
        """Whether `logits` still rescales the model's output."""
        return self._target_scale != (0.0, 1.0)

    def fold_target_scale(self) -> None:
        """Put the target scale into the head's last layer, so that the saved model predicts in the target's unit."""
        mean, scale = self._target_scale
        layer = self.final_layer()
        with torch.no_grad():
            layer.weight.mul_(scale)
            if layer.bias is not None:
                layer.bias.mul_(scale).add_(mean)
        self._target_scale = (0.0, 1.0)

    def final_layer(self) -> nn.Linear:
        """The layer that gives the logits, as it is called: PEFT's trained copy where there is one."""
        name = families.final_layer(self.backbone.model, self.backbone.head_modules, self.backbone.outputs)
        layer = self.backbone.model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        return layer


def _gives_embeddings(model: nn.Module) -> bool:
    """Whether the method passes embeddings, not ids, to the model (prompt and p-tuning, unlike prefix)."""
    from peft import PeftModel, PeftType

    if not isinstance(model, PeftModel):
        return False
    config = model.active_peft_config
    return bool(config.is_prompt_learning) and config.peft_type not in (PeftType.PREFIX_TUNING, PeftType.CARTRIDGE)
