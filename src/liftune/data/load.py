"""Loading data, from top to bottom: read, recognise, refuse or drop bad rows, complete the parts, sample, audit.

In: a DataSpec.  Out: Splits, ready for a run; or LoadedData, which also says how they were made, for `inspect`.
Not here: rows to score on (test_part.py); each step (readers/, split_roles.py, columns.py, targets.py, examples.py,
complete.py, sampling.py, audit.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from liftune.addresses import Address, said
from liftune.data.audit import audit, fingerprint, labels_of
from liftune.data.column_search import columns_of
from liftune.data.columns import Columns, same_columns
from liftune.data.complete import VALIDATION_SHARE, Parts, complete, in_one_part, validation_rows
from liftune.data.examples import (
    Examples,
    after_drops,
    answers_said,
    no_rows,
    read_examples,
    read_labels,
    refusal,
)
from liftune.data.fill_down import refuse_blocks
from liftune.data.passed_over import ACCEPT_OR_REJECT
from liftune.data.readers.memory import TablesInMemory
from liftune.data.readers.table import Table
from liftune.data.sampling import sample
from liftune.data.slices import check_slices
from liftune.data.spellings import merge_spellings
from liftune.data.split_roles import read_roles
from liftune.data.splits import BecomesSplits, Splits
from liftune.data.targets import Reading
from liftune.data.withheld import with_labels
from liftune.errors import DataError, SpecError
from liftune.records.base import TextColumns
from liftune.records.data import BadRow, Fetched
from liftune.spec import DataSpec
from liftune.spec_text import TUNE, Asked
from liftune.tasks import TaskKind, task_of

if TYPE_CHECKING:
    from liftune.data.folds import Folds


#: Rows that a caller has: parts that are cut already, or tables, which are read as a source is.
RowsInMemory: TypeAlias = BecomesSplits | TablesInMemory


@dataclass(frozen=True)
class LoadedData:
    """Splits, and how they were made."""

    splits: Splits
    columns: Columns
    all_columns: tuple[str, ...]
    reading: Reading
    bad_rows: tuple[BadRow, ...]
    sources: dict[str, str]
    """Role -> where its rows come from."""
    examples: dict[str, Examples]
    """Role -> all of its rows, before anything was split off or sampled."""
    tables: Mapping[str, Table]
    """Role -> its cells as they were read, also those of parts without labels."""
    folds: int | None = None
    """How many `--folds auto` takes; None where it takes none."""


def load_data(spec: DataSpec, tables: TablesInMemory | None = None, asked: Asked = TUNE) -> Splits:
    """Train, validation and test of a source, audited.

    Args:
        tables: those in memory; None reads what the spec names.
        asked: the verb that hints are to name.

    Raises:
        DataError: the source cannot be read, rows cannot be used and `skip_bad_rows` is off, or train has one class.
        MissingExtra: a hub id, and `datasets` is not installed.
    """
    loaded = load(spec, tables, skip_bad_rows=spec.skip_bad_rows, asked=asked)
    _refuse_one_class(loaded.splits, loaded.sources["train"])
    return loaded.splits


def load_data_or_folds(spec: DataSpec, tables: TablesInMemory | None = None) -> Splits | Folds:
    """Folds where rows are few and the spec and the data give no part of them as validation or test; else `load_data`.

    Args:
        tables: as for `load_data`.

    Raises:
        DataError: as `load_data`.
    """
    from liftune.data.folds import in_folds

    if parts_asked(spec):
        return load_data(spec, tables)
    loaded = load(spec, tables, skip_bad_rows=spec.skip_bad_rows, in_one=None)
    _refuse_one_class(loaded.splits, loaded.sources["train"])
    if loaded.folds is None:
        return loaded.splits
    rows = loaded.splits
    note = f"{len(rows.train):,} rows and no test part: cross-validation in {loaded.folds} folds tests on all of them"
    rows = replace(rows, audit=rows.audit.model_copy(update={"notes": (*rows.audit.notes, note)}))
    try:
        return in_folds(
            rows, loaded.folds, seed=spec.seed, validation_rows=_validation_of_fold(rows, loaded.folds, spec)
        )
    except DataError as error:  # as where one text is all but alone in its class
        splits = load_data(spec, tables)
        note = f"few rows, and no cross-validation of them: {error.message}"
        return replace(splits, audit=splits.audit.model_copy(update={"notes": (*splits.audit.notes, note)}))


def parts_asked(spec: DataSpec) -> tuple[str, ...]:
    """The options given that say which rows, or how many, are to be train, validation or test."""
    given = {"--validation": spec.validation, "--test": spec.test}
    given |= {"--train-rows": spec.train_rows, "--test-rows": spec.test_rows}  # type: ignore[dict-item]
    return tuple(option for option, value in given.items() if value)


def load_folds(spec: DataSpec, count: int, rows: RowsInMemory | None = None) -> Folds:
    """All labelled rows of a source, whatever their part, in `count` folds.

    Args:
        rows: those in memory; None reads the source.

    Raises:
        SpecError: test rows were asked for.
        DataError: as `load_data`, or there are too few rows for so many folds.
    """
    from liftune.data.folds import in_folds

    given = [option for option, value in (("--test", spec.test), ("--test-rows", spec.test_rows)) if value]
    if given:
        raise SpecError(
            "with --folds every row is tested out of fold: there are no separate test rows",
            where=f"--folds with {' and '.join(given)}",
            hint="leave one of them out",
        )
    if rows is None or isinstance(rows, TablesInMemory):
        loaded = load(spec, rows, skip_bad_rows=spec.skip_bad_rows, in_one=True)
        every, where = loaded.splits, loaded.sources["train"]
    else:
        every, where = _in_memory_in_one(rows.to_splits(), spec), spec.source
    _refuse_one_class(every, where)
    return in_folds(every, count, seed=spec.seed, validation_rows=_validation_of_fold(every, count, spec))


def _validation_of_fold(rows: Splits, count: int, spec: DataSpec) -> int:
    """Rows of the validation part that is split off from what a fold leaves."""
    total = len(rows.train)
    return validation_rows(round(VALIDATION_SHARE * (total - total // count)), spec)


def _in_memory_in_one(rows: Splits, spec: DataSpec) -> Splits:
    """Every row in train. They were sampled, where that was wanted, when they were made."""
    parts = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    joined = in_one_part({role: split for role, split in parts.items() if role == "train" or len(split)})
    spec, skipped = spec.model_copy(update={"train_rows": None}), rows.audit.skipped_rows
    splits = _sampled(joined, rows.task, spec, columns=rows.columns, skipped=skipped, notes=())
    return replace(splits, pairs=rows.pairs)


def load(
    spec: DataSpec,
    in_memory: TablesInMemory | None = None,
    *,
    skip_bad_rows: bool,
    in_one: bool | None = False,
    asked: Asked = TUNE,
) -> LoadedData:
    """As `load_data`, with how the parts were made; one class alone is accepted.

    Args:
        in_memory: the tables; None reads what the spec names.
        in_one: all parts of the source become train, and none is split off; None does so where `--folds auto` applies.
        asked: the verb that hints are to name.
    """
    from liftune.data.folds import folds_of_few

    read, given = read_roles(spec, in_memory)
    columns = columns_of(read["train"], spec, asked=asked)
    refuse_blocks(read["train"], columns, spec)
    tables, notes = with_labels(read, columns)
    notes = (*given, *said_of(tables), *columns.notes, *notes)
    reading = read_labels(tables["train"], columns, spec)
    examples = examples_of(tables, columns, reading, skip_bad_rows=skip_bad_rows)
    examples, spelling = merged(examples, spec)
    notes = (*notes, *reading.notes, *spelling, *answers_said(examples))
    bad_rows = tuple(bad for role, each in examples.items() for bad in each.bad_rows(role))
    by_role = {role: each.split for role, each in examples.items()}
    folds = None if parts_asked(spec) else folds_of_few(by_role)
    in_one = folds is not None if in_one is None else in_one
    try:
        parts = in_one_part(by_role) if in_one else complete(by_role, reading.task, spec, tables["train"].where)
    except DataError as error:
        raise after_drops(error, examples, columns) from None
    splits = _sampled(parts, reading.task, spec, columns=columns.of_texts, skipped=len(bad_rows), notes=notes)
    where = {role: table.where for role, table in tables.items()}
    if parts.test_was_validation:
        where["test"] = where.pop("validation")
    splits = with_fetched(splits, spec)
    return LoadedData(splits, columns, tables["train"].columns, reading, bad_rows, where, examples, read, folds)


def examples_of(
    tables: Mapping[str, Table], columns: Columns, reading: Reading, *, skip_bad_rows: bool
) -> dict[str, Examples]:
    """Every part's usable rows. Refuses bad rows unless they are skipped, and a part without any usable row."""
    examples = {
        role: read_examples(table, same_columns(table, columns, role), reading) for role, table in tables.items()
    }
    if not skip_bad_rows and any(each.faults for each in examples.values()):
        raise refusal(examples)
    for role, each in examples.items():
        if not len(each.split):
            raise refusal({role: each}) if each.faults else no_rows(each)
    return examples


def merged(examples: dict[str, Examples], spec: DataSpec) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """With one label for the spellings that the spec merges, and notes on these and the others."""
    splits, notes = merge_spellings({role: each.split for role, each in examples.items()}, spec.merge_labels)
    return {role: replace(each, split=splits[role]) for role, each in examples.items()}, notes


def said_of(tables: Mapping[str, Table]) -> tuple[str, ...]:
    """What the readers say of how they read, each once."""
    return tuple(dict.fromkeys(note for table in tables.values() for note in table.notes))


def _sampled(
    parts: Parts, task: TaskKind, spec: DataSpec, *, columns: TextColumns | None, skipped: int, notes: tuple[str, ...]
) -> Splits:
    """The rows that the run uses, audited."""
    train, test = parts.train, parts.test
    if spec.train_rows is not None:
        train = train.take(sample(train, spec.train_rows, task, spec.seed, name="train", every_class=True))
    if spec.test_rows is not None:
        test = test.take(sample(test, spec.test_rows, task, spec.seed, name="test", every_class=False))
    check_slices(test if len(test) else train, spec.source)
    labels = labels_of(train)
    return Splits(
        task=task,
        labels=tuple(sorted(labels)),
        unseen=tuple(sorted((labels_of(parts.validation) | labels_of(test)) - labels)),
        train=train,
        validation=parts.validation,
        test=test,
        audit=audit(
            train,
            parts.validation,
            test,
            validation_from_train=parts.validation_from_train,
            skipped_rows=skipped,
            notes=(*notes, *parts.notes),
            near_duplicates=spec.near_duplicates,
            group=spec.group,
        ),
        partial=len(train) < len(parts.train) or len(test) < len(parts.test),
        pairs=columns is not None and columns.text_pair is not None,
        columns=columns,
        fingerprint=fingerprint(test),
    )


def _refuse_one_class(splits: Splits, where: str) -> None:
    if len(set(splits.train.targets)) > 1:
        return
    target = splits.train.targets[0]
    if not task_of(splits.task).outputs_labels:
        what = f"every train row has the target {target}: there is nothing to learn"
    elif target == ():
        what = "no train row has a label: every list of labels is empty"
    else:
        what = f"train has one class only: {target!r}"
    asked = f"{ACCEPT_OR_REJECT}; " if any(ACCEPT_OR_REJECT in note for note in splits.audit.notes) else ""
    hint = f"{asked}add rows of another class, raise --train-rows, or name another --label"
    raise DataError(what, where=where, hint=hint)


def with_fetched(splits: Splits, spec: DataSpec) -> Splits:
    """With what was brought from elsewhere, in the audit."""
    addresses = [each for each in (spec.source, spec.validation, spec.test) if isinstance(each, Address)]
    found = [(each, each.copy) for each in addresses if each.copy is not None]
    if not found:
        return splits
    fetched = tuple(
        Fetched(address=str(address), bytes=copy.bytes, sha256=copy.sha256, version=copy.version)
        for address, copy in found
    )
    notes = (*splits.audit.notes, *(said(*each) for each in found))
    return replace(splits, audit=splits.audit.model_copy(update={"fetched": fetched, "notes": notes}))
