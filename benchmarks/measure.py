"""How every contender is measured: the same clock, the same counts, the same memory.

In: a function that builds a Trainer as a user would.  Out: a Result.
Not here: what a contender is (notebook.py, stock.py, ...), summaries over repeats (summary.py).
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback

from benchmarks.work import Result, Work

Rows = list[dict[str, str]]
Build = Callable[[Work, Rows], tuple[Trainer, PreTrainedTokenizerBase]]


class Clock(TrainerCallback):
    """Wall seconds and optimizer steps of a Trainer's epochs, and the rows and tokens that its model is given."""

    def __init__(self) -> None:
        self.seconds = self.started = 0.0
        self.steps = self.rows = self.tokens = self.token_sum = 0

    def on_epoch_begin(self, *args: Any, **more: Any) -> None:
        """Before the first batch is made."""
        self.started = _now()

    def on_step_end(self, *args: Any, **more: Any) -> None:
        """After an optimizer step."""
        self.steps += 1

    def on_epoch_end(self, *args: Any, **more: Any) -> None:
        """After the last optimizer step."""
        self.seconds += _now() - self.started

    def count(self, module: Any, args: Any, batch: dict[str, Any]) -> None:
        """A forward hook: what the model is really given, in microseconds."""
        mask = batch["attention_mask"]
        self.rows += len(mask)
        self.tokens += int(mask.sum())
        self.token_sum += int((batch["input_ids"] * mask).sum())


def measure(build: Build, work: Work, *, autocast: bool = False) -> Result:
    """Warm up on the first rows with a model that is thrown away, then train on all rows under the clock.

    Args:
        autocast: score in bfloat16, as was trained.
    """
    rows = work.read("train")[: work.rows]
    if work.warmup_steps:
        build(work, rows[: work.warmup_steps * work.batch_size])[0].train()
        gc.collect()
    trainer, tokenizer = build(work, rows)
    clock = Clock()
    trainer.add_callback(clock)
    model: Any = trainer.model
    hook = model.register_forward_pre_hook(clock.count, with_kwargs=True)
    trainer.train()
    hook.remove()
    correct = answer(model, tokenizer, work, autocast=autocast) if work.score else ()
    lora, trainable = parameters(model)
    return Result(
        name=work.contender,
        rows=clock.rows,
        steps=clock.steps,
        tokens=clock.tokens,
        token_sum=clock.token_sum,
        train_seconds=clock.seconds,
        lora_parameters=lora,
        trainable_parameters=trainable,
        accuracy=sum(correct) / len(correct) if correct else None,
        correct=correct,
        config=work.config,
    )


def answer(model: Any, tokenizer: Any, work: Work, *, autocast: bool) -> tuple[int, ...]:
    """1 or 0 for each row of the part to score, in file order; batches of rows alike in length."""
    assert work.score
    rows, labels = work.read(work.score), work.labels()
    encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=work.max_length)["input_ids"]
    order = sorted(range(len(rows)), key=lambda i: len(encoded[i]))
    correct = [0] * len(rows)
    model.eval()
    device = next(model.parameters()).device
    low = torch.autocast(device.type, dtype=torch.bfloat16) if autocast else nullcontext()
    with torch.inference_mode(), low:
        for start in range(0, len(order), 16):
            places = order[start : start + 16]
            batch = tokenizer.pad({"input_ids": [encoded[i] for i in places]}, return_tensors="pt").to(device)
            for place, output in zip(places, model(**batch).logits.argmax(-1).tolist(), strict=True):
                correct[place] = int(labels[output] == rows[place]["label"])
    return tuple(correct)


def parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Numbers that training changes: LoRA's, and all."""
    trained = [(name, each.numel()) for name, each in model.named_parameters() if each.requires_grad]
    return sum(size for name, size in trained if "lora_" in name), sum(size for _, size in trained)


def label_ids(rows: Rows, labels: Sequence[str]) -> list[int]:
    """Each row's label as a number."""
    return [labels.index(row["label"]) for row in rows]


def peak_mib() -> float:
    """Largest resident memory of this process.

    Linux hands a parent's peak on to its child in ru_maxrss; its own high-water mark is this process's alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def peak_device_mib() -> float | None:
    """Largest memory that torch held on a CUDA device, or None where there is none."""
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
