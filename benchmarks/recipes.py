"""What people use instead of liftune's defaults, for any data that liftune reads: two Trainer scripts.

`lora` is the notebook recipe (LoRA of rank 8 on queries, keys and values, a new head, 1e-3, 16 rows, three epochs) with
padding to the longest row of a batch; `full` tunes every weight by Trainer's own defaults (5e-5, 8 rows, three epochs).
Both see the very rows that a run of liftune was tuned on, and answer its validation and test rows.
Usage: python -m benchmarks.recipes RECIPE RUN FILE.npz [float32|bfloat16].
Not here: what the answers are worth (defaults.py).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, TaskType, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from benchmarks.layers import HEADS, TARGETS, known
from benchmarks.work import Work
from liftune.data import load_data
from liftune.data.splits import Split, Splits
from liftune.models.checkpoint import locate
from liftune.run_folder import RunFolder
from liftune.tasks import TaskKind

PROBLEMS = {
    TaskKind.SINGLE_LABEL: "single_label_classification",
    TaskKind.MULTI_LABEL: "multi_label_classification",
    TaskKind.REGRESSION: "regression",
}


def lora(model: Any) -> tuple[Any, dict[str, Any]]:
    """An adapted model, and what the recipe asks of Trainer."""
    kind = known(model.config.model_type)
    targets, heads = list(TARGETS[kind]), list(HEADS[kind])
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=Work.rank, lora_alpha=Work.alpha, target_modules=targets, modules_to_save=heads
    )
    return get_peft_model(model, config), {
        "learning_rate": Work.learning_rate,
        "per_device_train_batch_size": Work.batch_size,
    }


def full(model: Any) -> tuple[Any, dict[str, Any]]:
    """The model as it is; Trainer's defaults."""
    return model, {}


RECIPES: dict[str, Callable[[Any], tuple[Any, dict[str, Any]]]] = {"lora": lora, "full": full}


def main(argv: Sequence[str]) -> None:
    """Train by a recipe on a run's rows; write logits of its validation and test rows."""
    recipe, run, out, *precision = argv
    spec = RunFolder.open(run).spec()
    splits = load_data(spec.data)
    trainer = trained(RECIPES[recipe], splits, spec.model.name, low=precision == ["bfloat16"])
    validation, test = (answers(trainer, part) for part in (splits.validation, splits.test))
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, fingerprint=splits.fingerprint, validation=validation, test=test)


def trained(recipe: Callable[[Any], tuple[Any, dict[str, Any]]], splits: Splits, name: str, *, low: bool) -> Trainer:
    """The script, top to bottom; `low` trains by bfloat16 autocast."""
    source = str(locate(name).source)
    tokenizer = AutoTokenizer.from_pretrained(source)
    outputs = splits.outputs
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        source,
        num_labels=outputs,
        problem_type=PROBLEMS[splits.task],
        ignore_mismatched_sizes=True,
        attn_implementation="eager" if low else "sdpa",
    )
    model, options = recipe(model)
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        bf16=low,
        use_cpu=not torch.cuda.is_available(),
        seed=0,
        per_device_eval_batch_size=32,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **options,
    )
    labels = splits.encoded(splits.train)
    dataset = tokenized(
        tokenizer, splits.train, labels if splits.task is TaskKind.SINGLE_LABEL else labels.astype("f4")
    )
    collator = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8)  # fewer shapes, fewer kernels to make
    trainer = Trainer(
        model=model, args=arguments, train_dataset=dataset, data_collator=collator, processing_class=tokenizer
    )
    trainer.train()
    return trainer


def answers(trainer: Trainer, split: Split) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(N, C) logits of a part; rows alike in length go together, which changes no answer."""
    dataset = tokenized(trainer.processing_class, split, None)
    order = np.argsort([len(ids) for ids in dataset["input_ids"]], kind="stable")
    logits = np.asarray(trainer.predict(dataset.select(order)).predictions, dtype=np.float32)
    return logits[np.argsort(order)]


def tokenized(tokenizer: Any, split: Split, labels: Any) -> Dataset:
    """A part as a data set for Trainer."""
    firsts, *seconds = zip(*((row,) if isinstance(row, str) else row for row in split.rows), strict=True)
    encoded = dict(tokenizer(list(firsts), *map(list, seconds), truncation=True, max_length=512))
    return Dataset.from_dict(encoded if labels is None else {**encoded, "labels": labels.tolist()})


if __name__ == "__main__":
    main(sys.argv[1:])
