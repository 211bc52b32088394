"""The two that `compare` compares, opened: runs, or a run and a model by itself that is scored on the run's test rows.

In: two paths.  Out: two Sides.
Not here: comparing them (compare.py), runs that differ in rows or labels (old_and_new.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from liftune.errors import ArtifactError, SpecError, pasted
from liftune.evaluation.evaluate import Evaluation
from liftune.inference.bases import use_base
from liftune.inference.chosen import choose_contender
from liftune.inference.locate import find_model
from liftune.models.foreign.said import NOTHING, Said
from liftune.records.reading import RUN_RECORD
from liftune.records.run import Contender, TuneRecord
from liftune.run_folder import RunFolder, run_around
from liftune.workflows.score_on_run import score_on
from liftune.wrong_path import is_file_in

WHERE = ("RUN_A", "RUN_B")


@dataclass(frozen=True)
class Side:
    """One of the two that are compared."""

    path: str
    record: TuneRecord
    """Of its run; of a model by itself that of the run on whose rows it was scored."""
    evaluation: Evaluation
    contender: Contender
    chosen: str
    """Which contender of its run it is; empty for a model by itself."""
    method: str
    note: str = ""
    by_itself: bool = False


def open_sides(
    a: str, b: str, use: str | None, base: str | None, said: Said, *, differing: bool = False
) -> tuple[Side, Side]:
    """Both, a model by itself scored on the test rows of the other, which must be a run.

    Args:
        differing: whether they may have other labels.

    Raises:
        SpecError: a run has no such contender, or options do not fit.
        ArtifactError: neither is a run, or a folder holds no finished run or is damaged.
        DataError: a model by itself does not fit the run.
    """
    names = [Path(path).name or path for path in (a, b)]
    if names[0] == names[1]:
        names = [a, b]
    runs = [is_file_in(path, RUN_RECORD) for path in (a, b)]
    if not any(runs):
        _refuse_two_models(a, b)
    if all(runs) and ((base and not differing) or said != NOTHING):
        raise SpecError(
            "both are runs of liftune, which keep their labels and their base",
            where="--base, --label-names, --task",
            hint="leave the option out",
        )
    sides: list[Side | None] = [
        _of_run(path, name, use, where) if is_run else None
        for path, name, is_run, where in zip((a, b), names, runs, WHERE, strict=True)
    ]
    run = next(each for each in sides if each is not None)
    first, second = (
        each or _by_itself(path, name, run, where, base, said, differing)
        for each, path, name, where in zip(sides, (a, b), names, WHERE, strict=True)
    )
    return first, second


def _of_run(path: str, name: str, use: str | None, where: str) -> Side:
    folder = RunFolder.open(path, where=where)
    record, chosen = folder.record(), choose_contender(folder.path, use)
    name = name if chosen.name == "tuned" else f"{name} ({chosen.name})"
    evaluation = folder.evaluation(chosen.name, name=name)
    contender = next(each for each in record.contenders if each.name == chosen.name)
    return Side(path, record, evaluation, contender, chosen.name, record.method, chosen.note)


def _by_itself(path: str, name: str, run: Side, where: str, base: str | None, said: Said, differing: bool) -> Side:
    """A model that liftune or others saved, here or on the hub."""
    if RunFolder(run_around(Path(path))).has_record:  # a part of a run: that is to be given
        RunFolder.open(path, where=where)
    said = replace(said, max_length=run.record.max_length or None, pairs=run.record.pairs)
    said = use_base(base, path, said=said)
    scored = score_on(path, run.evaluation, run.record, name=name, where=where, said=said, differing=differing)
    note = "; ".join(filter(None, ("a model by itself, scored now on the test rows of the run", scored.note)))
    return Side(path, run.record, scored.evaluation, scored.contender, "", scored.method, note, by_itself=True)


def _refuse_two_models(a: str, b: str) -> None:
    """Say what each is: runs alone have test rows.

    Raises:
        ArtifactError: always.
    """
    for path, where in ((a, WHERE[0]), (b, WHERE[1])):
        if find_model(path) is None or RunFolder(run_around(Path(path))).has_record:
            RunFolder.open(path, where=where)
    raise ArtifactError(
        f"{a} and {b} are models by themselves: neither has test rows on which the two could be compared",
        where=f"{WHERE[0]}, {WHERE[1]}",
        hint=f"give a run as one of them; or score each on the same data: liftune evaluate DATA --model {pasted(a)}",
    )
