"""The adapters library: the same LoRA by its own layers and trainer, otherwise as usual stock.

Its 1.3 wants transformers 4.57, so it does not install beside liftune: give it an interpreter of its own with
`--python adapters=PATH`. In: Work.  Out: a Result.
"""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from adapters import AdapterTrainer, AutoAdapterModel, LoRAConfig
from datasets import Dataset
from transformers import AutoTokenizer, DataCollatorWithPadding, PreTrainedTokenizerBase, Trainer, TrainingArguments

from benchmarks.measure import Rows, label_ids, measure
from benchmarks.work import Result, Work


def run(work: Work) -> Result:
    """Train, timed."""
    return measure(script, work, autocast=True)


def script(work: Work, rows: Rows) -> tuple[Trainer, PreTrainedTokenizerBase]:
    """The script, top to bottom."""
    labels = work.labels()
    tokenizer = AutoTokenizer.from_pretrained(work.model)

    def tokenize(batch: dict[str, list[str]]) -> Any:
        return tokenizer(batch["text"], truncation=True, max_length=work.max_length)

    dataset = Dataset.from_dict({"text": [row["text"] for row in rows], "labels": label_ids(rows, labels)})
    dataset = dataset.map(tokenize, batched=True, remove_columns="text")

    model = AutoAdapterModel.from_pretrained(work.model)
    lora = LoRAConfig(r=work.rank, alpha=work.alpha, attn_matrices=["q", "k", "v"])
    model.add_adapter("task", config=lora)
    model.add_classification_head("task", num_labels=len(labels))
    model.train_adapter("task")

    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=work.batch_size,
        group_by_length=True,  # type: ignore[call-arg] # of transformers 4, which this runs with
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        learning_rate=work.learning_rate,
        num_train_epochs=work.epochs,
        seed=work.seed,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = AdapterTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    return trainer, tokenizer
