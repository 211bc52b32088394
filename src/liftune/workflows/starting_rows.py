"""The rows of a run with --start: the new ones, and what is left of those of the run that it goes on from.

In: a RunSpec, the Started.  Out: a Beginning: the rows of both as one run's.
Not here: how they are brought together (data/continued.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from liftune.addresses import Address
from liftune.data.continued import Before, Continued, continued
from liftune.data.load import RowsInMemory, load, load_data
from liftune.data.readers.memory import TablesInMemory
from liftune.data.separators import sets_of_known
from liftune.data.splits import Split, Splits
from liftune.data.tuned_on import TunedOn, hash_of
from liftune.errors import LIKELY, DataError, LiftuneError, amount, nearest, pasted
from liftune.files import expanded
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
        kinds = [f"{task.value}{' of pairs' if pairs else ''}" for task, pairs in
                 ((card.task, card.pairs), (new.task, new.pairs))]  # fmt: skip
        raise DataError(
            f"{started.asked} is a {kinds[0]} model, and the new rows are {kinds[1]}",
            where=WHERE,
            hint="name the columns with --text, --text-pair and --label; a model of another task is tuned anew, "
            "without --start",
        )
    before, notes = _before(started, spec)
    found = continued(new, before, spec.data)
    said = (*_of_sets(started, new), *_of_replay(found, notes, every=before.every), *found.notes)
    return Beginning(started, replace(found, notes=said))


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
    every = asked not in (AUTO, NONE)
    if record.folds:  # its validation rows are those of all folds, and its adapter was tuned on most of them
        every_row = "the run that is started from was cross-validated, and its adapter tuned on all of its rows: what "
        notes = [replay.said, f"{every_row}is forgotten cannot be measured on them"]
        return Before(labels, TunedOn(run.tuned_on().train), replay=replay.rows, every=every), notes
    return Before(labels, run.tuned_on(), run.split("validation"), run.split("test"), replay.rows, every), [replay.said]


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
    spec, record = run.spec(), run.record()
    if record.folds:  # every row is kept, as a test row
        return run.split("test")
    splits = rows_to_go_on(spec).rows.splits if spec.method.start else load_data(spec.data)
    same = splits.fingerprint == record.data_fingerprint and len(splits.train) == record.rows.train
    known = run.tuned_on().train
    return splits.train if same and all(hash_of(row) in known for row in splits.train.rows) else None


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
