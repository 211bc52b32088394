"""Results by groups of test rows, beyond the record: frozen, and part of a report's JSON.

Not here: how they are computed (evaluation/error_analysis.py), how they are shown (report/).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from liftune.records.base import Interval, Record
from liftune.records.calibration import ReliabilityBin


class LabelScores(Record):
    """One label under one contender."""

    label: str
    rows: int
    """Test rows that carry it."""
    precision: Interval
    recall: Interval
    f1: Interval


class Confusion(Record):
    """Rows of one label that were predicted as another."""

    truth: str
    answer: str
    rows: int
    share: Interval
    """Of the truth's rows."""


class ConfusionTable(Record):
    """Which labels one single-label contender predicted for which."""

    counts: tuple[tuple[int, ...], ...]
    """`[truth][prediction]` rows; a label that the model lacks has a row and a column of zeros. Empty with more than
    MOST_IN_MATRIX labels."""
    worst: tuple[Confusion, ...]
    """The most common confusions, the most rows first."""


class CoveragePoint(Record):
    """The score on the most confident share of the rows."""

    share: float
    rows: int
    least: float
    """The confidence of the last row in it."""
    score: Interval


class LengthBin(Record):
    """Rows of similar length, and their scores."""

    low: int
    high: int
    """Words of the shortest and of the longest."""
    rows: int
    scores: dict[str, Interval]
    """Contender -> score."""


class Scatter(Record):
    """A regression's predictions against the truth, on at most MOST_POINTS rows taken evenly from all."""

    truth: tuple[float, ...]
    answers: tuple[float, ...]
    edges: tuple[float, ...]
    """Of the histogram of residuals, prediction less truth, over all rows."""
    counts: tuple[int, ...]
    bias: Interval
    """The mean residual."""


class Flip(Record):
    """A row that two contenders predict differently."""

    id: str
    text: str
    text_pair: str | None = None
    target: str
    before: str
    after: str
    confidence: float
    """Single- and multi-label: the tuned model's probability of its prediction (of its least sure label). Regression:
    by how much the error changed, in the target's unit."""


class Flips(Record):
    """Rows that tuning fixed, and rows that it broke, the most confident first."""

    against: str
    fixed: tuple[Flip, ...]
    broken: tuple[Flip, ...]

    def first(self, most: int) -> Flips:
        """The most confident ones."""
        return self.model_copy(update={"fixed": self.fixed[:most], "broken": self.broken[:most]})


class WordEffect(Record):
    """A word of a row, and what leaving it out does to a model's answer."""

    word: str
    change: float
    """Of the answer's probability, or of the value: with the word less without it."""
    log_odds: float | None = None
    """The same of the answer's log odds; null for a regression."""


class ExplainedFlip(Record):
    """The words that mattered to two models in one row."""

    id: str
    words: dict[str, tuple[WordEffect, ...]]
    """Contender -> its strongest words."""


class ExplainedFlips(Record):
    """A few of a run's flips, explained."""

    flips: tuple[ExplainedFlip, ...]
    wanted: int
    """How many were to be; fewer where the time was over."""
    seconds: float
    """After which no further one is begun."""
    lacking: str = ""
    """Why there are none of them; empty where there are."""


class Details(Record):
    """Everything that the rows show about the tuned model and the contender it is compared with."""

    command: str
    """The command line that asks for this run."""
    against: str
    """The contender that the tuned model is compared with, row by row."""
    why: str
    """Why that one."""
    metric: str
    """The score of groups of rows."""
    classes: dict[str, tuple[LabelScores, ...]] = Field(default_factory=dict)
    confusions: dict[str, ConfusionTable] = Field(default_factory=dict)
    reliability: dict[str, tuple[ReliabilityBin, ...]] = Field(default_factory=dict)
    coverage: dict[str, tuple[CoveragePoint, ...]] = Field(default_factory=dict)
    lengths: tuple[LengthBin, ...] = ()
    clouds: dict[str, Scatter] = Field(default_factory=dict)
    flips: Flips
    other_flips: tuple[Flips, ...] = ()
    """The same against each contender that the run did not fit."""
    explained: ExplainedFlips | None = None
    """Null where the run did not explain any."""
    damaged: dict[str, str] = Field(default_factory=dict)
    """Contender -> what is wrong with its files, so that it cannot be used; its scores are of before."""

    def to_json(self, *, most_flips: int) -> dict[str, Any]:
        """A plain object with the first flips each way; all of them are in flips.jsonl."""
        cut = {
            "flips": self.flips.first(most_flips),
            "other_flips": tuple(each.first(most_flips) for each in self.other_flips),
        }
        return self.model_copy(update=cut).model_dump(mode="json")
