"""The rows of a run with --start: the new ones, and what is left of those of the run that it goes on from.

In: a RunSpec, the Started.  Out: a Beginning: the rows of both as one run's.
Not here: how they are brought together (data/continued.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from liftune.addresses import Address
from liftune.data.answer_rows import KeptIds
from liftune.data.continued import Before, Continued, continued
from liftune.data.load import RowsInMemory, load, load_data
from liftune.data.numbers import number
from liftune.data.readers.memory import TablesInMemory
from liftune.data.separators import sets_of_known
from liftune.data.splits import KeptColumn, Split, Splits
from liftune.data.tuned_on import TunedOn, hash_of
from liftune.errors import LIKELY, DataError, LiftuneError, amount, nearest, pasted
from liftune.files import expanded
from liftune.option_values import fields, joined_fields
from liftune.records.run import TuneRecord
from liftune.run_folder import RunFolder
from liftune.spec import IN_MEMORY, RunSpec
from liftune.tasks import task_of
from liftune.workflows.starting import WHERE, Started, find_start

AUTO, ALL, NONE = "auto", "all", "none"


@dataclass(frozen=True)
class Beginning:
    """Where a run with --start begins."""

    started: Started
    rows: Continued


@dataclass(frozen=True)
class _Replay:
    """Old train rows, or none, and what is to be said of them."""

    rows: Split | None
    said: str


def rows_to_go_on(spec: RunSpec, rows: RowsInMemory | None = None) -> Beginning:
    """The rows of a run with --start.

    Args:
        spec: as `with_start` gives it.
        rows: the new ones, where they are in memory.

    Raises:
        DataError: the new rows cannot be read, or are of another kind than the started model's.
        ArtifactError: the run that is started from is damaged.
    """
    assert spec.method.start is not None
    started = find_start(spec.method.start)
    card = started.card
    try:
        new = _new_rows(spec, rows)
    except DataError as error:
        error.add_note(f"targets are read as those of {started.asked}, a {card.task.value} model (--start)")
        if "--skip-bad-rows" in (error.hint or ""):
            # Without all rows of several labels, what is left would silently be another task's data.
            error.hint = (
                f"{error.hint}, where few rows are wrong; a model of another task is tuned anew, without --start"
            )
        raise
    if new.task is not card.task or new.pairs != card.pairs:
        raise DataError(
            f"{started.asked} is a {card.task.value} model{' of pairs' * card.pairs}, and the new rows are "
            f"{_kind(new)}",
            where=WHERE,
            hint="name the columns with --text, --text-pair and --label; a model of another task is tuned anew, "
            "without --start",
        )
    before, notes = _before(started, spec)
    found = continued(new, before, spec.data)
    said = (*_of_sets(started, new), *_of_replay(found, notes, every=before.every), *found.notes)
    return Beginning(started, replace(found, notes=said))


def _kind(new: Splits) -> str:
    """What rows are, where they were read as another task's: numbers that stand as labels are numbers."""
    every = [target for split in (new.train, new.validation, new.test) for target in split.targets]
    numbers = all(isinstance(each, float) or (isinstance(each, str) and number(each) is not None) for each in every)
    labels = len({target for target in every if isinstance(target, str)})
    what = f"{'numbers' if numbers else new.task.value}"
    several = f", each read as one of {labels:,} labels" if numbers and labels else ""
    return f"{'pairs of texts' if new.pairs else 'single texts'} with {what}{several}"


def _of_sets(started: Started, new: Splits) -> tuple[str, ...]:
    """Where new labels are the model's own, several in one cell: by themselves these rows would be multi-label."""
    if not task_of(new.task).has_confidence:
        return ()
    every = [str(target) for split in (new.train, new.validation, new.test) for target in split.targets]
    found, separator = sets_of_known(every, started.card.labels)
    if not found:
        return ()
    return (
        f"{amount(len(found), 'new label is', 'new labels are')} labels of {started.asked} with {separator!r} between "
        f"them, such as {found[0]!r}: each is taken as one label more, as that model gives every text one label; where "
        "a text has several, tune anew without --start",
    )


def _new_rows(spec: RunSpec, rows: RowsInMemory | None) -> Splits:
    """Those of one label alone are rows too: the model has others."""
    if rows is None or isinstance(rows, TablesInMemory):
        return load(spec.data, rows, skip_bad_rows=spec.data.skip_bad_rows).splits
    return rows.to_splits()


def _before(started: Started, spec: RunSpec) -> tuple[Before, list[str]]:
    """What is left of the old rows, and notes: the first on the replay."""
    labels, asked = started.card.labels, spec.method.replay or AUTO
    if started.run is None:
        unknown = f"{started.asked} is an adapter by itself, without the files of its run"
        if asked in (AUTO, ALL):
            replay = _none_of(asked, f"no old rows are at hand: {unknown}", "to replay some: --replay FILE")
        else:
            replay = _as_asked(asked, spec)
        forgotten = "no old test rows are at hand: what is forgotten cannot be measured; --start with the whole run can"
        return Before(labels, TunedOn(unknown=unknown), replay=replay.rows, every=True), [replay.said, forgotten]
    run, record = started.run, started.run.record()
    replay = _replay(asked, started, record, spec)
    parts = {name: run.split(name) for name in ("validation", "test")}
    parts, said = _with_slices(run, parts, fields(spec.data.slices or ""))
    every = asked not in (AUTO, NONE)
    if record.folds:  # its validation rows are those of all folds, and its adapter was tuned on most of them
        every_row = "the run that is started from was cross-validated, and its adapter tuned on all of its rows: what "
        notes = [replay.said, f"{every_row}is forgotten cannot be measured on them"]
        return Before(labels, TunedOn(run.tuned_on().train), replay=replay.rows, every=every), notes
    before = Before(labels, run.tuned_on(), parts["validation"], parts["test"], replay.rows, every)
    return before, [replay.said, *said]


def _with_slices(
    run: RunFolder, parts: Mapping[str, Split], wanted: Sequence[str]
) -> tuple[dict[str, Split], list[str]]:
    """Old rows with the columns that are asked for and that they were kept without, where these can be read again."""
    lacking = [name for name in wanted if not any(name == each.name for part in parts.values() for each in part.kept)]
    found: Splits | None = None
    if lacking and not run.record().folds:
        with suppress(LiftuneError):  # they have no value then, which is said
            found = _read_again(run, lacking)
    if found is None:
        return dict(parts), []
    read = {"validation": found.validation, "test": found.test}
    said = f"of old rows, {', '.join(map(repr, lacking))} is read again from {run.spec().data.source}"
    return {name: _with_columns(part, read[name], lacking) for name, part in parts.items()}, [said]


def _with_columns(part: Split, read: Split, names: Sequence[str]) -> Split:
    """The rows with columns of the same rows as they were read again."""
    place = {row: i for i, row in enumerate(read.ids)}
    if any(row not in place for row in part.ids):
        return part
    columns = (each.values for each in read.kept[-len(names) :])
    kept = (
        KeptColumn(name, tuple(values[place[row]] for row in part.ids))
        for name, values in zip(names, columns, strict=True)
    )
    return replace(part, kept=(*part.kept, *kept))


def ids_before(started: Started) -> KeptIds | None:
    """The columns in which the old data have ids; None where these are not at hand as they were."""
    run = started.run
    if run is None or run.record().folds:
        return None
    spec = run.spec()
    if spec.data.source == IN_MEMORY or isinstance(spec.data.source, Address):
        return None
    try:
        same = _read_again(run) is not None
    except LiftuneError:
        return None
    earlier = find_start(spec.method.start) if spec.method.start else None
    return KeptIds(spec.data, before=lambda: ids_before(earlier) if earlier else None) if same else None


def _of_replay(found: Continued, notes: list[str], *, every: bool) -> list[str]:
    """The notes, the first with how many rows were replayed."""
    if found.replayed_of is None:
        return notes
    more = ""
    if found.replayed < found.replayed_of:
        more = "; the others are among the new rows, or held back" if every else "; all of them with --replay all"
    return [f"{found.replayed:,} of {found.replayed_of:,} old train rows are replayed, {notes[0]}{more}", *notes[1:]]


def _replay(asked: str, started: Started, record: TuneRecord, spec: RunSpec) -> _Replay:
    """The rows to replay."""
    if asked not in (AUTO, ALL):
        return _as_asked(asked, spec)
    assert started.run is not None
    hint = "to replay old rows: --replay FILE"
    source = started.run.spec().data.source
    if source == IN_MEMORY:
        return _none_of(asked, "no old rows are at hand, as they were in memory", hint)
    if isinstance(source, Address):
        hint = f"to bring them again: --replay {pasted(source)}"
        return _none_of(asked, f"no old rows are at hand: they came from {source}", hint)
    try:
        rows = _rows_of(started.run)
    except LiftuneError as error:
        why = error.message.splitlines()[0]
        return _none_of(asked, f"no old rows are at hand: {source} cannot be read again: {why}", hint)
    if rows is None:
        return _none_of(asked, f"no old rows are at hand: {source} has other rows than it had then", hint)
    return _Replay(rows, f"read again from {source}; none with --replay none")


def _none_of(asked: str, why: str, hint: str) -> _Replay:
    """Nothing to replay.

    Raises:
        DataError: all of them were asked for.
    """
    if asked == ALL:
        raise DataError(why, where="--replay all", hint=hint)
    return _Replay(None, f"{why}; {hint}")


def _rows_of(run: RunFolder) -> Split | None:
    """The train rows of a run, read again; None where its rows are not what they were."""
    if run.record().folds:  # every row is kept, as a test row
        return run.split("test")
    splits = _read_again(run)
    return splits.train if splits else None


def _read_again(run: RunFolder, slices: Sequence[str] = ()) -> Splits | None:
    """The rows of a run without folds; None where they are not what they were.

    Args:
        slices: columns to keep with them, beside its own.

    Raises:
        LiftuneError: they cannot be read, or lack a column.
    """
    spec, record = run.spec(), run.record()
    data = spec.data.model_copy(update={"slices": joined_fields([*fields(spec.data.slices or ""), *slices]) or None})
    spec = spec.model_copy(update={"data": data})
    splits = rows_to_go_on(spec).rows.splits if spec.method.start else load_data(spec.data)
    same = splits.fingerprint == record.data_fingerprint and len(splits.train) == record.rows.train
    known = run.tuned_on().train
    return splits if same and all(hash_of(row) in known for row in splits.train.rows) else None


def _as_asked(asked: str, spec: RunSpec) -> _Replay:
    """No rows, or those of another source, in the columns of the new one."""
    if asked == NONE:
        return _Replay(None, "no old rows are replayed, as asked")
    whole: dict[str, Any] = {
        "source": asked,
        "validation": None,
        "test": None,
        "train_rows": None,
        "test_rows": None,
        "split": {},
    }
    data = spec.data.model_copy(update=whole)
    try:
        rows = load(data, skip_bad_rows=spec.data.skip_bad_rows, in_one=True).splits.train
    except LiftuneError as error:
        if isinstance(asked, Address) or expanded(asked).exists():
            raise
        known = (AUTO, ALL, NONE)
        message = f"{error.message}{nearest(asked, known, least=LIKELY)}"
        hint = f"give {', '.join(known)}, or a file of old rows"
        raise type(error)(message, where=f"--replay {pasted(asked)}", hint=hint) from None
    return _Replay(rows, f"read from {asked}")
