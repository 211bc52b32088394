"""What `liftune label` reports: the rows to label next, and the labels that were read back.

Not here: how rows are chosen and read back (labelling/).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from liftune.records.base import Interval, Record, StoredRecord
from liftune.types import Row, Target


class Pick(Record):
    """A row to label, and what the model would say."""

    row: int | str
    """Its number in the pool, from 1; with its file's name where there are several."""
    id: int | str | None = None
    """The pool's own name for it; null where it has none."""
    text: Row
    suggestion: Target | None
    probability: float | None
    """Of the least sure decision of the suggestion; null for a regression."""
    margin: float | None
    """How far the decision is from another one, in probability; null where the strategy did not ask."""


class Expected(Record):
    """What so many labels should bring, by the learning curve of a run."""

    metric: str
    rows: int
    """Train rows then."""
    gain: Interval
    """In the metric's own unit, signed so that positive is better; as if the rows were drawn evenly."""


class LabelRecord(StoredRecord):
    """The output of `liftune label POOL --run RUN --json`."""

    sections_from: ClassVar[str] = "liftune.reports.sections.labelling:picked_sections"
    words_from: ClassVar[str] = "liftune.reports.sections.labelling:picked_briefly"

    source: str
    """The pool."""
    run: str
    strategy: str
    budget: int
    seed: int
    rows: int
    """Of the pool that have a text."""
    left_out: dict[str, int] = Field(default_factory=dict)
    """Why rows of the pool were not to choose from -> how many."""
    picks: tuple[Pick, ...]
    """In the order in which they are best labelled."""
    files: tuple[str, ...] = ()
    """What was written."""
    expected: Expected | None = None
    """Null where the run has no learning curve, or it shows no law."""
    has_curve: bool = False
    notes: tuple[str, ...] = ()


class ImportRecord(StoredRecord):
    """The output of `liftune label --import FILE --run RUN --json`."""

    sections_from: ClassVar[str] = "liftune.reports.sections.labelling:imported_sections"
    words_from: ClassVar[str] = "liftune.reports.sections.labelling:imported_briefly"

    source: str
    """What people filled in."""
    run: str
    path: str
    """What was written: a file of the new rows, or a folder of the run's rows and these."""
    rows: int
    """New ones, with a label."""
    old_rows: int = 0
    """Train rows of the run beside them; 0 in a file."""
    cross_validated: bool = False
    """The run was: these are all of its rows, and no part is kept for test."""
    next_command: str
    """What tunes on the folder as the run was tuned, or goes on from the run with the file."""
    labels: dict[str, int] = Field(default_factory=dict)
    """Label -> rows, the most frequent first; empty for a regression."""
    left_out: dict[str, int] = Field(default_factory=dict)
    """Why rows of the file are not in it -> how many."""
    new_labels: tuple[str, ...] = ()
    """Those that the run does not know."""
    notes: tuple[str, ...] = ()
