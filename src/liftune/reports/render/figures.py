"""Charts drawn by matplotlib, in colours that are given.

In: Charts, a Palette.  Out: a matplotlib Figure.
Not here: what a chart shows (charts.py), the page's own SVG (svg.py).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from liftune.errors import need
from liftune.records.base import Interval
from liftune.reports.charts import Chart, Columns, Dots, Grid, Lines, Points


class Palette(NamedTuple):
    """The colours of a chart, each as matplotlib takes it."""

    ink: str
    faint: str
    tuned: str
    other: str
    third: str
    paper: str


#: Of the report's page by day (page.css).
DAY = Palette("#1a1f26", "#626b78", "#1d5fc4", "#a84f0c", "#7a3fb0", "#ffffff")
_WIDTH, _HEIGHT = 4.4, 2.9


def _style(colours: Palette) -> Any:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "liftune",
        "text.parse_math": False,
        "font.size": 10,
        "text.color": colours.ink,
        "axes.labelcolor": colours.ink,
        "axes.edgecolor": colours.faint,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": colours.faint,
        "ytick.color": colours.faint,
        "xtick.labelcolor": colours.ink,
        "ytick.labelcolor": colours.ink,
        "grid.color": colours.faint,
        "grid.alpha": 0.35,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 9,
    }


@cache
def figure_class() -> Any:
    """matplotlib's Figure, as a notebook shows it also where nobody imported pyplot: it would print its size alone."""
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:
            image = io.BytesIO()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Glyph")  # a font that lacks a letter shows a box
                self.savefig(image, format="png", dpi=110, bbox_inches="tight")
            return image.getvalue()

    return NotebookFigure


@contextmanager
def drawn(charts: Sequence[Chart], colours: Palette, *, captions: bool = True) -> Iterator[Any]:
    """A Figure of charts side by side, in the style that it must be printed in too.

    Args:
        captions: whether each chart has its caption above it.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    need("matplotlib")
    from matplotlib import rc_context

    sizes = [_size(chart) for chart in charts]
    width, height = sum(size[0] for size in sizes), max(size[1] for size in sizes)
    with rc_context(_style(colours)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a font that lacks a letter shows a box
        figure = figure_class()(figsize=(width, height), layout="constrained")
        for number, chart in enumerate(charts, 1):
            axes = figure.add_subplot(1, len(charts), number)
            if captions:
                axes.set_title(chart.caption, fontsize=10, wrap=True)
            _DRAW[type(chart)](axes, chart, colours)
        yield figure


def figure_of(charts: Sequence[Chart]) -> Any:
    """A matplotlib Figure of charts side by side, which a notebook shows and `savefig` writes.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with drawn(charts, DAY) as figure:
        return figure


def _others(colours: Palette) -> tuple[tuple[str, str], ...]:
    """Colour and marker of each series that is not the strong one."""
    return (colours.other, "s"), (colours.third, "^"), (colours.faint, "D"), (colours.ink, "v")


def _size(chart: Chart) -> tuple[float, float]:
    """Inches: as wide as a phone at 72 points an inch, as high as it needs."""
    if isinstance(chart, Dots):
        return _WIDTH, 0.9 + 0.32 * len(chart.names) * max(1.0, 0.75 * len(chart.series))
    if isinstance(chart, Grid):
        side = 2.4 + 0.22 * len(chart.names)
        return min(side, 7.0), min(side, 7.0)
    if (isinstance(chart, Lines) and chart.unit) or isinstance(chart, Points):
        return 3.8, 3.6
    return _WIDTH, _HEIGHT


def _dots(axes: Any, chart: Dots, colours: Palette) -> None:
    places = range(len(chart.names))
    several = len(chart.series) > 1
    for number, (name, values) in enumerate(chart.series.items()):
        shift = (number - (len(chart.series) - 1) / 2) * 0.28
        for place, each in zip(places, values, strict=True):
            strong = chart.strong in (name, chart.names[place])
            weak = chart.names[place] in chart.weak
            colour = colours.tuned if strong else colours.faint if weak else colours.other
            _dot(axes, place + shift, each, colour, "o" if strong else "s", colours.paper if weak else colour)
        if several:
            axes.plot(
                [],
                [],
                color=colours.tuned if name == chart.strong else colours.other,
                marker="o" if name == chart.strong else "s",
                label=name,
            )
    axes.set_yticks(places, [_short(name) + (" (random)" if name in chart.weak else "") for name in chart.names])
    axes.set_ylim(len(chart.names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(chart.axis)
    if several:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _dot(axes: Any, place: float, score: Interval, colour: str, marker: str, inside: str) -> None:
    if score.value is None:
        return
    if score.low is not None and score.high is not None:
        axes.plot([score.low, score.high], [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
    axes.plot([score.value], [place], marker=marker, markersize=7, color=colour, markerfacecolor=inside)


def _lines(axes: Any, chart: Lines, colours: Palette) -> None:
    if chart.diagonal:
        axes.plot([0, 1], [0, 1], color=colours.faint, linestyle=(0, (4, 3)), linewidth=1)
    one = len(chart.series) == 1
    others = 0
    for each in chart.series:
        if each.name == chart.strong or (one and chart.strong is None):
            colour, marker = colours.tuned, "o"
        else:
            colour, marker = _others(colours)[others % len(_others(colours))]
            others += 1
        if each.low:
            axes.vlines(each.x, each.low, each.high, color=colour, linewidth=1.6, alpha=0.6)
        axes.plot(each.x, each.y, color=colour, marker=marker, markersize=5, linewidth=1.6, label=each.name)
    if chart.unit:
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_aspect("equal")
    if chart.whole:
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid()
    axes.set_xlabel(chart.x_axis)
    axes.set_ylabel(chart.y_axis)
    if not one:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def _grid(axes: Any, chart: Grid, colours: Palette) -> None:
    from matplotlib.patches import Rectangle

    size = len(chart.names)
    for truth, row in enumerate(chart.counts):
        total = sum(row)
        for prediction, rows in enumerate(row):
            if not rows:
                continue
            share = rows / total
            colour = colours.tuned if truth == prediction else colours.other
            axes.add_patch(
                Rectangle(
                    (prediction - 0.5, truth - 0.5), 1, 1, facecolor=colour, alpha=0.08 + 0.52 * share, edgecolor="none"
                )
            )
            axes.text(prediction, truth, f"{rows}", ha="center", va="center", fontsize=9 if size <= 8 else 7)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    names = [_short(name, 14) for name in chart.names]
    axes.set_xticks(range(size), names, rotation=90 if size > 3 else 0)
    axes.set_yticks(range(size), names)
    axes.tick_params(length=0)
    axes.set_aspect("equal")
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _points(axes: Any, chart: Points, colours: Palette) -> None:
    ends = [min(*chart.x, *chart.y), max(*chart.x, *chart.y)]
    axes.plot(ends, ends, color=colours.faint, linestyle=(0, (4, 3)), linewidth=1)
    axes.plot(
        chart.x,
        chart.y,
        linestyle="none",
        marker="o",
        markersize=3.5,
        color=colours.tuned,
        alpha=0.45,
        markeredgewidth=0,
    )
    axes.set_xlabel(chart.x_axis)
    axes.set_ylabel(chart.y_axis)
    axes.grid()


def _columns(axes: Any, chart: Columns, colours: Palette) -> None:
    widths = [high - low for low, high in zip(chart.edges, chart.edges[1:], strict=False)]
    axes.bar(
        chart.edges[:-1],
        chart.counts,
        width=widths,
        align="edge",
        color=colours.tuned,
        alpha=0.7,
        edgecolor=colours.paper,
        linewidth=0.5,
    )
    axes.axvline(0, color=colours.ink, linewidth=1)
    axes.set_xlabel(chart.x_axis)
    axes.set_ylabel(chart.y_axis)


def _short(name: str, most: int = 22) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


_DRAW: dict[type, Callable[[Any, Any, Palette], None]] = {
    Dots: _dots,
    Lines: _lines,
    Grid: _grid,
    Points: _points,
    Columns: _columns,
}
