"""A finished run on disk without any model: rows and logits that were made up, and the record that fits them.

In: a task and sizes.  Out: a RunFolder that `liftune report` reads.
Not here: assertions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from liftune.data.audit import fingerprint
from liftune.data.splits import Split, Splits
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation, score_interval
from liftune.metrics.registry import METRICS
from liftune.records.base import RowCounts, Seconds
from liftune.records.data import Audit
from liftune.records.run import Contender, TuneRecord
from liftune.records.training import Epoch, TrainLog
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.tasks import TaskKind, task_of
from liftune.types import Target

STRENGTHS = {"majority": 0.0, "base": 0.0, "probe": 0.3, "tuned": 1.2}


def made_run(
    path: Path,
    task: TaskKind = TaskKind.SINGLE_LABEL,
    *,
    rows: int = 120,
    labels: tuple[str, ...] = ("anger", "joy", "love"),
    head: str = "fresh",
    texts: tuple[str, ...] = ("some words here", "a few more words than that", "one"),
    pairs: bool = False,
    **more: Any,
) -> RunFolder:
    """A run whose contenders answer the better the further up the ladder."""
    rng = np.random.default_rng(0)
    test = _split(rng, task, rows, labels, texts, pairs)
    names = labels if task_of(task).outputs_labels else ()
    targets = task_of(task).encode(test.targets, names)
    logits = {name: _logits(rng, targets, task, len(labels), strength) for name, strength in STRENGTHS.items()}
    folder = RunFolder(path)
    splits = Splits(task, names, (), test, test.take(range(4)), test, Audit(), False, pairs, fingerprint(test))
    folder.save_inputs(RunSpec.of(data="rows.csv", epochs=2, out=str(path)), splits)
    for name, each in logits.items():
        folder.save_logits(name, test=each, validation=each[:4])
    metric = task_of(task).group_metric
    evaluations = {
        name: Evaluation(name, task, names, (), test.ids, each, targets, fingerprint(test))
        for name, each in logits.items()
    }
    record = TuneRecord(
        run=str(path),
        task=task,
        labels=names,
        partial=False,
        rows=RowCounts(train=50, validation=4, test=rows),
        audit=Audit(),
        contenders=tuple(
            Contender(
                name=name,
                head=head if name == "base" else None,  # type: ignore[arg-type] # a str, not a literal
                trainable_parameters=100,
                seconds=Seconds(train=1.0, evaluate=0.5),
                metrics={metric: score_interval(METRICS[metric], [evaluations[name]])},
            )
            for name in logits
        ),
        comparisons=tuple(compare(evaluations[name], evaluations["tuned"], metric) for name in ("base", "probe")),
        metric=metric,
        strongest="probe",
        data_fingerprint=fingerprint(test),
        data="rows.csv",
        model="minilm",
        method="lora",
        max_length=128,
        logs=(_log(metric),),
        **more,
    )
    folder.save_record(record)
    return folder


def unseal(card: Path) -> None:
    """Make a card of it that an earlier liftune could have written, before there were seals."""
    values = json.loads(card.read_text(encoding="utf-8"))
    del values["seal"], values["files"]
    card.write_text(json.dumps({**values, "schema": 3}), encoding="utf-8")


def _split(
    rng: np.random.Generator, task: TaskKind, rows: int, labels: tuple[str, ...], texts: tuple[str, ...], pairs: bool
) -> Split:
    def target(i: int) -> Target:
        if task is TaskKind.SINGLE_LABEL:
            return labels[i % len(labels)]
        if task is TaskKind.MULTI_LABEL:
            return tuple(label for j, label in enumerate(labels) if (i + j) % 3 == 0)
        return float(rng.normal())

    told = tuple(f"{texts[i % len(texts)]}{' word' * (i % 7)} {i}" for i in range(rows))
    return Split(
        tuple(f"test:{i}" for i in range(rows)),
        tuple((text, f"second of {i}") for i, text in enumerate(told)) if pairs else told,
        tuple(target(i) for i in range(rows)),
    )


def _logits(rng: np.random.Generator, targets: Any, task: TaskKind, labels: int, strength: float) -> Any:
    """Noise, and as much of the truth as the strength says."""
    if task is TaskKind.REGRESSION:
        return (strength * targets + rng.normal(size=len(targets)))[:, None].astype(np.float32)
    truth = targets if task is TaskKind.MULTI_LABEL else np.eye(labels)[targets]
    return (strength * (2.0 * truth - 1.0) + rng.normal(size=(len(targets), labels))).astype(np.float32)


def _log(metric: str) -> TrainLog:
    epochs = tuple(
        Epoch(epoch=i, train_loss=1.0 / i, validation={metric: 0.5 + i / 10}, seconds=1.0, rows_per_second=50.0)
        for i in (1, 2)
    )
    return TrainLog(
        seed=0,
        learning_rate=1e-3,
        batch_size=16,
        steps=8,
        best_epoch=2,
        start={metric: 0.45},
        epochs=epochs,
        seconds=2.0,
        stopped="done",
    )
