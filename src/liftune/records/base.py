"""The building blocks of every record: frozen values with intervals, comparisons, counts.

In: values.  Out: Records.
Not here: records of one subject (the other files of this package).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from liftune.seals import FILES, with_seal

#: Of every file below. It rises when a key or a name in one of them changes, and upgrade.py says how.
SCHEMA = 5

Verdict = Literal["better", "worse", "undecided"]
#: What is drawn independently: a row, a text that several rows share, or a group of rows.
Unit = Literal["row", "text", "group"]
Head = Literal["fresh", "trained"]


class Record(BaseModel):
    """Base of every record."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class StoredRecord(Record):
    """Base of a record that stands alone, in a file or as the output of `--json`."""

    schema_version: int = Field(default=SCHEMA, alias="schema")
    sections_from: ClassVar[str] = ""
    """`module:function`: what makes the sections that show it, from the record."""
    words_from: ClassVar[str] = ""
    """The same of what says its result in a few words."""

    def to_json(self) -> dict[str, Any]:
        """A plain object, schema first."""
        return self.model_dump(mode="json", by_alias=True)

    def __repr__(self) -> str:
        return str(display().line(self))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return str(display().html(self))


def display() -> Any:
    """What shows records lies above them, and is imported when one is shown."""
    return import_module("liftune.display")


class SealedRecord(StoredRecord):
    """Base of a file that seals itself and the files beside it: see seals.py."""

    files: dict[str, str] = Field(default_factory=dict)
    """sha256 of each file that decides answers, by its name; empty before schema 4."""

    def to_json(self) -> dict[str, Any]:
        """A plain object, schema first, files and seal last."""
        values = super().to_json()
        return with_seal({**{key: value for key, value in values.items() if key != FILES}, FILES: values[FILES]})


class TextColumns(Record):
    """The columns that a model's texts were read from, so that a file of the same columns is read alike."""

    texts: tuple[str, ...] = ()
    """One, or several that are joined, by the names that stand in the text."""
    text_pair: str | None = None
    """Of the second text of a pair."""


class Interval(Record):
    """A value and its 95% confidence interval; low and high are null where there is none, and `note` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str | None = None


class Outcome(Record):
    """A comparison's figures on other rows than its own."""

    rows: int
    gain: float | None
    low: float | None
    high: float | None
    p_value: float
    verdict: Verdict


class MarginVerdict(Record):
    """Whether b is not worse than a by the margin or more, and not better by as much either, each tested at 0.05."""

    margin: float
    """In the metric's own unit; fixed before the test rows were scored."""
    verdict: Literal["equivalent", "not worse", "not shown"]
    not_worse_p: float
    """One-sided, that b is worse than a by the margin or more."""
    equivalent_p: float
    """The larger of that and the p-value that b is better by the margin or more."""
    test: str = ""
    rows_needed: int | None = None
    """Test rows, or where these are not independent texts or groups, at which two that are equally good and differ as
    often as these are shown to be not worse 80% of the time; null where no number of them is enough or known."""
    note: str | None = None


class Comparison(Record):
    """b against a on the same rows."""

    a: str
    b: str
    metric: str
    gain: float | None
    """In the metric's own unit, signed so that positive is better."""
    low: float | None
    high: float | None
    p_value: float
    verdict: Verdict
    test: str = ""
    """The test that decided: exact McNemar or paired randomisation."""
    rows_needed: int | None = None
    """undecided: test rows needed to detect the observed gain with 80% power, if it is the true one; null where rows
    are not independent."""
    smallest_detectable_gain: float | None = None
    """The smallest true gain that these rows detect with 80% power, if as many of them differ as did; null where it is
    not known."""
    seeds: int | None = None
    """Number of tuned models whose mean the gain is, with their spread in its interval; null where it is about the two
    models that were compared."""
    note: str | None = None
    unit: Unit = "row"
    """What the test swaps or counts as one draw."""
    units: int | None = None
    """How many there are; null for rows."""
    units_needed: int | None = None
    """As `rows_needed`, in texts or groups."""
    rows: int | None = None
    """The test rows that it stands on, those that do not leak exactly or by group; null for all."""
    all_rows: Outcome | None = None
    """On all test rows; null where none was left out."""
    without_near: Outcome | None = None
    """Without near duplicates of train rows as well; null where there are none."""
    corrected_p_value: float | None = None
    """The p-value among those of all contrasts that the run declares, by Holm's correction, which then decides; null
    where nothing but the usual ones is compared."""
    contrasts: int | None = None
    """How many these are."""
    undecided_because: str | None = None
    """Why there is no verdict, whatever the p-value: too few clean rows, or it depends on near duplicates."""
    margin: MarginVerdict | None = None
    """With --margin."""


class RowCounts(Record):
    """Rows used in each part."""

    train: int
    validation: int
    test: int


class Seconds(Record):
    """Wall time. `train` counts optimisation only: no tokenisation, no validation."""

    train: float | None = None
    evaluate: float | None = None


class Choice(Record):
    """One decision of the hardware plan, with its reason."""

    choice: str
    value: str
    reason: str
