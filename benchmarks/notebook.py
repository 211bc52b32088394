"""The notebook recipe: Trainer and PEFT in float32, every row padded to the cap, nothing else set.

What a first tutorial on LoRA ends with. In: Work.  Out: a Result.
"""

from __future__ import annotations

import tempfile
from typing import Any

from datasets import Dataset
from peft import LoraConfig, TaskType, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)

from benchmarks.layers import HEADS, TARGETS, known
from benchmarks.measure import Rows, label_ids, measure
from benchmarks.work import Result, Work


def run(work: Work) -> Result:
    """Train, timed."""
    return measure(notebook, work)


def notebook(work: Work, rows: Rows) -> tuple[Trainer, PreTrainedTokenizerBase]:
    """The cells, in order."""
    labels = work.labels()
    tokenizer = AutoTokenizer.from_pretrained(work.model)

    def tokenize(batch: dict[str, list[str]]) -> Any:
        return tokenizer(batch["text"], padding="max_length", truncation=True, max_length=work.max_length)

    dataset = Dataset.from_dict({"text": [row["text"] for row in rows], "label": label_ids(rows, labels)})
    dataset = dataset.map(tokenize, batched=True)

    model = AutoModelForSequenceClassification.from_pretrained(
        work.model, num_labels=len(labels), ignore_mismatched_sizes=True
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

    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=work.batch_size,
        learning_rate=work.learning_rate,
        num_train_epochs=work.epochs,
        seed=work.seed,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    return Trainer(model=model, args=arguments, train_dataset=dataset), tokenizer
