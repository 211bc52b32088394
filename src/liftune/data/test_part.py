"""The rows that a model is scored on: the test part of a source, else validation, else all of it.

In: a DataSpec, what the model knows of its columns and labels.  Out: Splits without train and validation.
Not here: rows to tune on (load.py), labels as the model spells them (label_matching.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liftune.data.audit import fingerprint, labels_of, repeats
from liftune.data.column_search import columns_of
from liftune.data.columns import Columns, known_columns, same_columns
from liftune.data.examples import answers_said, read_labels
from liftune.data.load import RowsInMemory, examples_of, merged, said_of, with_fetched
from liftune.data.model_columns import as_marks, lacking_note, with_label_columns
from liftune.data.readers.memory import TablesInMemory
from liftune.data.readers.table import Table
from liftune.data.sampling import sample
from liftune.data.slices import check_slices
from liftune.data.split_roles import read_roles
from liftune.data.splits import Split, Splits
from liftune.data.withheld import with_labels
from liftune.errors import DataError
from liftune.records.base import TextColumns
from liftune.records.data import Audit
from liftune.spec import DataSpec
from liftune.spec_text import TUNE, Asked
from liftune.tasks import TaskKind, task_of


def load_test(
    spec: DataSpec,
    *,
    task: TaskKind | None = None,
    rows: RowsInMemory | None = None,
    known: TextColumns | None = None,
    labels: Sequence[str] = (),
    asked: Asked = TUNE,
) -> Splits:
    """Only rows to evaluate a model on: the test part, else validation, else all rows of a source that is one part.

    Args:
        task: what the model does; None recognises it from the labels.
        known: the columns that the model's texts were read from; they are read where the spec names none.
        labels: the model's; columns of their names are read where its rows may have several and the spec names none.
        asked: the verb that hints are to name.
        rows: those in memory, whose test rows are taken; None reads the source.

    Raises:
        DataError: as `load_data`; parts in memory without test rows, or of another task than the model's.
    """
    if rows is not None and not isinstance(rows, TablesInMemory):
        return _test_in_memory(rows.to_splits(), task)
    tables, given = read_roles(spec, rows, train=False)
    main = next(role for role in ("train", "validation", "test") if role in tables)
    labels = labels if task is not None and task_of(task).shape == "labels" else ()
    spec = with_label_columns(tables[main], spec, labels)
    columns = columns_of(tables[main], known_columns(tables[main], spec, known), task, asked)
    columns = as_marks(tables[main], columns.named_as(known), labels)
    role, table, unlabelled = _scored_part(tables, columns, main, spec.source)
    reading = read_labels(table, same_columns(table, columns, role), spec, task)
    every, spelling = merged(examples_of({role: table}, columns, reading, skip_bad_rows=spec.skip_bad_rows), spec)
    examples = every[role]
    test = _sampled(examples.split, reading.task, spec)
    notes = (
        *given,
        *said_of({role: table}),
        *columns.notes,
        *lacking_note(columns, labels),
        *unlabelled,
        *reading.notes,
        *spelling,
        *answers_said(every),
        f"scored on {table.where}",
    )
    check_slices(test, spec.source)
    splits = Splits(
        task=reading.task,
        labels=tuple(sorted(labels_of(test))),
        unseen=(),
        train=test.take([]),
        validation=test.take([]),
        test=test,
        audit=_audit(test, skipped_rows=len(examples.faults), notes=notes, group=spec.group),
        partial=len(test) < len(examples.split),
        pairs=columns.text_pair is not None,
        columns=columns.of_texts,
        fingerprint=fingerprint(test),
    )
    return with_fetched(splits, spec)


def _scored_part(
    tables: Mapping[str, Table], columns: Columns, main: str, source: str
) -> tuple[str, Table, tuple[str, ...]]:
    """The part to score on: its role, its rows with labels, and what is said of those without.

    Raises:
        DataError: only train has labels, of several parts.
    """
    labelled, notes = with_labels(tables, columns, main)
    role = next(role for role in ("test", "validation", "train") if role in labelled)
    if role == "train" and len(tables) > 1:
        raise DataError(
            f"no part but train has labels: {'; '.join(notes)}",
            where=source,
            hint="give the labels of the test rows, or name the file to score on alone, in place of the folder",
        )
    return role, labelled[role], notes


def _sampled(test: Split, task: TaskKind, spec: DataSpec) -> Split:
    """As many of the rows as are asked for."""
    if spec.test_rows is None:
        return test
    return test.take(sample(test, spec.test_rows, task, spec.seed, name="test", every_class=False))


def _audit(test: Split, **found: Any) -> Audit:
    """What can be said of test rows alone."""
    groups = {} if test.groups is None else {"test": len(set(test.groups))}
    return Audit(**repeats(test), leaks_known=False, groups=groups, **found)


def _test_in_memory(rows: Splits, task: TaskKind | None) -> Splits:
    """The same without train and validation, and with the labels of its test rows."""
    if not len(rows.test):
        raise DataError("no test rows", hint="give rows whose `test` holds some")
    if task is not None and rows.task is not task:
        raise DataError(f"the rows are {rows.task.value}, the model is {task.value}", hint="give rows of that task")
    nothing = rows.test.take([])
    labels = tuple(sorted(labels_of(rows.test)))
    seen = _audit(rows.test, skipped_rows=rows.audit.skipped_rows, group=rows.audit.group)
    return replace(rows, labels=labels, unseen=(), train=nothing, validation=nothing, audit=seen)
