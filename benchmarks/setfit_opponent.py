"""SetFit: sentence pairs tune the whole encoder, a logistic regression takes its output.

Another method with another kind of step: its rows a second are labelled rows over the seconds of pairs and head
together. In: Work.  Out: a Result.
"""

from __future__ import annotations

import time

from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments

from benchmarks.measure import Rows
from benchmarks.work import Result, Work

#: Positive and negative pairs made of each row. SetFit's paper makes 20 of each; its own default makes all there are.
ITERATIONS = 5


def run(work: Work) -> Result:
    """Train, timed; with one epoch over the pairs, as SetFit advises."""
    labels, rows = work.labels(), work.read("train")[: work.rows]
    if work.warmup_steps:
        setfit(work, [*rows[: work.batch_size]], labels).train()
    trainer = setfit(work, rows, labels)
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    encoded = trainer.model.model_body.tokenizer([row["text"] for row in rows], truncation=True)["input_ids"]
    correct: tuple[int, ...] = ()
    if work.score:
        scored = work.read(work.score)
        answers = trainer.model.predict([row["text"] for row in scored])
        correct = tuple(int(answer == row["label"]) for answer, row in zip(answers, scored, strict=True))
    return Result(
        name=work.contender,
        rows=len(rows),
        steps=trainer.st_trainer.state.global_step,
        tokens=sum(len(ids) for ids in encoded),
        train_seconds=seconds,
        trainable_parameters=sum(each.numel() for each in trainer.model.model_body.parameters()),
        accuracy=sum(correct) / len(correct) if correct else None,
        correct=correct,
        notes=(f"full tuning on {2 * ITERATIONS} pairs a row, one epoch: another method, not the same adapter",),
    )


def setfit(work: Work, rows: Rows, labels: list[str]) -> Trainer:
    """The script."""
    model = SetFitModel.from_pretrained(work.model, labels=labels)
    model.model_body.max_seq_length = work.max_length
    arguments = TrainingArguments(
        batch_size=work.batch_size,
        num_epochs=1,
        num_iterations=ITERATIONS,
        seed=work.seed,
        save_strategy="no",
        report_to="none",
        show_progress_bar=False,
    )
    dataset = Dataset.from_dict({name: [row[name] for row in rows] for name in ("text", "label")})
    return Trainer(model=model, args=arguments, train_dataset=dataset)
