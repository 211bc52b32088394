"""A sweep as a plot: score against training time, memory and adapter size, with the Pareto fronts.

In: a SweepRecord; a file's name.  Out: a matplotlib Figure; an SVG or PNG.
Not here: which rows are on a front (leaderboard.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from liftune.errors import EXTRAS, SpecError, need
from liftune.files import atomic_write
from liftune.records.sweep import Cost, LeaderboardRow, SweepRecord
from liftune.reports.render.figures import DAY, figure_class
from liftune.sweeps.leaderboard import COSTS

ENDINGS = (".svg", ".png")
_AXES: dict[Cost, str] = {"seconds": "training, s", "memory": "own memory, MiB", "size": "adapter, MiB"}
#: Costs that differ by more than this factor are drawn on a logarithmic axis.
_WIDE = 5
#: Inches of a panel, the share of it inside its axes, points of the names in it.
_PANEL, _INNER, _SIZE = (4.2, 4.2), 0.85, 8.5
_UNITS: dict[Cost, float] = {"seconds": 1.0, "memory": 1.0, "size": 2**20}
#: A cost below this share of the median, such as the majority's time, would take up the whole axis: left out.
_LEAST_SHARE = 1e-3


def check_picture(path: str) -> None:
    """Refuse a file name that no picture can have, before anything is computed.

    Raises:
        SpecError: its ending is another.
        MissingExtra: matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in ENDINGS:
        raise SpecError(
            f"{path} is not a kind of picture that liftune draws", where="--picture", hint="end it in .svg or .png"
        )
    need(*EXTRAS["report"])


def draw(record: SweepRecord, path: str) -> None:
    """The figure in a file.

    Raises:
        ArtifactError: the file cannot be written.
    """
    check_picture(path)
    figure = figure_of(record)
    with atomic_write(Path(path)) as file:
        figure.savefig(file, format=Path(path).suffix.lower()[1:], dpi=150)


def figure_of(record: SweepRecord) -> Any:
    """One panel a cost. Points on the Pareto front are filled and joined; every point has its name.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    need("matplotlib")
    width, height = _PANEL
    figure = figure_class()(figsize=(width * len(COSTS), height), layout="constrained")
    panels = list(zip(figure.subplots(1, len(COSTS), sharey=True), COSTS, strict=True))
    for axes, cost in panels:
        _panel(axes, record, cost)
    for axes, cost in panels:  # once the limits, which panels share, are known
        _write_names(axes, [(_named(each, record), place) for each, place in _points(record, cost)])
    figure.axes[0].set_ylabel(f"{record.metric} on test")
    figure.suptitle(f"{Path(record.data).name or record.data}: filled and joined points are the Pareto front")
    return figure


def _panel(axes: Any, record: SweepRecord, cost: Cost) -> None:
    points = _points(record, cost)
    for each, place in points:
        on = cost in each.fronts
        axes.errorbar(
            *place,
            yerr=_reach(each),
            fmt="o",
            color=DAY.tuned if on else DAY.faint,
            markerfacecolor=DAY.tuned if on else "none",
            elinewidth=0.6,
            zorder=3 if on else 2,
        )
    joined = sorted(place for each, place in points if cost in each.fronts)
    if joined:
        axes.plot(*zip(*joined, strict=True), color=DAY.tuned, linewidth=0.8, drawstyle="steps-post", zorder=1)
    costs = [place[0] for _, place in points]
    if points and max(costs) > _WIDE * min(costs):
        axes.set_xscale("log")
        axes.tick_params(axis="x", which="both", length=3, pad=4)
        for axis_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")
    axes.margins(x=0.1)
    axes.set_xlabel(_AXES[cost])


def _write_names(axes: Any, points: list[tuple[str, tuple[float, float]]]) -> None:
    """A name beside each point, each where no other name is, with a line to its point if that is not beside it."""
    axes.autoscale_view()
    line = {"arrowstyle": "-", "linewidth": 0.4, "color": DAY.faint}
    size = np.array(_PANEL) * 72 * _INNER
    at = {place: axes.transLimits.transform(axes.transScale.transform(place)) * size for _, place in points}
    # Left, right, and how high: in points of print. No name lies on a mark either.
    taken = [(x - 4, x + 4, y - _SIZE / 2) for x, y in at.values()]
    for name, place in sorted(points, key=lambda point: point[1]):
        x, y = at[place]
        wide, leftwards = 0.62 * _SIZE * len(name), x > size[0] * 0.6
        left = x - wide - 5 if leftwards else x + 5
        heights = (y + 5 + _SIZE * 1.2 * step * sign for step in range(2 * len(points)) for sign in (1, -1))
        free = (
            high
            for high in heights
            if 0 <= high <= size[1] - _SIZE
            and not any(
                left < end and start < left + wide and abs(high - other) < _SIZE * 1.1 for start, end, other in taken
            )
        )
        high = next(free, y)
        taken.append((left, left + wide, high))
        axes.annotate(
            name,
            place,
            xytext=(-5 if leftwards else 5, high - y),
            textcoords="offset points",
            ha="right" if leftwards else "left",
            fontsize=_SIZE,
            arrowprops=line if abs(high - y) > 1.5 * _SIZE else None,
        )


def _points(record: SweepRecord, cost: Cost) -> list[tuple[LeaderboardRow, tuple[float, float]]]:
    """Each row that has this cost and a score, with its place in the panel."""
    points = [
        (each, (float(amount) / _UNITS[cost], each.score.value))
        for each in record.leaderboard
        if (amount := getattr(each, COSTS[cost])) is not None and each.score.value is not None
    ]
    middle = float(np.median([place[0] for _, place in points])) if points else 0.0
    return [(each, place) for each, place in points if place[0] > middle * _LEAST_SHARE]


def _reach(each: LeaderboardRow) -> Any:
    """How far the interval goes below and above the value."""
    score = each.score
    if score.value is None or score.low is None or score.high is None:
        return None
    return [[max(0.0, score.value - score.low)], [max(0.0, score.high - score.value)]]


def _named(each: LeaderboardRow, record: SweepRecord) -> str:
    return f"{each.contender} ({Path(each.model).name})" if len(record.baselines) > 1 else each.contender
