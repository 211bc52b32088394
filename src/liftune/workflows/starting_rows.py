"""The rows of a run with --start: the new ones, and what is left of those of the run that it goes on from.

In: a RunSpec, the Started.  Out: a Beginning: the rows of both as one run's.
Not here: how they are brought together (data/continued.py), what targets are taken for (starting_targets.py), which old
rows are replayed (starting_replay.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from liftune.addresses import Address
from liftune.data.answer_rows import KeptIds
from liftune.data.column_names import known_name
from liftune.data.continued import OLD, Before, Continued, continued
from liftune.data.load import LoadedData, RowsInMemory, load
from liftune.data.readers.memory import TablesInMemory
from liftune.data.readers.table import Table
from liftune.data.slices import check_slices, kept_values
from liftune.data.splits import KeptColumn, Split, Splits
from liftune.data.tuned_on import TunedOn, hash_of
from liftune.errors import DataError, LiftuneError
from liftune.option_values import fields
from liftune.run_folder import RunFolder
from liftune.spec import IN_MEMORY, RunSpec
from liftune.workflows.starting import Started, find_start
from liftune.workflows.starting_replay import ALL, AUTO, NONE, Replay, given_rows, nothing, of_replay, rows_of_run
from liftune.workflows.starting_targets import of_another_task, refuse_other_kind, targets_said


@dataclass(frozen=True)
class Beginning:
    """Where a run with --start begins."""

    started: Started
    rows: Continued
    tables: Mapping[str, Table] | None = None
    """The new rows as they were read, by role; None where they were cut in memory, or are no longer needed."""
    old: OldRows | None = None
    """Those of the run that is started from; None of an adapter by itself, or where they are no longer needed."""

    def ids(self, spec: RunSpec, rows: RowsInMemory | None) -> KeptIds:
        """The columns in which the rows of both have ids.

        Args:
            rows: the new ones, where they are in memory.
        """
        old = self.old
        return KeptIds(spec.data, rows, lambda: old.ids() if old else None, self.tables)

    def alone(self) -> Beginning:
        """Without the tables, which may be large."""
        return replace(self, tables=None, old=None)


@dataclass(frozen=True)
class _Again:
    """A run's rows as its data gave them once more."""

    splits: Splits
    tables: Mapping[str, Table]
    """Of its own data, not of those that it went on from itself."""
    old: OldRows | None
    """Of the run that it went on from."""


class OldRows:
    """The rows of a run that is started from: read again when they are first needed, and only once."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._found: _Again | LiftuneError | None = None
        self._is_read = False

    def again(self) -> Splits | None:
        """The rows of a run without folds; None where they are not what they were.

        Raises:
            LiftuneError: they cannot be read.
        """
        found = self._read()
        return found.splits if found else None

    def values(self, name: str) -> dict[str, str | None]:
        """Id of each row -> its value in a column that the run was not asked to keep.

        Raises:
            LiftuneError: the rows cannot be read, or lack the column.
        """
        found = self._read()
        if found is None:
            return {}
        values = {} if found.old is None else {f"{OLD}{row}": each for row, each in found.old.kept(name).items()}
        for table in found.tables.values():
            own = known_name((name,), table.columns)
            if own is not None:
                values |= {f"{table.name}:{i}": each for i, each in enumerate(kept_values(table, own).values)}
        return values

    def kept(self, name: str) -> dict[str, str | None]:
        """The same of a column that the run may have kept."""
        parts = [self._run.split(each) for each in ("validation", "test")]
        columns = [(part.ids, each.values) for part in parts for each in part.kept if each.name == name]
        if not columns:
            return self.values(name)
        return {row: value for ids, values in columns for row, value in zip(ids, values, strict=True)}

    def ids(self) -> KeptIds | None:
        """The columns in which the data have ids; None where these are not at hand as they were."""
        run = self._run
        if run.record().folds:
            return None
        spec = run.spec()
        if spec.data.source == IN_MEMORY or isinstance(spec.data.source, Address):
            return None
        try:
            found = self._read()
        except LiftuneError:
            return None
        if found is None:
            return None
        old = found.old
        return KeptIds(spec.data, before=lambda: old.ids() if old else None, read=found.tables)

    def _read(self) -> _Again | None:
        if not self._is_read:
            try:
                self._found = _read_again(self._run)
            except LiftuneError as error:
                self._found = error
            self._is_read = True
        if isinstance(self._found, LiftuneError):
            raise self._found
        return self._found


def _read_again(run: RunFolder) -> _Again | None:
    """The rows of a run without folds; None where they are not what they were."""
    spec, record = run.spec(), run.record()
    if spec.method.start:
        beginning = rows_to_go_on(spec)
        found = _Again(beginning.rows.splits, beginning.tables or {}, beginning.old)
    else:
        loaded = load(spec.data, skip_bad_rows=spec.data.skip_bad_rows)
        found = _Again(loaded.splits, loaded.tables, None)
    splits, known = found.splits, run.tuned_on().train
    same = splits.fingerprint == record.data_fingerprint and len(splits.train) == record.rows.train
    return found if same and all(hash_of(row) in known for row in splits.train.rows) else None


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
    try:
        loaded, new = _new_rows(spec, rows)
    except DataError as error:
        of_another_task(error, started)
        raise
    refuse_other_kind(started, new)
    old = OldRows(started.run) if started.run else None
    parts = {name: started.run.split(name) for name in ("validation", "test")} if started.run else {}
    said = targets_said(started, spec.data, loaded, new, tuple(parts.values()))
    before, notes = _before(started, spec, old, parts)
    found = continued(new, before, spec.data)
    said = (*of_replay(found, notes, every=before.every), *found.notes, *said)
    return Beginning(started, replace(found, notes=said), loaded.tables if loaded else None, old)


def _new_rows(spec: RunSpec, rows: RowsInMemory | None) -> tuple[LoadedData | None, Splits]:
    """Those of one label alone are rows too: the model has others."""
    if rows is None or isinstance(rows, TablesInMemory):
        loaded = load(spec.data, rows, skip_bad_rows=spec.data.skip_bad_rows)
        return loaded, loaded.splits
    return None, rows.to_splits()


def _before(
    started: Started, spec: RunSpec, old: OldRows | None, parts: Mapping[str, Split]
) -> tuple[Before, list[str]]:
    """What is left of the old rows, and notes: the first on the replay.

    Args:
        parts: its validation and test rows, as the run keeps them.
    """
    labels, asked = started.card.labels, spec.method.replay or AUTO
    if started.run is None or old is None:
        unknown = f"{started.asked} is an adapter by itself, without the files of its run"
        if asked in (AUTO, ALL):
            replay = nothing(asked, f"no old rows are at hand: {unknown}", "to replay some: --replay FILE")
        else:
            replay = given_rows(asked, spec)
        forgotten = "no old test rows are at hand: what is forgotten cannot be measured; --start with the whole run can"
        return Before(labels, TunedOn(unknown=unknown), replay=replay.rows, every=True), [replay.said, forgotten]
    run = started.run
    replay = _replay(asked, run, old, spec)
    every = asked not in (AUTO, NONE)
    if run.record().folds:  # its validation rows are those of all folds, and its adapter was tuned on most of them
        every_row = "the run that is started from was cross-validated, and its adapter tuned on all of its rows: what "
        notes = [replay.said, f"{every_row}is forgotten cannot be measured on them"]
        return Before(labels, TunedOn(run.tuned_on().train), replay=replay.rows, every=every), notes
    parts, said = _with_slices(run, old, parts, fields(spec.data.slices or ""))
    before = Before(labels, run.tuned_on(), parts["validation"], parts["test"], replay.rows, every)
    return before, [replay.said, *said]


def _replay(asked: str, run: RunFolder, old: OldRows, spec: RunSpec) -> Replay:
    """The rows to replay."""
    return rows_of_run(asked, run, old.again) if asked in (AUTO, ALL) else given_rows(asked, spec)


def _with_slices(
    run: RunFolder, old: OldRows, parts: Mapping[str, Split], wanted: Sequence[str]
) -> tuple[dict[str, Split], list[str]]:
    """Old rows with the columns that are asked for and that they were kept without, where these can be read again."""
    lacking = [name for name in wanted if not any(name == each.name for part in parts.values() for each in part.kept)]
    if not lacking:
        return dict(parts), []
    with suppress(LiftuneError):  # they have no value then, which is said
        values = {name: old.values(name) for name in lacking}
        read = {name: _with_columns(part, values) for name, part in parts.items()}
        check_slices(read["test"], str(run.spec().data.source))
        said = f"of old rows, {', '.join(map(repr, lacking))} is read again from {run.spec().data.source}"
        return (read, [said]) if all(values.values()) else (dict(parts), [])
    return dict(parts), []


def _with_columns(part: Split, values: Mapping[str, Mapping[str, str | None]]) -> Split:
    """The rows with columns more: of each row id its value."""
    columns = (KeptColumn(name, tuple(map(each.get, part.ids))) for name, each in values.items())
    return replace(part, kept=(*part.kept, *columns))
