"""The picture of a sweep: every name can be read."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation

from liftune.records.base import Interval
from liftune.records.reading import read_record
from liftune.records.sweep import SweepRecord
from liftune.sweeps.plot import figure_of

SWEEP = Path(__file__).parents[1] / "fixtures" / "schema_4" / "sweep" / "sweep.json"
#: Name, score, seconds of training, memory, bytes of the adapter: as five methods on a small GPT-2 had them.
ALIKE = (
    ("prefix", 0.347, 65.1, 90.4, 85200),
    ("lora", 0.343, 77.6, 99.3, 269256),
    ("ia3", 0.340, 69.6, 97.6, 18440),
    ("ln_tuning", 0.340, 52.2, 89.3, 14584),
    ("probe (tuned)", 0.340, 45.6, 110.5, 3200),
    ("tfidf", 0.527, 9.8, None, None),
)


@pytest.fixture
def alike() -> SweepRecord:
    """Contenders of almost the same score."""
    record = read_record(SWEEP, SweepRecord, "sweep")
    row = record.leaderboard[0]
    rows = [
        row.model_copy(
            update={
                "contender": name,
                "score": Interval(value=score, low=score - 0.05, high=score + 0.05),
                "train_seconds": seconds,
                "memory_mib": memory,
                "adapter_bytes": size,
            }
        )
        for name, score, seconds, memory, size in ALIKE
    ]
    return record.model_copy(update={"leaderboard": tuple(rows)})


def test_no_name_lies_on_another_or_outside_the_picture(alike: SweepRecord) -> None:
    figure: Any = figure_of(alike)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        names = [each for each in axes.texts if isinstance(each, Annotation)]
        boxes = {each.get_text(): super(Annotation, each).get_window_extent(canvas.get_renderer()) for each in names}
        assert set(boxes) >= {name for name, _, _, memory, _ in ALIKE if memory}
        assert [(a, b) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])] == []
        assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes.values())


def test_costs_that_are_close_have_more_than_one_number_below(alike: SweepRecord) -> None:
    """Of a logarithmic axis from 89 to 110 only 100 was written."""
    figure: Any = figure_of(alike)
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        labels = [*axes.get_xticklabels(), *axes.get_xticklabels(minor=True)]
        assert len([each for each in labels if each.get_text() and low <= each.get_position()[0] <= high]) >= 3
