"""New rows and those that an earlier model was tuned and tested on, as the rows of one run.

In: Splits of the new data, what is left of the old.  Out: Splits in which old test rows stay test rows; what was done.
Not here: reading either (load.py, run_folder.py), the model that goes on (models/started.py).

A row that the earlier model was tested on is never tuned on, and one that it was tuned on or chosen by never becomes a
test row: else the started model, or the one that goes on from it, would be scored on what it has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from liftune.data.audit import audit, fingerprint, labels_of
from liftune.data.label_matching import same_but_for_spelling
from liftune.data.sampling import sample
from liftune.data.spellings import relabelled
from liftune.data.splits import Split, Splits
from liftune.data.tuned_on import TunedOn, hash_of
from liftune.errors import DataError, amount, first_of
from liftune.spec import DataSpec
from liftune.tasks import TaskKind, task_of
from liftune.types import Target

#: Old rows that are replayed at most, where there are fewer new ones.
MOST_REPLAYED = 2_000
_LABELS_SHOWN = 8
#: What stands before the id of an old row, so that it is none of the new data's.
OLD = "old:"


@dataclass(frozen=True)
class Before:
    """What is left of an earlier run's rows."""

    labels: tuple[str, ...]
    """Of its model."""
    seen: TunedOn
    validation: Split | None = None
    test: Split | None = None
    replay: Split | None = None
    """Train rows; None where none are at hand."""
    every: bool = False
    """Whether all of these are wanted."""


@dataclass(frozen=True)
class Continued:
    """Rows of both."""

    splits: Splits
    old_test: int
    """The first so many test rows are old ones."""
    new_rows: int
    """Train rows of the new data; the others are replayed."""
    replayed: int
    replayed_of: int | None
    added: tuple[str, ...]
    notes: tuple[str, ...] = ()


def continued(new: Splits, before: Before, spec: DataSpec) -> Continued:
    """The rows of both as one run's.

    Args:
        spec: of the new data: near duplicates, seed.

    Raises:
        DataError: no new train row is left, or just one of the two has groups.
    """
    notes: list[str] = []
    new = _with_old_spellings(new, before.labels, notes)
    _refuse_other_groups(new, before)
    nothing = new.train.take([])
    old_test, old_validation = (_as_old(each) if each else nothing for each in (before.test, before.validation))
    train, validation, test = _divided(new, before, old_test, old_validation, notes)
    if not len(train):
        raise DataError(
            "no train row is left: the run that is started from has seen all of them, or was tested on them",
            where=spec.source,
            hint="give rows that it has not seen; to tune on all of them anew, leave --start out",
        )
    kept = _replayed(before, train, old_test, old_validation, new.task, spec)
    parts = (train.joined(kept), old_validation.joined(validation), old_test.joined(test))
    labels = tuple(sorted({*before.labels, *labels_of(train), *labels_of(kept)}))
    splits = _with_parts(new, parts, labels, spec)
    added = tuple(label for label in splits.labels if label not in before.labels)
    notes += [*_slice_notes(new, old_test), *_label_notes(new, before, added)]
    return Continued(
        splits,
        old_test=len(old_test),
        new_rows=len(train),
        replayed=len(kept),
        replayed_of=None if before.replay is None else len(before.replay),
        added=added,
        notes=tuple(notes),
    )


def _with_parts(new: Splits, parts: tuple[Split, Split, Split], labels: tuple[str, ...], spec: DataSpec) -> Splits:
    """The new data's Splits with the rows of both, audited together.

    Args:
        parts: train, validation, test.
        labels: those that the model has from here on.
    """
    names = [each.name for each in new.train.kept]
    train, validation, test = (_in_slices(each, names) for each in parts)
    unseen = tuple(sorted((labels_of(validation) | labels_of(test)) - set(labels)))
    found = audit(
        train,
        validation,
        test,
        validation_from_train=True,
        skipped_rows=new.audit.skipped_rows,
        notes=new.audit.notes,
        near_duplicates=spec.near_duplicates,
        group=spec.group,
    )
    found = found.model_copy(
        update={
            "unseen_labels": {label: count for label, count in found.unseen_labels.items() if label in unseen},
            "fetched": new.audit.fetched,
        }
    )
    outputs = task_of(new.task).outputs_labels
    return replace(
        new,
        labels=labels if outputs else (),
        unseen=unseen if outputs else (),
        train=train,
        validation=validation,
        test=test,
        audit=found,
        fingerprint=fingerprint(test),
    )


def _slice_notes(new: Splits, old_test: Split) -> list[str]:
    """Columns that are asked for and that old test rows lack."""
    known = {each.name for each in old_test.kept}
    lacking = [each.name for each in new.train.kept if each.name not in known]
    if not len(old_test) or not lacking:
        return []
    return [f"{_listed(lacking)}: not kept by the run that is started from, so its test rows are in no slice"]


def _label_notes(new: Splits, before: Before, added: Sequence[str]) -> list[str]:
    """Labels that only one of the two has."""
    notes = [f"new labels: {_listed(added)}"] if added else []
    own = labels_of(new.train)
    absent = [label for label in before.labels if label not in own] if task_of(new.task).outputs_labels else []
    if absent:
        notes.append(f"not in the new rows, and still answers of the model: {_listed(absent)}")
    return notes


def _in_slices(split: Split, names: Sequence[str]) -> Split:
    """With the columns that are asked for alone: the earlier run may have kept others."""
    return replace(split, kept=tuple(each for each in split.kept if each.name in names))


def _with_old_spellings(new: Splits, labels: Sequence[str], notes: list[str]) -> Splits:
    """A label that differs from one of the model's in spelling alone is that one."""
    if not task_of(new.task).outputs_labels:
        return new
    own = sorted(labels_of(new.train) | labels_of(new.validation) | labels_of(new.test))
    changed = same_but_for_spelling(own, labels, {})
    if not changed:
        return new
    said = ", ".join(f"{label!r} as {to!r}" for label, to in sorted(changed.items()))
    notes.append(f"labels of the data read as the started model's: {said}")
    train, validation, test = (relabelled(each, changed) for each in (new.train, new.validation, new.test))
    return replace(new, train=train, validation=validation, test=test, labels=tuple(sorted(labels_of(train))))


def _refuse_other_groups(new: Splits, before: Before) -> None:
    old = before.test or before.validation
    if old is None or (old.groups is None) is (new.train.groups is None):
        return
    what, hint = ("has", "give the column of the new data too") if old.groups else ("has no", "leave it out")
    raise DataError(
        f"the run that is started from {what} groups of rows, unlike the new data", where="--group", hint=hint
    )


def _as_old(split: Split) -> Split:
    return replace(split, ids=tuple(f"{OLD}{each}" for each in split.ids))


def _divided(
    new: Splits, before: Before, old_test: Split, old_validation: Split, notes: list[str]
) -> tuple[Split, Split, Split]:
    """The new rows' parts, without old test and validation rows in any, and without rows that were seen in test and
    validation."""
    held = set(old_test.groups or ())
    tested, chosen = _labels_by_text(old_test), before.seen.validation
    parts: dict[str, list[int]] = {}
    taken_out: list[tuple[bytes, Target]] = []
    known: list[tuple[bytes, Target]] = []
    in_group = 0
    for name in ("train", "validation", "test"):
        split: Split = getattr(new, name)
        groups = split.groups or (None,) * len(split)
        keep = []
        for i, (row, target, group) in enumerate(zip(split.rows, split.targets, groups, strict=True)):
            text = hash_of(row)
            if text in tested:
                taken_out.append((text, target))
            elif group is not None and group in held:
                in_group += 1
            elif text in chosen:
                known.append((text, target))
            else:
                keep.append(i)
        parts[name] = keep
    notes += _left_out(taken_out, tested, "test", in_group)
    notes += _left_out(known, _labels_by_text(old_validation), "validation")
    trained = before.seen.train
    train = new.train.take(parts["train"])
    rest: list[Split] = []
    moved = 0
    for name in ("validation", "test"):
        split = getattr(new, name)
        seen = [i for i in parts[name] if hash_of(split.rows[i]) in trained]
        rest.append(split.take([i for i in parts[name] if hash_of(split.rows[i]) not in trained]))
        train, moved = train.joined(split.take(seen)), moved + len(seen)
    if moved:
        is_train = amount(
            moved, "new row for validation or test is a train row", "new rows for validation or test are train rows"
        )
        notes.append(f"{is_train} instead, as the started model has seen the text")
    if before.seen.unknown:
        notes.append(f"whether the started model was tuned on new test rows is not known: {before.seen.unknown}")
    return train, rest[0], rest[1]


def _labels_by_text(split: Split) -> dict[bytes, Target]:
    return {hash_of(row): target for row, target in zip(split.rows, split.targets, strict=True)}


def _left_out(
    rows: Sequence[tuple[bytes, Target]], old: Mapping[bytes, Target], part: str, in_group: int = 0
) -> list[str]:
    """That new rows are old rows of a part, which stay in it, and how many of them have another label now."""
    if not rows and not in_group:
        return []
    which = "text, or group," if in_group else "text"
    left = amount(len(rows) + in_group, "new row is", "new rows are")
    said = f"{left} left out, whose {which} is among the {part} rows of the run that is started from"
    said += f", which stay {part} rows"
    other = sum(text in old and old[text] != target for text, target in rows)
    if other:
        has = "has" if other == 1 else "have"
        said += f"; {other:,} of these {has} another label there, and that one stays"
        said += ": to correct it, tune anew without --start"
    return [said]


def _replayed(
    before: Before, new: Split, old_test: Split, old_validation: Split, task: TaskKind, spec: DataSpec
) -> Split:
    """Old train rows, as many as are wanted, each label among them; none that is tested, validated or new."""
    if before.replay is None:
        return new.take([])
    other = {hash_of(row) for split in (new, old_test, old_validation) for row in split.rows}
    rows = before.replay.take([i for i, row in enumerate(before.replay.rows) if hash_of(row) not in other])
    most = len(rows) if before.every else max(MOST_REPLAYED, len(new))
    if most < len(rows):
        rows = rows.take(sample(rows, most, task, spec.seed, name="replay", every_class=True))
    return _as_old(rows)


def _listed(labels: Sequence[str]) -> str:
    return first_of([repr(each) for each in labels], _LABELS_SHOWN)
