"""Compare the tuned models of two runs on the test rows that they share.

In: two run folders.  Out: a ComparisonRecord.
Not here: the paired tests (liftune.evaluation.compare).
"""

from __future__ import annotations

from pathlib import Path

from liftune.evaluation.compare import compare
from liftune.records.run import ComparisonRecord
from liftune.run_folder import RunFolder


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
    first, second = (folder.evaluation("tuned", name=name) for name, folder in zip(names, folders, strict=True))
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
