"""How texts that are longer than the model reads are read, where that was chosen: what was tried, and what it brought.

Not here: choosing (workflows/long_texts.py), the words (reports/sections/long_texts.py).
"""

from __future__ import annotations

from typing import Literal

from liftune.records.base import Record
from liftune.types import LongRule


class LongTried(Record):
    """One way of reading long texts."""

    rule: LongRule
    tokens: int
    """Of all train rows, read once."""
    score: float | None
    """Of a linear model on the untuned model's features; null where it was not tried."""


class LongContrast(Record):
    """Two ways on the same rows."""

    a: LongRule
    b: LongRule
    gain: float | None
    """Of b over a, in the metric's own unit, signed so that positive is better."""
    low: float | None
    high: float | None
    p_value: float
    """Of the paired test, after Holm over all contrasts of this choice."""


class LongChoice(Record):
    """What `--long auto` chose."""

    rule: LongRule
    max_length: int
    """Tokens of a window: of a row where long ones are cut."""
    longer: int
    """Train rows of more tokens than that."""
    share: float
    """The same as a share of train."""
    metric: str
    judged_on: Literal["validation", "train"]
    """The rows that were scored: validation, or, where that is small, train rows by fits that left them out."""
    rows: int
    """How many they were."""
    train_rows: int
    """On so many the linear models were fitted."""
    tried: tuple[LongTried, ...]
    contrasts: tuple[LongContrast, ...]
    seconds: float
    """What the choice took."""
    cost_share: float
    """Tokens that it read, as a share of those that a run that cuts reads at least."""
