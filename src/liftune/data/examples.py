"""Cells -> rows and targets, and the rows that cannot be used.

In: a Table, its Columns, the Reading of its labels.  Out: Examples.  Not here: whether bad rows are dropped (load.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from liftune.data.column_profiles import is_day_or_time
from liftune.data.columns import Columns
from liftune.data.label_lists import is_list
from liftune.data.passed_over import NONE, PassedOver, passed_over, passed_over_said
from liftune.data.readers.table import Fault, Table
from liftune.data.recognise import MOST_NUMBERED_CLASSES, Wanted, recognise
from liftune.data.separators import tags_note
from liftune.data.slices import kept_values
from liftune.data.spellings import read_as_one
from liftune.data.splits import Split, kept_at
from liftune.data.targets import CellError, Reading, is_missing
from liftune.data.texts import joined_text, text_of
from liftune.errors import DataError
from liftune.records.data import BadRow
from liftune.spec import DataSpec
from liftune.tasks import TaskKind, task_of
from liftune.types import Row, Target

_NAMED_BAD_ROWS = 5


@dataclass(frozen=True)
class Examples:
    """One part's usable rows, and its unusable ones."""

    table: Table
    split: Split
    faults: tuple[Fault, ...]
    passed_over: PassedOver = NONE
    """Rows that people passed over where they annotate."""

    def bad_rows(self, role: str) -> tuple[BadRow, ...]:
        """The unusable rows for a report."""
        files = self.table.files
        return tuple(
            BadRow(
                split=role,
                row=fault.position + 1,
                reason=fault.reason if files is None else f"{files[fault.position]}: {fault.reason}",
            )
            for fault in self.faults
        )


def read_labels(table: Table, columns: Columns, spec: DataSpec, task: TaskKind | None = None) -> Reading:
    """How a table's labels are read.

    Args:
        columns: as the table spells them.
        task: where the spec names none.

    Raises:
        DataError: the labels are times, or can be read in two ways of which neither is the likelier.
    """
    cells, names = _with_text(table, columns), table.class_names.get(columns.label, ())
    times = _refuse_times(cells, table, columns.label, spec.task or task)
    reading = recognise(
        cells,
        names,
        wanted=Wanted.of(spec, task),
        typed=table.typed,
        columns=columns.labels,
        where=f"{table.where}, column {columns.label}",
    )
    reading = replace(reading, notes=(*reading.notes, *times))
    if columns.labels or task_of(reading.task).shape == "value":
        return reading
    if task_of(reading.task).shape == "label" and not any("--label-separator" in note for note in reading.notes):
        texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
        reading = replace(reading, notes=(*reading.notes, *tags_note(texts, columns.label)))
    each = (one for cell in cells for one in (cell if is_list(cell) else (cell,)))
    twice = () if reading.positions else read_as_one(each, lambda cell: reading.label(cell, names))
    return replace(reading, notes=(*reading.notes, *twice))


def _with_text(table: Table, columns: Columns) -> list[Any]:
    """The label's cells of the rows that have a text: of the others nothing is read, and nothing said."""
    cells, texts = columns.label_cells(table), columns.text_cells(table)
    blank = [all(map(is_missing, text)) if columns.texts else is_missing(text) for text in texts]
    return [cell for cell, without in zip(cells, blank, strict=True) if not without] or cells


def _refuse_times(cells: Sequence[Any], table: Table, column: str, task: TaskKind | None) -> tuple[str, ...]:
    """Not one bad row after the other: a column of times is another column than was meant.

    Returns:
        A note where a few days or times, as texts, are read as classes.
    """
    present = [cell for cell in cells if not is_missing(cell)]
    times = [cell for cell in present if is_day_or_time(cell)]
    if 2 * len(times) <= len(present):
        return ()
    written = all(isinstance(cell, str) for cell in times)
    kinds = len(set(times)) if written else len(times)
    classes = task is not None and task_of(task).shape != "value"
    if written and (classes or (task is None and kinds <= MOST_NUMBERED_CLASSES and 2 * kinds <= len(times))):
        return (f"labels such as {times[0]!r} are days or times: each is read as a class",)
    others = ", ".join(name for name in table.columns if name != column)
    hint = f"name another column with --label{f'; there are: {others}' if others else ''}"
    if written:
        hint += "; or take each as a class with --task single_label"
    what = f"column {column!r} holds times, not labels"
    raise DataError(f"{what}: {kinds:,} different" if written else what, where=table.where, hint=hint)


def read_examples(table: Table, columns: Columns, reading: Reading) -> Examples:
    """Every row of a table: used under the id `<part>:<0-based row in its file>`, or a fault."""
    texts = columns.text_cells(table)
    pairs = table.read(columns.text_pair) if columns.text_pair else None
    labels = columns.label_cells(table)
    group_cells = table.read(columns.group) if columns.group else None
    kept_cells = [kept_values(table, name) for name in columns.slices]
    names = table.class_names.get(columns.label, ())
    broken = {fault.position: fault for fault in table.faults}
    passed = passed_over(table, columns)
    left_out = passed.all
    ids: list[str] = []
    rows: list[Row] = []
    targets: list[Target] = []
    groups: list[str] = []
    used: list[int] = []
    faults: list[Fault] = []
    for position in range(table.rows):
        if position in left_out:
            continue
        if position in broken:
            faults.append(broken[position])
            continue
        try:
            cell = texts[position]
            text = joined_text(cell, columns.texts) if columns.texts else text_of(cell, columns.text)
            row = (text, text_of(pairs[position], columns.text_pair or "")) if pairs is not None else text
            target = reading.target(labels[position], names)
            group = _group(group_cells[position], columns.group or "") if group_cells is not None else ""
        except CellError as error:
            faults.append(Fault(position, str(error), error.hint))
            continue
        ids.append(f"{table.name}:{position}")
        rows.append(row)
        targets.append(target)
        groups.append(group)
        used.append(position)
    kept = kept_at(kept_cells, used)
    split = Split(tuple(ids), tuple(rows), tuple(targets), None if group_cells is None else tuple(groups), kept)
    return Examples(table, split, tuple(faults), passed)


def no_rows(examples: Examples) -> DataError:
    """The error for a part without rows."""
    return examples.passed_over.no_rows(examples.table)


def answers_said(examples: Mapping[str, Examples]) -> tuple[str, ...]:
    """Notes on the rows that were passed over, where there are any."""
    one = len({target for each in examples.values() for target in each.split.targets}) == 1
    return passed_over_said([each.passed_over for each in examples.values()], one_label=one)


def _group(cell: Any, column: str) -> str:
    """A cell as the name of a group."""
    if is_missing(cell):
        raise CellError(f"no group in column {column!r}", "name the row's group")
    return str(cell).strip()


def refusal(examples: Mapping[str, Examples]) -> DataError:
    """One error for all rows that cannot be used: it lists the first few; its place is the first one."""
    bad = [(each.table.place(fault.position), fault) for each in examples.values() for fault in each.faults]
    place, fault = bad[0]
    if len(bad) == 1:
        [[table, position]] = [each.table.origin(f.position) for each in examples.values() for f in each.faults]
        row = f"row {position + 1}" if table.files is None else "the file"
        what = f"{row} cannot be used: {fault.reason}"
    else:
        named = [f"{where}: {each.reason}" for where, each in bad[:_NAMED_BAD_ROWS]]
        more = [f"and {len(bad) - len(named)} more"] * (len(bad) > len(named))
        what = "\n".join((f"{len(bad)} rows cannot be used", *(f"  {line}" for line in (*named, *more))))
    return DataError(what, where=place, hint=f"{fault.hint}, or drop such rows with --skip-bad-rows")


def after_drops(error: DataError, examples: Mapping[str, Examples], columns: Columns) -> DataError:
    """An error of the rows that are left, with how many were dropped before it, and the columns by which they were."""
    dropped = sum(len(each.faults) for each in examples.values())
    total = sum(each.table.rows for each in examples.values())
    if not dropped:
        return error
    first, place = next((e.faults[0], e.table.place(e.faults[0].position)) for e in examples.values() if e.faults)
    read = f"text from {columns.text!r}, labels from {columns.label!r}"
    return DataError(
        f"{error.message}; {dropped:,} of {total:,} rows were dropped, as they could not be used ({read}); "
        f"the first is {place}: {first.reason}",
        where=error.where,
        hint=f"fix those rows, or name other columns with --text and --label; else {error.hint}",
    )
