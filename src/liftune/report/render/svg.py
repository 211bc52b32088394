"""Charts as SVG that takes its colours and its type from the page.

In: a Chart.  Out: an <svg> element as text, the same every time.
Not here: what a chart shows (charts.py), the page around it (html.py).

Colours are drawn as stand-ins and become CSS variables; text stays text.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import Any

from liftune.errors import need
from liftune.records.base import Interval
from liftune.report.charts import Chart, Columns, Dots, Grid, Lines, Points

#: Stand-in -> what it becomes. The stand-ins are odd enough not to be met by chance.
COLOURS = {
    "#010203": "var(--ink)",
    "#010204": "var(--faint)",
    "#010205": "var(--tuned)",
    "#010206": "var(--other)",
    "#010207": "var(--third)",
    "#010208": "var(--paper)",
}
INK, FAINT, TUNED, OTHER, THIRD, PAPER = COLOURS
_OTHERS = ((OTHER, "s"), (THIRD, "^"), (FAINT, "D"), (INK, "v"))
_WIDTH, _HEIGHT = 4.4, 2.9
#: A chart is drawn as wide as on a phone, and grows up to this where there is room.
_GROWTH = 1.4
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "liftune",
    "text.parse_math": False,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def svg(chart: Chart) -> str:
    """The chart, with its words as label for those who do not see it.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    need("matplotlib")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the page's own fonts draw the text
        figure = Figure(figsize=_size(chart), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        _DRAW[type(chart)](axes, chart)
        drawn = _printed(figure)
    return _for_the_page(drawn, chart.alt)


def _printed(figure: Any) -> str:
    """The figure as an SVG file, laid out by matplotlib."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = io.BytesIO()
    # No date, no version: the same record gives the same bytes.
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(file, metadata=nothing)
    return file.getvalue().decode()


def _for_the_page(text: str, alt: str) -> str:
    """Only the element, its colours and type the page's own, its ids no other chart's."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    for stand_in, variable in COLOURS.items():
        text = text.replace(stand_in, variable)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None
    mark = f"c{hashlib.sha256((text + alt).encode()).hexdigest()[:8]}-"
    text = re.sub(r"\bid=\"([^\"]+)\"", rf'id="{mark}\1"', text)
    text = re.sub(r"url\(#", f"url(#{mark}", text)
    text = re.sub(r"xlink:href=\"#", f'href="#{mark}', text)
    inner = re.sub(r"\n\s*", "\n", text[text.index(">") + 1 :]).strip()
    most = round(_GROWTH * float(box[1].split()[2]))
    return f'<svg viewBox="{box[1]}" style="max-width: {most}px" role="img" aria-label="{escape(alt)}">\n{inner}'


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


def _dots(axes: Any, chart: Dots) -> None:
    places = range(len(chart.names))
    several = len(chart.series) > 1
    for number, (name, values) in enumerate(chart.series.items()):
        shift = (number - (len(chart.series) - 1) / 2) * 0.28
        for place, each in zip(places, values, strict=True):
            strong = chart.strong in (name, chart.names[place])
            weak = chart.names[place] in chart.weak
            _dot(axes, place + shift, each, TUNED if strong else FAINT if weak else OTHER, "o" if strong else "s", weak)
        if several:
            axes.plot(
                [],
                [],
                color=TUNED if name == chart.strong else OTHER,
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


def _dot(axes: Any, place: float, score: Interval, colour: str, marker: str, hollow: bool) -> None:
    if score.value is None:
        return
    if score.low is not None and score.high is not None:
        axes.plot([score.low, score.high], [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
    axes.plot(
        [score.value], [place], marker=marker, markersize=7, color=colour, markerfacecolor=PAPER if hollow else colour
    )


def _lines(axes: Any, chart: Lines) -> None:
    if chart.diagonal:
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle=(0, (4, 3)), linewidth=1)
    one = len(chart.series) == 1
    others = 0
    for each in chart.series:
        if each.name == chart.strong or (one and chart.strong is None):
            colour, marker = TUNED, "o"
        else:
            colour, marker = _OTHERS[others % len(_OTHERS)]
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


def _grid(axes: Any, chart: Grid) -> None:
    from matplotlib.patches import Rectangle

    size = len(chart.names)
    for truth, row in enumerate(chart.counts):
        total = sum(row)
        for prediction, rows in enumerate(row):
            if not rows:
                continue
            share = rows / total
            colour = TUNED if truth == prediction else OTHER
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


def _points(axes: Any, chart: Points) -> None:
    ends = [min(*chart.x, *chart.y), max(*chart.x, *chart.y)]
    axes.plot(ends, ends, color=FAINT, linestyle=(0, (4, 3)), linewidth=1)
    axes.plot(
        chart.x, chart.y, linestyle="none", marker="o", markersize=3.5, color=TUNED, alpha=0.45, markeredgewidth=0
    )
    axes.set_xlabel(chart.x_axis)
    axes.set_ylabel(chart.y_axis)
    axes.grid()


def _columns(axes: Any, chart: Columns) -> None:
    widths = [high - low for low, high in zip(chart.edges, chart.edges[1:], strict=False)]
    axes.bar(
        chart.edges[:-1],
        chart.counts,
        width=widths,
        align="edge",
        color=TUNED,
        alpha=0.7,
        edgecolor=PAPER,
        linewidth=0.5,
    )
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlabel(chart.x_axis)
    axes.set_ylabel(chart.y_axis)


def _short(name: str, most: int = 22) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


_DRAW: dict[type, Callable[[Any, Any], None]] = {
    Dots: _dots,
    Lines: _lines,
    Grid: _grid,
    Points: _points,
    Columns: _columns,
}
