"""Compare the tuned models of two runs on the test rows that they share.

In: two run folders.  Out: a ComparisonRecord.
Not here: the paired tests (liftune.evaluation.compare).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from liftune.errors import ArtifactError
from liftune.evaluation.clean_rows import Leaks, on_clean_rows
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.margin import with_margin
from liftune.inference.chosen import choose_contender
from liftune.metrics.registry import check_metric, margin_in_own_unit
from liftune.records.run import ComparisonRecord, Contender, SeedResult
from liftune.run_folder import RunFolder

Scored = TypeVar("Scored", Contender, SeedResult)


def compare_runs(
    a: str, b: str, *, metric: str | None = None, margin: float | None = None, use: str | None = None
) -> ComparisonRecord:
    """The tuned models of two runs on the test rows that they share: b against a.

    Args:
        margin: points of a proportion, else in the metric's own unit: also says whether b is not worse by as much.
        use: which contender of both. None takes of each run the one that its other commands use: the tuned one, but
            where the verdict says that it is worse than the recommended one.

    Raises:
        SpecError: the metric or the margin does not fit, or a run has no such contender.
        ArtifactError: a folder holds no finished run, or is damaged.
        DataError: the runs differ in rows, label order or truncation length.
    """
    folders = [RunFolder.open(a, where="RUN_A"), RunFolder.open(b, where="RUN_B")]
    records = [folder.record() for folder in folders]
    names = [Path(path).name or path for path in (a, b)]
    if names[0] == names[1]:
        names = [a, b]
    chosen = [choose_contender(folder.path, use) for folder in folders]
    names = [
        name if each.name == "tuned" else f"{name} ({each.name})" for name, each in zip(names, chosen, strict=True)
    ]
    first, second = (
        folder.evaluation(each.name, name=name) for name, folder, each in zip(names, folders, chosen, strict=True)
    )
    measure = check_metric(metric or records[0].metric, first.task)
    within = margin_in_own_unit(margin, measure)
    leaks = Leaks.of(*(record.audit for record in records))
    comparison = on_clean_rows(
        [first, second],
        leaks,
        lambda each: with_margin(compare(each[0], each[1], measure.name), each[0], each[1:], measure, within),
    )
    contenders = tuple(
        _scored_on(each, next(scored for scored in record.contenders if scored.name == one.name), leaks)
        for each, record, one in zip((first, second), records, chosen, strict=True)
    )
    contenders = _in_shared_metrics(contenders, comparison.metric)
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
        notes=(
            f"compared with {a}",
            *(f"{name}: {one.note}" for name, one in zip(names, chosen, strict=True) if one.note),
        ),
        suspects=last.suspects,
        shift=last.shift,
        versions=last.versions,
        started=last.started,
        seconds=last.seconds,
    )


def _scored_on(evaluation: Evaluation, contender: Contender, leaks: Leaks) -> Contender:
    """The contender by its new name, with the scores of the model and rows that are compared."""
    rows = leaks.clean(evaluation)
    clean = scores([evaluation.take(rows)]) if 0 < len(rows) < len(evaluation) else None
    return contender.model_copy(update={"name": evaluation.name, "clean": clean, "seeds": _with_no_clean(contender)})


def _in_shared_metrics(contenders: tuple[Contender, ...], decisive: str) -> tuple[Contender, ...]:
    """The contenders with the scores that all have: runs of two versions, or with other plugins, may have more.

    Raises:
        ArtifactError: one lacks the score in which they are compared.
    """
    shared = set.intersection(*(set(each.metrics) for each in contenders))
    if decisive not in shared:
        lacking = next(each.name for each in contenders if decisive not in each.metrics)
        raise ArtifactError(f"{lacking} was not scored in {decisive}", hint="tune it again with this liftune")

    def kept(scored: Scored) -> Scored:
        return scored.model_copy(
            update={"metrics": {name: scored.metrics[name] for name in scored.metrics if name in shared}}
        )

    return tuple(
        kept(each).model_copy(update={"seeds": each.seeds and tuple(map(kept, each.seeds))}) for each in contenders
    )


def _with_no_clean(contender: Contender) -> tuple[SeedResult, ...] | None:
    """Its seeds, without scores on the rows that were clean in its own run."""
    return contender.seeds and tuple(each.model_copy(update={"clean": None}) for each in contender.seeds)
