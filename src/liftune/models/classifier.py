"""A backbone with a tuning method attached: the one mutable thing, and a Scorer.

In: a Backbone, a method and its options.  Out: a Classifier: rows to logits and features, parameters to train.
Not here: making it (attach.py), the training loop (train.py), the disk (adapter.py), tokens and batches (tokens.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from liftune.data.batching import length_batches
from liftune.hardware.plan import Plan
from liftune.hardware.workers import current_worker, open_workers
from liftune.models import families
from liftune.models.backbone import Backbone
from liftune.models.features import FeatureTap, read_by_head
from liftune.models.methods.options import Options
from liftune.models.methods.registry import Method
from liftune.models.packed.encoder import PackedEncoder
from liftune.models.tokens.collator import Collator, Encoded, Tokens, equal_lengths
from liftune.tasks.base import TaskKind
from liftune.types import FloatArray, Row

#: Tokens, padding included, that one forward pass of `logits` holds; small on a CPU, whose caches are.
_TOKENS = {"cpu": 1024}
_TOKENS_ELSEWHERE = 65536
#: Rows of one forward pass at most, however short they are.
_ROWS = 256
#: Rows that are answered in one lane: a thread to open costs as much as they do.
_FEW = 16

Progress = Callable[[int], None]
"""Called with the number of rows just answered."""


class Classifier:
    """A model that answers rows, and whose trainable part can be trained, kept and put back.

    Attributes:
        model: what is called: a PeftModel, or the plain model for no method, or `full`.
        method: None for the base as it is.
        trained_in: the precision of its training.
        rounded: those of the body's matrices, by position, that training holds in bfloat16 (see `answer_exactly`).
        options: the method's, for its optimizer; empty once the classifier was read from disk.
        max_length: tokens kept of each row.
        packed_encoder: the encoder that runs in place of the model's own, where one does (see `install_packed`).
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
        self._scale = (0.0, 1.0)
        on_disk = "token-cache" in plan.accelerations
        self._batcher = Collator(backbone.model, backbone.tokenizer, max_length, on_disk=on_disk)
        # Prompts enter as embeddings, in which a last-token classifier cannot see padding: such batches have none.
        self._unpadded = families.pools_last_token(backbone.model) and _gives_embeddings(model)

    @property
    def task(self) -> TaskKind:
        """What the outputs mean."""
        return self.backbone.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs, in order; empty for regression."""
        return self.backbone.labels

    def encode(self, rows: Sequence[Row]) -> Tokens:
        """Token ids of each row, truncated to `max_length`; of a pair the longer text gives way first."""
        return self._batcher.encode(rows)

    def collate(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """A batch padded to its longest row: input_ids, attention_mask and, where the model reads them, token types."""
        return self._batcher.collate(encoded)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, C) float32 logits of a collated batch, with gradients; of a regression in units of the target scale."""
        if self._unpadded:
            groups = equal_lengths(batch)
            answers = torch.cat([self._forward(part) for _, part in groups])
            return answers[torch.argsort(torch.cat([positions for positions, _ in groups]).to(answers.device))]
        return self._forward(batch)

    def _forward(self, batch: dict[str, Tensor]) -> Tensor:
        batch = {name: values.to(self.plan.device) for name, values in batch.items()}
        with self._autocast():
            logits = self.model(**batch).logits
        return torch.as_tensor(logits).float()

    def _autocast(self) -> Any:
        if self.plan.dtype == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.plan.device).type, dtype=torch.bfloat16)

    def logits(self, rows: Sequence[Row], progress: Progress | None = None) -> NDArray[np.float32]:
        """(N, C) float32, in input order; a row's answer does not depend on the other rows."""
        mean, scale = self._scale
        answers = np.zeros((len(rows), self.backbone.outputs), dtype=np.float32)

        def answer(positions: NDArray[np.intp], batch: dict[str, Tensor]) -> None:
            answers[positions] = self.forward(batch).cpu().numpy() * np.float32(scale) + np.float32(mean)

        with self._answering():
            self._pass_over(rows, answer, progress)
        return answers

    def features(self, rows: Sequence[Row], progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """(N, D) float32 each, of the frozen body in one pass: what a linear probe may stand on.

        Returns:
            mean: of the states of the row's tokens; first, last: the state of that token; head: what goes into the
            head's first fresh linear layer, or into the last layer of a trained head.

        Raises:
            ValueError: a method is attached; features are the base's.
        """
        return self.read(rows, progress)[1]

    def read(
        self, rows: Sequence[Row], progress: Progress | None = None
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """What `logits` and `features` give, from one pass over the rows."""
        if self.method is not None:
            raise ValueError("features are taken from the base: attach(backbone, None)")
        answers = np.zeros((len(rows), self.backbone.outputs), dtype=np.float32)
        found: dict[str, NDArray[np.float32]] = {}
        every = self.packed_encoder.every_position() if self.packed_encoder else nullcontext()
        with self._answering(), every, FeatureTap(self.backbone) as tap:

            def take(positions: NDArray[np.intp], batch: dict[str, Tensor]) -> None:
                answers[positions] = self._forward(batch).cpu().numpy()
                for key, values in tap.take(batch).items():
                    kept = found.setdefault(key, np.zeros((len(rows), values.shape[1]), dtype=np.float32))
                    kept[positions] = values

            self._pass_over(rows, take, progress)
        return answers, found

    def final_inputs(self, rows: Sequence[Row], *, dropout: bool = False) -> NDArray[np.float32]:
        """(N, D) what the layer that gives the logits reads of each row, the method's part included.

        Args:
            dropout: as it is read in training.
        """
        layer = self.final_layer()
        caught: dict[int, Tensor] = {}
        found = np.zeros((len(rows), layer.in_features), dtype=np.float32)

        def catch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            caught[current_worker().index] = inputs[0]

        def keep(positions: NDArray[np.intp], batch: dict[str, Tensor]) -> None:
            self.forward(batch)
            states = caught.pop(current_worker().index)
            found[positions] = read_by_head(states, batch["attention_mask"]).float().cpu().numpy()

        handle = layer.register_forward_pre_hook(catch)
        try:
            with self._answering(dropout=dropout):
                self._pass_over(rows, keep, random=dropout)
        finally:
            handle.remove()
        return found

    @contextmanager
    def _answering(self, *, dropout: bool = False) -> Iterator[None]:
        """With dropout or without; the model's mode is put back, whatever happens inside."""
        training = self.model.training
        self.model.train(dropout)
        try:
            yield
        finally:
            self.model.train(training)

    def _pass_over(
        self,
        rows: Sequence[Row],
        work: Callable[[NDArray[np.intp], dict[str, Tensor]], None],
        progress: Progress | None = None,
        *,
        random: bool = False,
    ) -> None:
        """Do work on the positions and batch of every pass over the rows, without gradients.

        Args:
            random: whether it draws random numbers: each lane then takes the same passes every time.
        """
        # What is made ready for training while dropout is on is kept for training: no inference tensors.
        without_gradients = torch.no_grad if random else torch.inference_mode

        def one(item: tuple[NDArray[np.intp], dict[str, Tensor]]) -> None:
            with without_gradients():  # a thread's own
                work(*item)

        # What fits into one pass is not worth a thread.
        with open_workers(self.plan.workers if len(rows) > _FEW else 1, random=random) as lanes:
            (lanes.in_turn if random else lanes.each)(one, self._batches(rows, progress))

    def _batches(
        self, rows: Sequence[Row], progress: Progress | None
    ) -> Iterator[tuple[NDArray[np.intp], dict[str, Tensor]]]:
        """Positions and batches of all rows, by length."""
        encoded = self.encode(rows)
        budget = _TOKENS.get(torch.device(self.plan.device).type, _TOKENS_ELSEWHERE)
        for positions in length_batches(
            encoded.lengths, rows=_ROWS, tokens=budget, kinds=encoded.pairs, exact=self._unpadded
        ):
            yield positions, self.collate([encoded[i] for i in positions])
            if progress is not None:
                progress(len(positions))

    def trainable(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters that training changes."""
        return ((name, p) for name, p in self.model.named_parameters() if p.requires_grad)

    def trainable_parameters(self) -> int:
        """How many numbers training changes."""
        return sum(p.numel() for _, p in self.trainable())

    def snapshot(self) -> dict[str, Tensor]:
        """A copy of the trainable part, to be put back with `restore`."""
        return {name: p.detach().clone() for name, p in self.trainable()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Put a snapshot back."""
        with torch.no_grad():
            for name, parameter in self.trainable():
                parameter.copy_(snapshot[name])

    def set_target_scale(self, mean: float, scale: float) -> tuple[float, float]:
        """Regression: let the model answer (target - mean) / scale while it trains; `logits` keeps the target's unit.

        Returns:
            The mean and scale to train with. A head without bias cannot hold a mean: there it is 0.
        """
        self._scale = (mean if self.has_output_bias else 0.0, scale)
        return self._scale

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

    @property
    def target_scale(self) -> tuple[float, float]:
        """Mean and scale of what the model answers while it trains; 0 and 1 where that is the target itself."""
        return self._scale

    @property
    def has_target_scale(self) -> bool:
        """Whether `logits` still rescales what the model answers."""
        return self._scale != (0.0, 1.0)

    def fold_target_scale(self) -> None:
        """Put the target scale into the head's last layer, so that the saved model answers in the target's unit."""
        mean, scale = self._scale
        layer = self.final_layer()
        with torch.no_grad():
            layer.weight.mul_(scale)
            if layer.bias is not None:
                layer.bias.mul_(scale).add_(mean)
        self._scale = (0.0, 1.0)

    def final_layer(self) -> nn.Linear:
        """The layer that gives the logits, as it is called: PEFT's trained copy where there is one."""
        name = families.final_layer(self.backbone.model, self.backbone.head_modules, self.backbone.outputs)
        layer = self.backbone.model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        return layer


def _gives_embeddings(model: nn.Module) -> bool:
    """Whether the method hands embeddings, not ids, to the model (prompt and p-tuning, unlike prefix)."""
    from peft import PeftModel, PeftType

    if not isinstance(model, PeftModel):
        return False
    config = model.active_peft_config
    return bool(config.is_prompt_learning) and config.peft_type not in (PeftType.PREFIX_TUNING, PeftType.CARTRIDGE)
