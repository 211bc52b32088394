"""Charts as SVG that takes its colours and its type from the page.

In: a Chart.  Out: an <svg> element as text, the same every time.
Not here: what a chart shows (charts.py), drawing it (figures.py), the page around it (html.py).

Colours are drawn as stand-ins and become CSS variables; text stays text.
"""

from __future__ import annotations

import hashlib
import io
import re
from html import escape
from typing import Any

from liftune.reports.charts import Chart
from liftune.reports.render.figures import Palette, drawn

#: Stand-ins, odd enough not to be met by chance, and what each becomes.
STAND_INS = Palette("#010203", "#010204", "#010205", "#010206", "#010207", "#010208")
COLOURS = {stand_in: f"var(--{name})" for name, stand_in in zip(Palette._fields, STAND_INS, strict=True)}
#: A chart is drawn as wide as on a phone, and grows up to this where there is room.
_GROWTH = 1.4


def svg(chart: Chart) -> str:
    """The chart, with its words as label for those who do not see it.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with drawn([chart], STAND_INS, captions=False) as figure:
        figure.patch.set_alpha(0)
        figure.axes[0].patch.set_alpha(0)
        printed = _printed(figure)
    return _for_the_page(printed, chart.alt)


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
