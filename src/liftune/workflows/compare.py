"""Compare the tuned models of two runs on the test rows that they share.

In: two run folders, or one and a model by itself.  Out: a ComparisonRecord.
Not here: the paired tests (liftune.evaluation.compare).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from liftune.errors import ArtifactError, SpecError, pasted
from liftune.evaluation.clean_rows import Leaks, on_clean_rows
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.margin import with_margin
from liftune.inference.bases import use_base
from liftune.inference.chosen import choose_contender
from liftune.inference.locate import find_model
from liftune.metrics.registry import check_metric, margin_in_own_unit
from liftune.models.foreign.said import NOTHING, Said
from liftune.records.reading import RUN_RECORD
from liftune.records.run import ComparisonRecord, Contender, SeedResult, TuneRecord
from liftune.run_folder import RunFolder, run_around
from liftune.workflows.score_on_run import score_on
from liftune.wrong_path import is_file_in

Scored = TypeVar("Scored", Contender, SeedResult)
_WHERE = ("RUN_A", "RUN_B")


def compare_runs(
    a: str,
    b: str,
    *,
    metric: str | None = None,
    margin: float | None = None,
    use: str | None = None,
    base: str | None = None,
    said: Said = NOTHING,
) -> ComparisonRecord:
    """The tuned models of two runs on the test rows that they share: b against a.

    Args:
        a, b: runs; one of them may be a model by itself, here or on the hub, which is scored on the other's test rows.
        margin: points of a proportion, else in the metric's own unit: also says whether b is not worse by as much.
        base: the base model of the model by itself, where it is no longer where it was.
        said: what the user says of such a model.
        use: which contender of both. None takes of each run the one that its other commands use: the tuned one, but
            where the verdict says that it is worse than the recommended one.

    Raises:
        SpecError: the metric or the margin does not fit, or a run has no such contender.
        ArtifactError: a folder holds no finished run, or is damaged.
        DataError: the runs differ in rows, label order or truncation length.
    """
    sides = _sides(a, b, use, base, said)
    records = [each.record for each in sides]
    first, second = (each.evaluation for each in sides)
    measure = check_metric(metric or records[0].metric, first.task)
    within = margin_in_own_unit(margin, measure)
    leaks = Leaks.of(*(record.audit for record in records))
    comparison = on_clean_rows(
        [first, second],
        leaks,
        lambda each: with_margin(compare(each[0], each[1], measure.name), each[0], each[1:], measure, within),
    )
    contenders = tuple(_scored_on(each.evaluation, each.contender, leaks) for each in sides)
    contenders = _in_shared_metrics(contenders, comparison.metric)
    last, by_itself = records[1], sides[1].by_itself
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
        model=b if by_itself else last.model,
        data=last.data,
        base_model="" if by_itself else last.base_model,
        base_license=None if by_itself else last.base_license,
        method=sides[1].method,
        plan=last.plan,
        notes=(
            f"compared with {a}",
            *(f"{each.evaluation.name}: {each.note}" for each in sides if each.note),
        ),
        suspects=last.suspects,
        shift=last.shift,
        versions=last.versions,
        started=last.started,
        seconds=last.seconds,
    )


@dataclass(frozen=True)
class _Side:
    """One of the two that are compared."""

    record: TuneRecord
    """Of its run; of a model by itself that of the run on whose rows it was scored."""
    evaluation: Evaluation
    contender: Contender
    method: str
    note: str = ""
    by_itself: bool = False


def _sides(a: str, b: str, use: str | None, base: str | None, said: Said) -> tuple[_Side, _Side]:
    """Both, a model by itself scored on the test rows of the other, which must be a run."""
    names = [Path(path).name or path for path in (a, b)]
    if names[0] == names[1]:
        names = [a, b]
    runs = [is_file_in(path, RUN_RECORD) for path in (a, b)]
    if not any(runs):
        _refuse_two_models(a, b)
    if all(runs) and (base or said != NOTHING):
        raise SpecError(
            "both are runs of liftune, which keep their labels and their base",
            where="--base, --label-names, --task",
            hint="leave the option out",
        )
    sides: list[_Side | None] = [
        _of_run(path, name, use, where) if is_run else None
        for path, name, is_run, where in zip((a, b), names, runs, _WHERE, strict=True)
    ]
    run = next(each for each in sides if each is not None)
    first, second = (
        each or _by_itself(path, name, run, where, base, said)
        for each, path, name, where in zip(sides, (a, b), names, _WHERE, strict=True)
    )
    return first, second


def _of_run(path: str, name: str, use: str | None, where: str) -> _Side:
    folder = RunFolder.open(path, where=where)
    record, chosen = folder.record(), choose_contender(folder.path, use)
    name = name if chosen.name == "tuned" else f"{name} ({chosen.name})"
    evaluation = folder.evaluation(chosen.name, name=name)
    contender = next(each for each in record.contenders if each.name == chosen.name)
    return _Side(record, evaluation, contender, record.method, chosen.note)


def _by_itself(path: str, name: str, run: _Side, where: str, base: str | None, said: Said) -> _Side:
    """A model that liftune or others saved, here or on the hub."""
    if RunFolder(run_around(Path(path))).has_record:  # a part of a run: that is to be given
        RunFolder.open(path, where=where)
    said = replace(said, max_length=run.record.max_length or None, pairs=run.record.pairs)
    said = use_base(base, path, said=said)
    scored = score_on(path, run.evaluation, run.record, name=name, where=where, said=said)
    note = "; ".join(filter(None, ("a model by itself, scored now on the test rows of the run", scored.note)))
    return _Side(run.record, scored.evaluation, scored.contender, scored.method, note, by_itself=True)


def _refuse_two_models(a: str, b: str) -> None:
    """Say what each is: runs alone have test rows.

    Raises:
        ArtifactError: always.
    """
    for path, where in ((a, _WHERE[0]), (b, _WHERE[1])):
        if find_model(path) is None or RunFolder(run_around(Path(path))).has_record:
            RunFolder.open(path, where=where)
    raise ArtifactError(
        f"{a} and {b} are models by themselves: neither has test rows on which the two could be compared",
        where=f"{_WHERE[0]}, {_WHERE[1]}",
        hint=f"give a run as one of them; or score each on the same data: liftune evaluate DATA --model {pasted(a)}",
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
