"""A contender that this run did not fit: answers from elsewhere, or a model that needs no training here.

In: values.  Out: an Outside, a part of a Contender.
Not here: its scores (run.py), how it is compared (evaluation/ladder.py).
"""

from __future__ import annotations

from typing import Literal

from liftune.records.base import Record
from liftune.records.calibration import CalibrationScores


class Outside(Record):
    """Where a contender's answers are from, and how many rows have one."""

    kind: Literal["answers", "zero-shot"]
    source: str
    """The file, or the model."""
    way: str
    """How rows were found, or how the model answers, in words."""
    answered: int
    """Test rows that have an answer; the others count as wrong."""
    validation_answered: int
    """The same of validation."""
    chosen_on_validation: bool
    """Whether its score on validation counts: validation rows are answered as fully as test rows."""
    probabilities: bool
    """Whether it gives them; without, metrics that read them are null."""
    cost_per_row: float | None = None
    """In the currency of --cost."""
    warnings: tuple[str, ...] = ()
    """Why its score may say nothing, such as answers that are the data's own labels throughout."""
    calibration: CalibrationScores | None = None
    """Of the rows that have an answer, where it gives probabilities."""
