"""What `predict` refuses before it loads a model; and what it makes of a process that died."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from v0_1 import lay_out

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


@pytest.mark.parametrize("model", ["run", "bundle"])
def test_rows_are_predicted_in_smaller_passes_after_two_deaths_in_one(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed or begun again; the note goes when the file is whole."""
    place = lay_out(tmp_path)
    monkeypatch.chdir(place)
    (place / "in.csv").write_text("text\n" + "sunny laugh\n" * 8)
    lines: list[str] = []

    class Log(Progress):
        def log(self, message: str) -> None:
            lines.append(message)

    options = PredictOptions(model, source="in.csv", out="whole.jsonl")
    assert not list(predict(options, Log(quiet=True)))
    assert not any("died" in line for line in lines)
    note = place / "out.jsonl.part.passes.json"
    note.write_text(json.dumps({"tried": 40, "fitted": 0, "deaths": 1, "kills": {}}))
    assert not list(predict(PredictOptions(model, source="in.csv", out="out.jsonl"), Log(quiet=True)))
    assert any("a process died in a pass of 40 tokens, 2 times: now 20 a pass at most" in line for line in lines)
    rows = [json.loads(line) for line in (place / "out.jsonl").read_text().splitlines()]
    whole = [json.loads(line) for line in (place / "whole.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == [row["label"] for row in whole]
    assert not note.exists()
