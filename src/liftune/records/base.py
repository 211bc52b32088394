"""What every part of a record is made of: frozen values with intervals, comparisons, counts.

Not here: what any of it is about.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Of every file below. It rises when a key or a name in one of them changes, and upgrade.py says how.
SCHEMA = 2

Verdict = Literal["better", "worse", "undecided"]
Head = Literal["fresh", "trained"]


class Record(BaseModel):
    """Base of every record."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class StoredRecord(Record):
    """Base of a record that stands alone, in a file or as the output of `--json`."""

    schema_version: int = Field(default=SCHEMA, alias="schema")

    def to_json(self) -> dict[str, Any]:
        """A plain object, schema first."""
        return self.model_dump(mode="json", by_alias=True)


class Interval(Record):
    """A value and its 95 % interval; low and high are null where there is none, and `note` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
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
    """The rule that decided: exact McNemar or paired randomisation."""
    rows_needed: int | None = None
    """undecided: test rows at which the observed gain, were it the true one, would be found with 80 % power."""
    smallest_detectable_gain: float | None = None
    """The least true gain that these rows show with 80 % power, as many of them differing as did; null where it is not
    known."""
    seeds: int | None = None
    """How many tunings the gain is a mean of, its interval holding their spread too; null where it speaks of the two
    models that were compared."""
    note: str | None = None


class RowCounts(Record):
    """Rows used in each part."""

    train: int
    validation: int
    test: int


class Seconds(Record):
    """Wall time. `train` counts optimisation only: no tokenising, no validation."""

    train: float | None = None
    evaluate: float | None = None


class Choice(Record):
    """One decision of the hardware plan, with its reason."""

    choice: str
    value: str
    reason: str
