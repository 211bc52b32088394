"""What `predict` refuses before it loads a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftune.errors import SpecError
from liftune.progress import Progress
from liftune.workflows.predict import PredictOptions, predict


def test_the_file_that_is_read_is_not_replaced(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text\nfine\n")
    (tmp_path / "link.csv").symlink_to(rows)
    for out in (rows, tmp_path / "link.csv"):
        with pytest.raises(SpecError, match="would replace the file that is read"):
            predict(PredictOptions("no run", source=str(rows), out=str(out)), Progress(quiet=True))
    assert rows.read_text() == "text\nfine\n"
