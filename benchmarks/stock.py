"""Stock: Trainer and PEFT as somebody who knows them writes it, in every way worth trying.

bfloat16 autocast where the machine is faster by it, padding to the longest row of a batch, rows grouped by length;
attention, cut of a step and precision of the weights are the configuration.
In: Work with a config.  Out: a Result.  Not here: which configuration is the fastest (search.py).
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, TaskType, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)

from benchmarks.layers import HEADS, TARGETS, known
from benchmarks.measure import Rows, label_ids, measure
from benchmarks.work import Result, Work
from liftune.hardware.measure import measure_machine


def run(work: Work) -> Result:
    """Train, timed."""
    low = by_autocast(work)
    note = "bfloat16 autocast" if low else "no autocast: this machine is slower in bfloat16"
    result = measure(stock, work, autocast=low)
    return replace(result, notes=(*result.notes, note))


def by_autocast(work: Work) -> bool:
    """Whether it trains by bfloat16 autocast: with weights in bfloat16 always, as LoRA's are in float32; else where
    somebody who knows this machine would.

    On a processor without bfloat16 products it takes ten times as long: no opponent to measure against.
    """
    if work.config.endswith(":bfloat16"):
        return True
    facts = measure_machine()
    return facts.accelerator_bfloat16 if torch.cuda.is_available() else facts.bfloat16_speedup >= 1


def stock(work: Work, rows: Rows) -> tuple[Trainer, PreTrainedTokenizerBase]:
    """The script, top to bottom."""
    attention, cut, weights = work.config.split(":")
    batch, accumulation = (int(part) for part in cut.split("x"))
    labels = work.labels()
    tokenizer = AutoTokenizer.from_pretrained(work.model)

    def tokenize(batch: dict[str, list[str]]) -> Any:
        return tokenizer(batch["text"], truncation=True, max_length=work.max_length)

    dataset = Dataset.from_dict({"text": [row["text"] for row in rows], "label": label_ids(rows, labels)})
    dataset = dataset.map(tokenize, batched=True, remove_columns="text")

    model = AutoModelForSequenceClassification.from_pretrained(
        work.model,
        num_labels=len(labels),
        ignore_mismatched_sizes=True,
        dtype=getattr(torch, weights),
        attn_implementation=attention,
    )
    kind = known(model.config.model_type)
    lora = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=work.rank,
        lora_alpha=work.alpha,
        target_modules=list(TARGETS[kind]),
        modules_to_save=list(HEADS[kind]),
    )
    model = get_peft_model(model, lora)
    for parameter in model.parameters():
        if parameter.requires_grad:  # PEFT widens LoRA's weights; a new head in bfloat16 would hardly learn
            parameter.data = parameter.data.float()

    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        train_sampling_strategy="group_by_length",
        bf16=by_autocast(work),
        use_cpu=not torch.cuda.is_available(),
        learning_rate=work.learning_rate,
        num_train_epochs=work.epochs,
        seed=work.seed,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    collator = DataCollatorWithPadding(tokenizer)
    trainer = Trainer(
        model=model, args=arguments, train_dataset=dataset, data_collator=collator, processing_class=tokenizer
    )
    return trainer, tokenizer
