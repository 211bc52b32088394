"""An old model and the one that is to replace it, on the rows that the old one was tested on.

In: two Sides that may differ in test rows, labels or truncation.  Out: the same two, on one set of rows and labels.
Not here: whether the new one is worse (evaluation/harm.py).

The old run's test rows decide: what it can do is what can be lost. Where the new run was tested on them too, its logits
are at hand; else its model is scored on them now, and rows that it was tuned on are left out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from liftune.data.tuned_on import hash_of
from liftune.errors import DataError, amount, first_of
from liftune.evaluation.clean_rows import Leaks
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.harm import same_labels
from liftune.inference.bases import use_base
from liftune.models.foreign.said import NOTHING
from liftune.records.run import Contender
from liftune.run_folder import RunFolder
from liftune.tasks import task_of
from liftune.types import Row
from liftune.workflows.compared import WHERE, Side
from liftune.workflows.score_on_run import score_on

_LABELS_SHOWN = 8


@dataclass(frozen=True)
class OldAndNew:
    """Both on the same rows and labels."""

    old: Side
    new: Side
    leaks: Leaks
    notes: tuple[str, ...] = ()
    """What was done to bring them there."""


def on_old_rows(old: Side, new: Side, base: str | None = None) -> OldAndNew:
    """Bring both to the test rows of the old one and to the same labels.

    Args:
        base: the base model of the new one, where it is no longer where it was.

    Raises:
        DataError: they differ in task, or share no label.
        LiftuneError: the new one must be scored again, and cannot be opened.
    """
    if old.record.task is not new.record.task or old.record.pairs != new.record.pairs:
        what = "task" if old.record.task is not new.record.task else "kind of rows: one reads pairs of texts"
        raise DataError(f"{old.path} and {new.path} differ in {what}", where=WHERE[1], hint="compare runs of one task")
    _refuse_no_shared_label(old, new)
    leaks = Leaks.of(old.record.audit)
    notes: list[str] = []
    if old.by_itself or new.by_itself:
        leaks = Leaks.of(old.record.audit, new.record.audit)
        name = (old if old.by_itself else new).evaluation.name
        notes.append(f"whether {name} was tuned on any of these rows is not known: it is a model by itself")
    else:
        new, leaks, notes = _brought(old, new, base, leaks)
    first, second = same_labels(old.evaluation, new.evaluation)
    notes += _label_notes(old, new)
    lengths = {first.max_length, second.max_length} - {None}
    if len(lengths) > 1:
        notes.append(
            f"{first.name} reads {first.max_length} tokens of a row, {second.name} {second.max_length}: each as it is"
        )
        first, second = (replace(each, max_length=None) for each in (first, second))
    return OldAndNew(_with(old, first), _with(new, second), leaks, tuple(notes))


def are_same_rows_elsewhere(old: Side, new: Side) -> bool:
    """Whether two runs were tested on the same texts, which their data hold in other places: a part that was split off
    of one is a file of the other."""
    if old.by_itself or new.by_itself or old.evaluation.ids == new.evaluation.ids:
        return False
    ours, theirs = old.evaluation, new.evaluation
    same = len(ours) == len(theirs) and _places(ours.texts or (), theirs.texts or ()) is not None
    return same and ours.labels == theirs.labels and old.record.task is new.record.task


def more_rows(old: Side, new: Side) -> tuple[str, ...]:
    """How many more train rows the new run had, whose work a difference may be."""
    ours, theirs = old.record.rows.train, new.record.rows.train
    if old.by_itself or new.by_itself or ours == theirs:
        return ()
    what = f"{abs(theirs - ours):,} {'more' if theirs > ours else 'fewer'} train rows than {old.evaluation.name}"
    return (f"tuned on {amount(theirs, 'row')}, {what}",)


def _brought(old: Side, new: Side, base: str | None, leaks: Leaks) -> tuple[Side, Leaks, list[str]]:
    """The new run's model on the old run's test rows."""
    ours, theirs = old.evaluation, new.evaluation
    if ours.ids == theirs.ids and ours.texts == theirs.texts and ours.fingerprint == theirs.fingerprint:
        return new, Leaks.of(old.record.audit, new.record.audit), []
    places = _places(ours.texts or (), theirs.texts or ())
    name, many = theirs.name, len(ours)
    if places is not None:
        mapped = {theirs.ids[there]: here for there, here in zip(places, ours.ids, strict=True)}
        audit = new.record.audit
        exact = {mapped[each] for each in audit.unclean if each in mapped}
        near = {mapped[each] for each in audit.near_leaked_ids if each in mapped}
        leaks = Leaks(leaks.exact | exact, (leaks.near | near) - leaks.exact - exact)
        taken = theirs.take(places)
        others = len(theirs) - len(places)
        notes = [
            f"judged on the {many:,} test rows of {ours.name}, which are among those of {name}"
            + (f"; its {others:,} other test rows are left out: {ours.name} was not tested on them" if others else "")
        ]
        return replace(new, evaluation=_on(taken, ours)), leaks, notes
    seen = RunFolder.open(new.path, where=WHERE[1]).tuned_on()
    said = use_base(base, new.path, use=new.chosen, said=NOTHING)
    scored = score_on(new.path, ours, old.record, name=name, where=WHERE[1], said=said, use=new.chosen, differing=True)
    notes = [f"the {many:,} test rows of {ours.name} are not all test rows of {name}: it was scored on them now"]
    if seen.unknown:
        notes.append(f"whether {name} was tuned on any of these rows is not known: {seen.unknown}")
    known = seen.train | seen.validation
    met = {id_ for id_, row in zip(ours.ids, ours.texts or (), strict=True) if hash_of(row) in known}
    if met:
        notes.append(
            f"{name} was tuned on, or chosen by, {len(met):,} of these {many:,} rows: they are left out of the verdict"
        )
    leaks = Leaks(leaks.exact | met, leaks.near - met)
    return replace(new, evaluation=scored.evaluation, contender=scored.contender), leaks, notes


def _places(wanted: tuple[Row, ...], there: tuple[Row, ...]) -> list[int] | None:
    """Where each row is among others, by its text; None where one is not, as often as it is wanted."""
    at: dict[Row, list[int]] = defaultdict(list)
    for place, row in enumerate(there):
        at[row].append(place)
    for places in at.values():
        places.reverse()
    found = [at[row].pop() if at.get(row) else None for row in wanted]
    return None if None in found else [each for each in found if each is not None]


def _on(theirs: Evaluation, ours: Evaluation) -> Evaluation:
    """Predictions for the same texts, with the ids, groups and targets of another evaluation."""
    task = task_of(ours.task)
    targets = task.decode(ours.targets, ours.all_labels)
    if not task.outputs_labels:
        return replace(theirs, ids=ours.ids, groups=ours.groups, targets=ours.targets, fingerprint=ours.fingerprint)
    present = {label for each in targets for label in ((each,) if isinstance(each, str) else each)}  # type: ignore[union-attr]
    unseen = tuple(each for each in ours.all_labels if each in present and each not in theirs.labels)
    return replace(
        theirs,
        ids=ours.ids,
        groups=ours.groups,
        unseen=unseen,
        targets=task.encode(targets, (*theirs.labels, *unseen)),
        fingerprint=ours.fingerprint,
    )


def _refuse_no_shared_label(old: Side, new: Side) -> None:
    ours, theirs = old.evaluation.labels, new.evaluation.labels
    if not task_of(old.record.task).outputs_labels or set(ours) & set(theirs):
        return
    named = [first_of([repr(each) for each in labels], _LABELS_SHOWN) for labels in (ours, theirs)]
    raise DataError(
        f"{old.path} and {new.path} share no label: {named[0]}, and {named[1]}",
        where=WHERE[1],
        hint="where they mean the same, tune the new one with the old names: --label-map THEIRS=OURS",
    )


def _label_notes(old: Side, new: Side) -> list[str]:
    """Which labels only one of them has, and what that means here."""
    ours, theirs = old.evaluation.labels, new.evaluation.labels
    more, fewer = ([each for each in a if each not in b] for a, b in ((theirs, ours), (ours, theirs)))
    notes = []
    if more:
        named = first_of([repr(each) for each in more], _LABELS_SHOWN)
        notes.append(f"only {new.evaluation.name} has the label{'s' * (len(more) > 1)} {named}")
    if fewer:
        named = first_of([repr(each) for each in fewer], _LABELS_SHOWN)
        notes.append(
            f"{new.evaluation.name} lacks the label{'s' * (len(fewer) > 1)} {named}: it has all rows of "
            f"{'them' if len(fewer) > 1 else 'it'} wrong"
        )
    return notes


def _with(side: Side, evaluation: Evaluation) -> Side:
    """The side with other rows or labels, scored on them."""
    before = side.evaluation
    same = evaluation.labels == before.labels and evaluation.ids == before.ids and len(before) == side.record.rows.test
    if (
        same
        and side.contender.metrics
        and not side.by_itself
        and evaluation.fingerprint == side.record.data_fingerprint
    ):
        return replace(side, evaluation=evaluation)
    contender = Contender(
        name=evaluation.name,
        head=side.contender.head,
        trainable_parameters=side.contender.trainable_parameters,
        seconds=side.contender.seconds,
        metrics=scores([evaluation]),
        notes=side.contender.notes,
    )
    return replace(side, evaluation=evaluation, contender=contender)
