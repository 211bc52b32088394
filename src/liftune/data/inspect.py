"""`liftune inspect`: what a data set holds and how liftune will read it, before anything is trained.

In: a DataSpec, and a model whose tokens count.  Out: an Inspection; rows that cannot be used are listed.
Not here: reading (load.py), label errors and shift (workflows/inspect.py), printing (reports/sections/inspection.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import ClassVar

import numpy as np

from liftune.data.clean import Cleaned
from liftune.data.lengths import USUAL_LENGTHS, LengthMeter, Lengths, find_length_meter, measure
from liftune.data.load import LoadedData, load
from liftune.data.readers.memory import TablesInMemory
from liftune.data.splits import Split
from liftune.records.base import Record, RowCounts, StoredRecord
from liftune.records.data import Audit, BadRow, LabelErrorSummary, Shift
from liftune.spec import DataSpec
from liftune.tasks import TaskKind, task_of


class ColumnsFound(Record):
    """Which column is what."""

    text: str
    text_pair: str | None
    label: str
    group: str | None = None
    slices: tuple[str, ...] = ()
    """By whose values a run scores its test rows."""
    others: tuple[str, ...]
    """Columns that are not read."""


class TargetRange(Record):
    """Regression targets of one part."""

    min: float
    mean: float
    max: float
    std: float


class Inspection(StoredRecord):
    """A data set as a run would use it. Parts are train, validation and test, split off where the data lack them."""

    sections_from: ClassVar[str] = "liftune.reports.sections.inspection:inspection_sections"
    words_from: ClassVar[str] = "liftune.reports.sections.inspection:briefly"

    source: str
    task: TaskKind
    task_reason: str
    """How the task was recognised."""
    columns: ColumnsFound
    files: dict[str, str]
    """Part -> the file or hub split that its rows come from, for the parts that the data have."""
    rows: RowCounts
    partial: bool
    labels: tuple[str, ...]
    balance: dict[str, dict[str, int]]
    """Part -> label -> rows that carry it, most frequent in train first; empty for regression."""
    unlabelled: dict[str, int]
    """Multi-label: part -> rows with no label at all."""
    targets: dict[str, TargetRange]
    """Regression: part -> the range of its targets."""
    length_unit: str
    """`tokens` or `words`."""
    length_of: str
    """Whose tokens."""
    lengths: dict[str, Lengths]
    """Part -> row lengths."""
    bad_rows: tuple[BadRow, ...]
    skip_bad_rows: bool = False
    """Whether they are dropped as `--skip-bad-rows` asks; else a run stops at them."""
    audit: Audit
    fingerprint: str
    notes: tuple[str, ...] = ()
    suspects: LabelErrorSummary | None = None
    """Train rows whose label is likely wrong; null for a regression, or where scikit-learn is not installed."""
    shift: Shift | None = None
    cleaned: Cleaned | None = None
    """What `--out` wrote."""


def inspect(
    spec: DataSpec,
    model: str | None = None,
    max_length: int | None = None,
    tables: TablesInMemory | None = None,
    *,
    folds: bool = True,
) -> Inspection:
    """Look at a data set as `load_data` would read it with bad rows dropped.

    Args:
        tables: those in memory; None reads what the spec names.
        model: whose tokens to count (see `find_length_meter`); None counts words.
        max_length: the one length whose truncation is shown; None shows 128, 256 and 512.
        folds: tuning would choose by itself whether it cross-validates.

    Raises:
        DataError: the source cannot be read, or no row of it can be used.
    """
    loaded = load(spec, tables, skip_bad_rows=True)
    return describe(loaded if folds else replace(loaded, folds=None), spec, model, max_length)


def describe(loaded: LoadedData, spec: DataSpec, model: str | None = None, max_length: int | None = None) -> Inspection:
    """As `inspect`, of data that have been read already."""
    splits = loaded.splits
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    meter = find_length_meter(model)
    limits = USUAL_LENGTHS if max_length is None else (max_length,)
    special = meter.special(pairs=splits.pairs)
    task = task_of(splits.task)
    classes = task.outputs_labels
    return Inspection(
        source=spec.source,
        task=splits.task,
        task_reason=loaded.reading.reason,
        columns=_columns(loaded),
        files=loaded.sources,
        rows=splits.counts,
        partial=splits.partial,
        labels=splits.labels,
        balance=_balance(parts, (*splits.labels, *splits.unseen)) if classes else {},
        unlabelled=_unlabelled(parts) if task.shape == "labels" else {},
        targets={} if classes else {name: _range(split) for name, split in parts.items()},
        length_unit=meter.unit,
        length_of=meter.name,
        lengths={name: measure(meter.count(split.rows), limits, special=special) for name, split in parts.items()},
        bad_rows=loaded.bad_rows,
        skip_bad_rows=spec.skip_bad_rows,
        audit=splits.audit,
        fingerprint=splits.fingerprint,
        notes=_notes(loaded, meter),
    )


def _columns(loaded: LoadedData) -> ColumnsFound:
    columns = loaded.columns
    return ColumnsFound(
        text=columns.text,
        text_pair=columns.text_pair,
        label=columns.label,
        group=columns.group,
        slices=columns.slices,
        others=tuple(name for name in loaded.all_columns if name not in columns.used),
    )


def _balance(parts: dict[str, Split], labels: tuple[str, ...]) -> dict[str, dict[str, int]]:
    counts = {name: _counted(split) for name, split in parts.items()}
    order = sorted(labels, key=lambda label: (-counts["train"][label], label))
    return {name: {label: each[label] for label in order} for name, each in counts.items()}


def _counted(split: Split) -> Counter[str]:
    return Counter(
        label for target in split.targets for label in (target if isinstance(target, tuple) else (str(target),))
    )


def _unlabelled(parts: dict[str, Split]) -> dict[str, int]:
    return {name: sum(target == () for target in split.targets) for name, split in parts.items()}


def _range(split: Split) -> TargetRange:
    values = np.array(split.targets, dtype=np.float64)
    return TargetRange(min=values.min(), mean=values.mean(), max=values.max(), std=values.std())


def _notes(loaded: LoadedData, meter: LengthMeter) -> tuple[str, ...]:
    """What else the user should know before tuning."""
    notes = [meter.note] if meter.note else []
    if len(set(loaded.splits.train.targets)) < 2:
        notes.append("train has one class only: tuning will refuse it")
    if loaded.folds:
        notes.append(
            f"few rows and no test part: tuning cross-validates in {loaded.folds} folds, so that every row is tested; "
            "the splits above are those without folds (--folds none)"
        )
    return tuple(notes)
