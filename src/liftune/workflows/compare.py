"""Compare the tuned models of two runs on the test rows that they share.

In: two run folders, or one and a model by itself.  Out: a ComparisonRecord.
Not here: the paired tests (liftune.evaluation.compare).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from liftune.errors import ArtifactError, SpecError
from liftune.evaluation.clean_rows import Leaks, on_clean_rows
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.harm import harm
from liftune.evaluation.margin import with_margin
from liftune.evaluation.slices import slices
from liftune.files import same_file
from liftune.metrics.registry import check_metric, margin_in_own_unit
from liftune.models.foreign.said import NOTHING, Said
from liftune.records.base import Comparison
from liftune.records.data import Audit
from liftune.records.harm import Harm
from liftune.records.run import ComparisonRecord, Contender, RunRecord, SeedResult
from liftune.workflows.compared import open_sides
from liftune.workflows.old_and_new import OldAndNew, are_same_rows_elsewhere, more_rows, on_old_rows

Scored = TypeVar("Scored", Contender, SeedResult)


def compare_runs(
    a: str,
    b: str,
    *,
    metric: str | None = None,
    margin: float | None = None,
    max_harm: float | None = None,
    use: str | None = None,
    base: str | None = None,
    said: Said = NOTHING,
) -> ComparisonRecord:
    """The tuned models of two runs on the test rows that they share: b against a.

    Args:
        a, b: runs; one of them may be a model by itself, here or on the hub, which is scored on the other's test rows.
        margin: points of a proportion, else in the metric's own unit: also says whether b is not worse by as much.
        max_harm: the same unit: also says whether b, the new model, may be worse than a, the old one, by more. Its test
            rows and labels may then differ from those of a, whose test rows decide.
        base: the base model of the model by itself, where it is no longer where it was.
        said: what the user says of such a model.
        use: which contender of both. None takes of each run the one that its other commands use: the tuned one, but
            where the verdict says that it is worse than the recommended one.

    Raises:
        SpecError: the metric or the margin does not fit, or a run has no such contender.
        ArtifactError: a folder holds no finished run, or is damaged.
        DataError: the runs differ in rows, label order or truncation length.
    """
    if max_harm is not None and same_file(Path(a), Path(b)):
        raise SpecError(
            f"{a} and {b} are the same run: what it does worse than itself shows nothing",
            where="RUN_B",
            hint="give the old run first, and the new one second",
        )
    sides = open_sides(a, b, use, base, said, differing=max_harm is not None)
    records = [each.record for each in sides]
    measure = check_metric(metric or records[0].metric, records[0].task)
    within, most = margin_in_own_unit(margin, measure), margin_in_own_unit(max_harm, measure, "--max-harm")
    both = OldAndNew(*sides, Leaks.of(*(each.audit for each in records)))
    brought = most is not None or are_same_rows_elsewhere(*sides)
    if brought:
        both = on_old_rows(*sides, base)
    sides, leaks = (both.old, both.new), both.leaks
    first, second = (each.evaluation for each in sides)
    comparison = on_clean_rows(
        [first, second],
        leaks,
        lambda each: with_margin(compare(each[0], each[1], measure.name), each[0], each[1:], measure, within),
    )
    contenders = tuple(_scored_on(each.evaluation, each.contender, leaks) for each in sides)
    contenders = _in_shared_metrics(contenders, comparison.metric)
    contenders = (contenders[0], _noted(contenders[1], more_rows(*sides)))
    audit = _without_options(records[0 if brought else 1].audit)
    harmed = None if most is None else harm(first, second, measure, most, leaks)
    return _record(a, b, both, contenders, comparison, audit, harmed)


def _record(
    a: str,
    b: str,
    both: OldAndNew,
    contenders: tuple[Contender, ...],
    comparison: Comparison,
    audit: Audit,
    harmed: Harm | None,
) -> ComparisonRecord:
    """What was found, with what the run of b says of itself."""
    sides, first, second = (both.old, both.new), both.old.evaluation, both.new.evaluation
    last, by_itself = both.new.record, both.new.by_itself
    return ComparisonRecord(
        run=b,
        task=last.task,
        labels=second.labels,
        partial=last.partial,
        rows=last.rows.model_copy(update={"test": len(second)}),
        audit=audit,
        contenders=contenders,
        comparisons=(comparison,),
        metric=comparison.metric,
        folds=last.folds,
        data_fingerprint=second.fingerprint,
        max_length=last.max_length,
        long=last.long,
        model=b if by_itself else last.model,
        data=last.data,
        base_model="" if by_itself else last.base_model,
        base_license=None if by_itself else last.base_license,
        method=both.new.method,
        plan=last.plan,
        slices=slices(second if second.kept else replace(second, kept=first.kept), first, both.leaks),
        notes=(
            f"compared with {a}",
            *_read_otherwise(both.old.record, last),
            *(f"{each.evaluation.name}: {each.note}" for each in sides if each.note),
            *both.notes,
        ),
        suspects=last.suspects,
        shift=last.shift,
        versions=last.versions,
        started=last.started,
        seconds=last.seconds,
        harm=harmed,
    )


def _without_options(audit: Audit) -> Audit:
    """The audit without what options of another command would change: they are none of this one."""
    pieces = [[each for each in re.split(r"(?<=[.;]) ", note) if "--" not in each] for note in audit.notes]
    return audit.model_copy(update={"notes": tuple(" ".join(each).rstrip(".; ") for each in pieces if each)})


def _read_otherwise(first: RunRecord, second: RunRecord) -> tuple[str, ...]:
    """That the runs read long texts in different ways, where they do."""
    if first.long == second.long:
        return ()
    return (f"texts of more than {second.max_length} tokens are read otherwise: {first.long}, and {second.long}",)


def _noted(contender: Contender, notes: tuple[str, ...]) -> Contender:
    return contender.model_copy(update={"notes": (*contender.notes, *notes)})


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
