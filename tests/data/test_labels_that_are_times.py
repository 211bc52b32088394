"""A column of many days or times is no label: refused, and read as classes where that is said."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from liftune.data import load_data
from liftune.errors import DataError
from liftune.spec import DataSpec

DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(40)]
FORMS = {
    "ISO": [f"{day:%Y-%m-%d}" for day in DAYS],
    "with a clock": [f"{day:%Y-%m-%d}T10:15:00Z" for day in DAYS],
    "German": [f"{day:%d.%m.%Y}" for day in DAYS],
    "British": [f"{day:%d/%m/%y} 10:15" for day in DAYS],
    "with a month": [f"{day.day}. M\u00e4rz {1990 + i}" for i, day in enumerate(DAYS)],
    "times": [f"{i % 24}:{i:02}" for i in range(40)],
}


def rows(path: Path, labels: list[str], **more: str) -> DataSpec:
    lines = "".join(f"A note about case {i} of the day\t{label}\n" for i, label in enumerate(labels))
    path.write_text(f"text\tlabel\n{lines}", encoding="utf-8")
    return DataSpec(source=str(path), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", FORMS)
def test_many_days_are_no_labels_and_the_hint_works(form, tmp_path):
    with pytest.raises(DataError, match="'label' holds times, not labels: 40 different") as caught:
        load_data(rows(tmp_path / "x.tsv", FORMS[form] * 2))
    assert "--task single_label" in (caught.value.hint or "")
    assert len(load_data(rows(tmp_path / "x.tsv", FORMS[form] * 2, task="single_label")).labels) == 40
    with pytest.raises(DataError, match="times, not labels"):
        load_data(rows(tmp_path / "x.tsv", FORMS[form] * 2, task="regression"))


def test_a_few_days_are_classes_with_a_word(tmp_path):
    splits = load_data(rows(tmp_path / "x.tsv", FORMS["ISO"][:3] * 20))
    assert splits.labels == tuple(FORMS["ISO"][:3])
    assert any("days or times" in note for note in splits.audit.notes)


@pytest.mark.parametrize(
    "labels", [["Monday", "Sunday"], ["1.2.10", "1.2.11"], ["marketing", "satisfied"], ["2023", "2024"]]
)
def test_other_labels_are_no_times(labels, tmp_path):
    notes = load_data(rows(tmp_path / "x.tsv", labels * 20)).audit.notes
    assert not any("days or times" in note for note in notes)
