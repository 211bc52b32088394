"""Labels whose dots may set thousands apart are read as decimals only with a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftune.data.load import load_data
from liftune.spec import DataSpec

PRICES = ("950", "1.250", "780", "2.400", "640", "1.100", "3.000", "1.900", "5.300", "820")


@pytest.mark.parametrize(("labels", "said"), [(PRICES, True), ([f"{each}.5" for each in range(10)], False)])
def test_dots_that_may_set_thousands_apart_are_said(labels: tuple[str, ...], said: bool, tmp_path: Path) -> None:
    rows = "".join(f"ein Text mit der Nummer {i},{label}\n" for i, label in enumerate(labels))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}")
    notes = load_data(DataSpec(source=str(tmp_path / "rows.csv"))).audit.notes
    assert any("may be thousands" in note for note in notes) is said
