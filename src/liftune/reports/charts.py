"""What a chart shows, not how it is drawn.

In: numbers.  Out: frozen values that a Section carries; each has a caption, and says in words what it shows.
Not here: drawing (render/figures.py). Text formats leave charts out: what a chart shows stands in sentences and tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from liftune.records.base import Interval


@dataclass(frozen=True)
class Series:
    """Points of one name; `low` and `high` are their intervals where there are any."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Dots:
    """A value with its interval for each name, one below the other; several series stand side by side."""

    caption: str
    alt: str
    names: tuple[str, ...]
    series: dict[str, tuple[Interval, ...]]
    axis: str
    strong: str | None = None
    """The name that the eye should find first."""
    weak: frozenset[str] = frozenset()
    """Names whose values mean little."""


@dataclass(frozen=True)
class Lines:
    """Series over one axis."""

    caption: str
    alt: str
    series: tuple[Series, ...]
    x_axis: str
    y_axis: str
    diagonal: bool = False
    """Draw the line on which both axes are equal."""
    unit: bool = False
    """Both axes run from 0 to 1."""
    strong: str | None = None
    """The series that the eye should find first; any, where there is but one and none is named."""
    whole: bool = False
    """Only whole numbers lie on the first axis."""


@dataclass(frozen=True)
class Grid:
    """Counts of pairs, truth by prediction; shaded by the share of the truth's rows."""

    caption: str
    alt: str
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Points:
    """Predictions against the truth, with the line on which they are equal."""

    caption: str
    alt: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    x_axis: str
    y_axis: str


@dataclass(frozen=True)
class Columns:
    """A histogram."""

    caption: str
    alt: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    x_axis: str
    y_axis: str


Chart: TypeAlias = Dots | Lines | Grid | Points | Columns
