"""Compare the tuned models of two runs on the test rows that they share.

In: two run folders.  Out: a ComparisonRecord.
Not here: the paired tests (liftune.evaluation.compare).
"""

from __future__ import annotations

from pathlib import Path

from liftune.errors import ArtifactError
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation
from liftune.records.run import ComparisonRecord, TuneRecord
from liftune.run_folder import RunFolder
from liftune.tasks import task_of


def compare_runs(a: str, b: str, *, metric: str | None = None) -> ComparisonRecord:
    """The tuned models of two runs on the test rows that they share: b against a.

    Raises:
        ArtifactError: a folder holds no finished run, or is damaged.
        DataError: the runs differ in rows, label order or truncation length.
    """
    folders = [RunFolder.open(path) for path in (a, b)]
    records = [folder.record() for folder in folders]
    names = [Path(path).name or path for path in (a, b)]
    if names[0] == names[1]:
        names = [a, b]
    first, second = (
        tuned_evaluation(name, folder, record) for name, folder, record in zip(names, folders, records, strict=True)
    )
    comparison = compare(first, second, metric or records[0].metric)
    contenders = tuple(
        next(each for each in record.contenders if each.name == "tuned").model_copy(update={"name": name})
        for name, record in zip(names, records, strict=True)
    )
    last = records[1]
    return ComparisonRecord(
        run=b,
        task=last.task,
        labels=last.labels,
        partial=last.partial,
        rows=last.rows,
        audit=last.audit,
        contenders=contenders,
        comparisons=(comparison,),
        metric=comparison.metric,
        folds=last.folds,
        data_fingerprint=last.data_fingerprint,
        max_length=last.max_length,
        model=last.model,
        data=last.data,
        base_model=last.base_model,
        base_license=last.base_license,
        method=last.method,
        plan=last.plan,
        notes=(f"compared with {a}",),
        suspects=last.suspects,
        shift=last.shift,
        versions=last.versions,
        started=last.started,
        seconds=last.seconds,
    )


def tuned_evaluation(name: str, folder: RunFolder, record: TuneRecord) -> Evaluation:
    """A run's tuned contender, from disk, with the thresholds that it was scored by."""
    test, logits = folder.split("test"), folder.logits("tuned")
    unseen = tuple(sorted(record.audit.unseen_labels))
    if len(logits) != len(test):
        raise ArtifactError(
            f"{len(logits)} logits for {len(test)} test rows", where=str(folder.path), hint="run `liftune tune` again"
        )
    tuned = next(each for each in record.contenders if each.name == "tuned")
    return Evaluation(
        name=name,
        task=record.task,
        labels=record.labels,
        unseen=unseen,
        ids=test.ids,
        logits=logits,
        targets=task_of(record.task).encode(test.targets, (*record.labels, *unseen)),
        fingerprint=record.data_fingerprint,
        max_length=record.max_length,
        groups=test.groups,
        thresholds=tuned.decisions.thresholds if tuned.decisions else None,
    )
